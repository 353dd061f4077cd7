package contractdiff

import (
	"fmt"
	"hash/fnv"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// size says how much is made of each operation.
type size struct {
	bodies   int // valid bodies
	spoilt   int // of each, with one place changed; all: all places in all ways
	texts    int // of the first, changed as texts
	spelling int // of each parameter, odd texts
}

var (
	small   = size{bodies: 2, spoilt: all, texts: 100, spelling: 100} // for small documents
	sampled = size{bodies: 2, spoilt: 4, texts: 3, spelling: 3}
	whole   = size{bodies: 6, spoilt: 30, texts: 100, spelling: 100}
)

const all = -1

// corpus makes the exchanges of a document, the same ones every time.
func (s *specimen) corpus(n size, each func(*exchange)) {
	for _, path := range slices.Sorted(maps.Keys(s.doc.Paths.Map())) {
		if strings.Contains(path, "#") {
			continue // no request can carry it
		}
		item := s.doc.Paths.Value(path)
		operations := item.Operations()
		for _, method := range slices.Sorted(maps.Keys(operations)) {
			seed := fnv.New64a()
			_, _ = fmt.Fprint(seed, s.name, method, path)
			m := &maker{
				document: s, method: method, path: path, item: item, op: operations[method], size: n, each: each,
				random: rand.New(rand.NewPCG(seed.Sum64(), 1)),
			}
			m.parameters = append(m.parameters, m.op.Parameters...)
			for _, p := range item.Parameters {
				if m.op.Parameters.GetByInAndName(p.Value.In, p.Value.Name) == nil {
					m.parameters = append(m.parameters, p)
				}
			}
			m.requests()
			m.responses()
		}
	}
}

// maker makes the exchanges of an operation.
type maker struct {
	document     *specimen
	method, path string
	item         *openapi3.PathItem
	op           *openapi3.Operation
	parameters   openapi3.Parameters
	size         size
	random       *rand.Rand
	each         func(*exchange)
}

func (m *maker) generator(rich float64, response bool) *generator {
	return &generator{random: m.random, rich: rich, response: response}
}

// base is the URL of the document's first server.
func (m *maker) base() string {
	if servers := m.document.doc.Servers; len(servers) > 0 {
		return strings.TrimSuffix(servers[0].URL, "/")
	}
	return ""
}

// draft is a request that keeps the contract, before it is written out.
type draft struct {
	texts map[*openapi3.Parameter][]string // as they stand in the message, one for each time a parameter is sent
	query []string                         // raw pairs besides
}

func (m *maker) draft(rich float64) draft {
	d := draft{texts: make(map[*openapi3.Parameter][]string)}
	for _, ref := range m.parameters {
		p := ref.Value
		if p.Required || !beyondStyle(p) && m.random.Float64() < rich {
			d.texts[p] = written(p, m.parameterValue(p))
		}
	}
	return d
}

// beyondStyle tells whether no style can write a parameter: an array of objects.
func beyondStyle(p *openapi3.Parameter) bool {
	return p.Schema != nil && p.Schema.Value.Items != nil && p.Schema.Value.Items.Value.Type.Is("object")
}

// goodDraft is a draft whose parameters weir accepts, if one comes about soon: else what is odd in it would not show.
func (m *maker) goodDraft(rich float64) draft {
	var d draft
	for range 10 {
		d = m.draft(rich)
		bad := slices.ContainsFunc(m.document.weir.judge(m.exchange("", d)), func(f finding) bool { return f.in != "body" })
		if !bad {
			break
		}
	}
	return d
}

func (m *maker) parameterValue(p *openapi3.Parameter) any {
	if p.Example != nil && m.random.IntN(2) == 0 {
		return p.Example
	}
	schema := p.Schema
	for _, media := range p.Content {
		schema = media.Schema
	}
	for range 10 {
		value := m.generator(0.5, false).value(schema, 0)
		if text, ok := value.(string); value != nil && (!ok || text != "") {
			return value
		}
	}
	return "x" // what an empty text is depends on more than the schema, and null is not written
}

// exchange writes a draft out.
func (m *maker) exchange(title string, d draft) *exchange {
	x := &exchange{document: m.document, method: m.method, header: make(http.Header)}
	x.title = m.method + " " + m.path + ": " + title
	path, query := m.path, slices.Clone(d.query)
	for _, ref := range m.parameters {
		p := ref.Value
		for _, text := range d.texts[p] {
			switch p.In {
			case "path":
				path = strings.ReplaceAll(path, "{"+p.Name+"}", text)
			case "query":
				query = append(query, text)
			case "header":
				x.header.Add(p.Name, text)
			case "cookie":
				x.header.Add("Cookie", text)
			}
		}
	}
	x.target = m.base() + path
	if len(query) > 0 {
		x.target += "?" + strings.Join(query, "&")
	}
	return x
}

func (m *maker) requests() {
	full, bare := m.goodDraft(0.8), m.goodDraft(0)
	if m.op.RequestBody == nil {
		m.each(m.exchange("most parameters", full))
		m.each(m.exchange("required parameters", bare))
	}
	content := m.bodyContent()
	for _, p := range m.parameters {
		m.spellings(p.Value, full, content)
	}
	if content != nil {
		m.requestBodies(bare)
	}
}

// carrying gives a request the first body there is, so that only its parameters are in question.
func (m *maker) carrying(x *exchange, content openapi3.Content) *exchange {
	if len(content) == 0 {
		return x
	}
	mediaType := slices.Sorted(maps.Keys(content))[0]
	x.body, x.header["Content-Type"] = m.encoded(mediaType, m.examplesOf(content[mediaType], false)[0])
	return x
}

func (m *maker) bodyContent() openapi3.Content {
	if m.op.RequestBody == nil || m.op.RequestBody.Value == nil {
		return nil
	}
	return m.op.RequestBody.Value.Content
}

// oddTexts are spellings that parsers read in different ways, as they stand in a path or query.
var oddTexts = []string{
	"0x1F", "010", "1_000", "+1", "%2B1", "-0", "1e3", "1.0", "1.5", ".5", "5.", "Inf", "-Inf", "NaN", "0x1p-2", "1%2C000",
	"True", "TRUE", "t", "T", "1", "0", "yes", "null", "%20", "%201", "1%20", "a%2Fb", "a%2Cb", "a,b", ",", "a,,b", "%00",
	"%FF", "%C3%A4", "%F0%9F%98%80", "%zz", "%", "2147483648", "9223372036854775808", "123456789012345678901234567890",
	"-1", "0", "[1]", "%5B1%5D", "{}", "a;b", "a%3Bb", "a%3Db", "%2E%2E", "true", "2024-02-30", "x", "1|2", "a+b",
}

// spellings makes requests in which one parameter is odd, twice there or missing.
func (m *maker) spellings(p *openapi3.Parameter, d draft, content openapi3.Content) {
	try := func(title, raw string, texts ...string) {
		odd := draft{texts: maps.Clone(d.texts)}
		odd.texts[p] = texts
		x := m.carrying(m.exchange(fmt.Sprintf("%s %s %s", p.In, p.Name, title), odd), content)
		x.odd = p.In + " " + p.Name + "=" + raw
		m.each(x)
	}
	texts := slices.Clone(oddTexts)
	m.random.Shuffle(len(texts), func(i, j int) { texts[i], texts[j] = texts[j], texts[i] })
	for _, text := range texts[:min(m.size.spelling, len(texts))] {
		if p.In == "header" {
			if decoded, err := url.PathUnescape(text); err == nil {
				text = strings.TrimSpace(strings.Map(printable, decoded)) // as net/http does
			}
		}
		if p.In == "path" && (text == "%zz" || text == "%") {
			continue // net/http refuses the request
		}
		try("odd "+text, text, inPlace(p, "", text))
	}
	if p.In != "path" {
		try("missing", "")
	}
	if p.In == "query" {
		value := written(p, m.parameterValue(p))
		try("empty", "", inPlace(p, "", ""))
		try("twice", "", append(slices.Clone(value), value...)...)
		try("long", "", inPlace(p, "", strings.Repeat("long", 300)))
		undeclared := draft{texts: d.texts, query: []string{"zzz=1"}}
		m.each(m.carrying(m.exchange("undeclared query parameter", undeclared), content))
	}
}
