package contractdiff

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

func (m *maker) requestBodies(d draft) {
	content := m.bodyContent()
	for _, mediaType := range slices.Sorted(maps.Keys(content)) {
		for i, value := range m.examplesOf(content[mediaType], false) {
			good := m.exchange(fmt.Sprintf("%s %d", mediaType, i), d)
			good.body, good.header["Content-Type"] = m.encoded(mediaType, value)
			m.each(good)
			for _, bad := range m.spoilt(mediaType, value, i) {
				x := *good
				x.title += ": " + bad.title
				x.body = bad.body
				m.each(&x)
			}
			if i == 0 {
				m.contentTypes(good)
			}
		}
	}
}

// spoilt are bodies of a media type made of a value. Only JSON texts are changed as texts.
func (m *maker) spoilt(mediaType string, value any, i int) []spoilt {
	if strings.HasSuffix(mediaType, "json") {
		all := spoiltValues(m.random, normal(value), m.size.spoilt)
		if i == 0 {
			text, _ := m.encoded(mediaType, value)
			texts := spoiltTexts(text)
			m.random.Shuffle(len(texts), func(i, j int) { texts[i], texts[j] = texts[j], texts[i] })
			all = append(all, texts[:min(m.size.texts, len(texts))]...)
		}
		return all
	}
	var all []spoilt
	for _, bad := range spoiltValues(m.random, normal(value), m.size.spoilt) {
		var value any
		if json.Unmarshal(bad.body, &value) == nil {
			text, _ := m.encoded(mediaType, value)
			all = append(all, spoilt{bad.title, text})
		}
	}
	return all
}

// normal is a value as encoding/json has it.
func normal(value any) any {
	text, err := json.Marshal(value)
	if err != nil {
		return value
	}
	decoder := json.NewDecoder(strings.NewReader(string(text)))
	decoder.UseNumber()
	var decoded any
	if decoder.Decode(&decoded) != nil {
		return value
	}
	return decoded
}

func (m *maker) contentTypes(good *exchange) {
	declared := good.header.Get("Content-Type")
	types := []string{
		"", "text/plain", "application/xml", "application/json", strings.ToUpper(declared), declared + "; charset=utf-8",
		declared + ";charset=UTF-8", declared + "; charset=utf-16", declared + "; a=b", "json", "application/",
		"application/problem+json", "*/*",
	}
	m.random.Shuffle(len(types), func(i, j int) { types[i], types[j] = types[j], types[i] })
	for _, name := range types[:min(m.size.texts, len(types))] {
		x := *good
		x.title += fmt.Sprintf(": content type %q", name)
		x.header = good.header.Clone()
		if x.header.Del("Content-Type"); name != "" {
			x.header.Set("Content-Type", name)
		}
		m.each(&x)
	}
}

// examplesOf are values of a media type: its examples, and generated ones. There is at least one.
func (m *maker) examplesOf(media *openapi3.MediaType, response bool) []any {
	var values []any
	if media.Example != nil {
		values = append(values, media.Example)
	}
	for _, name := range slices.Sorted(maps.Keys(media.Examples)) {
		if example := media.Examples[name].Value; example != nil && example.Value != nil {
			values = append(values, example.Value)
		}
	}
	if m.size.spoilt == all && len(values) > 0 {
		return values // which are right, so that what is changed in them is all that can be wrong
	}
	values = values[:min(len(values), m.size.bodies)]
	for i := range m.size.bodies {
		values = append(values, m.generator([]float64{1, 0, 0.5}[i%3], response).value(media.Schema, 0))
	}
	return values
}

// encoded writes a value in a media type.
func (m *maker) encoded(mediaType string, value any) (text []byte, contentType []string) {
	switch mediaType {
	case "application/x-www-form-urlencoded":
		return []byte(asForm(value)), []string{mediaType}
	case "multipart/form-data":
		return []byte(asMultipart(value)), []string{mediaType + "; boundary=boundary"}
	}
	if text, ok := value.(string); ok && !strings.HasSuffix(mediaType, "json") {
		return []byte(text), []string{mediaType}
	}
	text, err := json.Marshal(value)
	if err != nil {
		return nil, []string{mediaType}
	}
	return text, []string{mediaType}
}

func asForm(value any) string {
	members, _ := value.(map[string]any)
	var pairs []string
	for _, name := range slices.Sorted(maps.Keys(members)) {
		items, ok := members[name].([]any)
		if !ok {
			items = []any{members[name]}
		}
		for _, item := range items {
			pairs = append(pairs, url.QueryEscape(name)+"="+url.QueryEscape(plainText(item)))
		}
	}
	return strings.Join(pairs, "&")
}

func asMultipart(value any) string {
	members, _ := value.(map[string]any)
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(members)) {
		_, _ = fmt.Fprintf(&b, "--boundary\r\nContent-Disposition: form-data; name=%q\r\n", name)
		if _, ok := members[name].(string); !ok {
			b.WriteString("Content-Type: application/json\r\n")
		}
		_, _ = fmt.Fprintf(&b, "\r\n%s\r\n", plainText(members[name]))
	}
	b.WriteString("--boundary--\r\n")
	return b.String()
}

func (m *maker) responses() {
	d := m.goodDraft(0)
	for _, status := range slices.Sorted(maps.Keys(m.op.Responses.Map())) {
		code, err := strconv.Atoi(status)
		if err != nil {
			code = 599 // default
		}
		response := m.op.Responses.Value(status).Value
		make := func(title string) *exchange {
			x := m.exchange("response "+status+" "+title, d)
			x.response, x.status, x.responseHeader = true, code, http.Header{}
			return x
		}
		if len(response.Content) == 0 {
			m.each(make("without content"))
		}
		for _, mediaType := range slices.Sorted(maps.Keys(response.Content)) {
			for i, value := range m.examplesOf(response.Content[mediaType], true) {
				good := make(fmt.Sprintf("%s %d", mediaType, i))
				good.responseBody, good.responseHeader["Content-Type"] = m.encoded(mediaType, value)
				m.each(good)
				for _, bad := range m.spoilt(mediaType, value, i) {
					x := *good
					x.title += ": " + bad.title
					x.responseBody = bad.body
					m.each(&x)
				}
			}
		}
	}
}
