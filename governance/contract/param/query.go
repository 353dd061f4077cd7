package param

// query.go parses what consists of pairs: the query and the cookies.

import (
	"net/http"
	"strings"

	"github.com/weirproxy/weir/governance/contract/schema"
)

// maxPairs is how many parameters a query may have.
const maxPairs = 10_000

// pair is a name, decoded, and a value as it was sent.
type pair struct {
	name, value string
	taken       bool // by a declared parameter
	semicolon   bool // has one as it was sent
	broken      bool // cannot be read, which is reported
}

type pairs []pair

// take appends the values of a name. broken tells that one of them cannot be read.
func (p pairs) take(name string, values []string) (found []string, broken bool) {
	for i := range p {
		if p[i].name == name {
			p[i].taken = true
			broken = broken || p[i].broken
			values = append(values, p[i].value)
		}
	}
	return values, broken
}

// Query is the query of a request, parsed once for all its parameters. It must not be used concurrently.
type Query struct{ pairs pairs }

// Parse reads a raw query (url.URL.RawQuery) into q, whose room it uses again. Pairs are separated by & alone, and +
// is a space, as in the URL standard of WHATWG. A broken escape is a violation (syntax); so are more than 10,000 pairs
// (properties), and those beyond are left out.
func (q *Query) Parse(raw string, report *schema.Report) {
	clear(q.pairs) // let go of the last request's text
	q.pairs = q.pairs[:0]
	for raw != "" {
		var text string
		text, raw, _ = strings.Cut(raw, "&")
		if text == "" {
			continue
		}
		if len(q.pairs) == maxPairs {
			report.At(inQuery, "")
			report.Add("", "properties", "must not have more than 10000 parameters")
			return
		}
		rawName, value, _ := strings.Cut(text, "=")
		name, ok := unescape(rawName, true)
		if !ok {
			report.At(inQuery, "")
			report.Add("", "syntax", "has a parameter name with a broken escape: "+brokenEscape)
			continue
		}
		broken := !escapesAreWhole(value)
		if broken {
			report.At(inQuery, cut(name))
			report.Add("", "syntax", "has a broken escape: "+brokenEscape)
		}
		semicolon := strings.IndexByte(text, ';') >= 0
		q.pairs = append(q.pairs, pair{name: name, value: value, semicolon: semicolon, broken: broken})
	}
}

const brokenEscape = "a % must be followed by two hexadecimal digits, and a percent sign be written %25"

// Semicolons adds a violation for each parameter with a semicolon, which a client encodes unless allowReserved lets it
// be: some servers take it for an &, and others leave out what has one.
func (q *Query) Semicolons(report *schema.Report) {
	for i := range q.pairs {
		if p := &q.pairs[i]; p.semicolon && !p.broken {
			p.broken = true
			report.At(inQuery, cut(p.name))
			report.Add("", "syntax", "has a semicolon, which some servers take for an &: write it as %3B")
		}
	}
}

// Lookalikes adds a violation (undeclared) for each parameter that no Decoder has taken since Parse and that some
// servers take for one of these names: for "id" they read "id[]" and "id[x]" as an array or an object, past its schema.
// Of a deepObject, that is also the name alone.
func (q *Query) Lookalikes(names map[string]struct{}, report *schema.Report) {
	for i := range q.pairs {
		p := &q.pairs[i]
		if p.taken || p.broken {
			continue
		}
		name, _, _ := strings.Cut(p.name, "[")
		if _, ok := names[name]; ok {
			p.broken = true
			report.At(inQuery, cut(p.name))
			report.Add("", "undeclared", "is not how the parameter "+cut(name)+" is sent, but some servers take it for that")
		}
	}
}

// Undeclared adds a violation for each parameter that no Decoder has taken since Parse.
func (q *Query) Undeclared(report *schema.Report) {
	for i := range q.pairs {
		p := &q.pairs[i]
		if p.taken || p.broken {
			continue
		}
		if report.Full() {
			report.Total++ // without looking for others of the same name
			continue
		}
		q.pairs[i:].take(p.name, nil)
		report.At(inQuery, cut(p.name))
		report.Add("", "undeclared", "is not a parameter of this operation")
	}
}

// Cookies are the cookies of a request, parsed once for all its parameters. They must not be used concurrently.
type Cookies struct{ pairs pairs }

// Parse reads the Cookie headers into c, whose room it uses again. Quotes around a value, and blanks around a name and
// a value, are no part of it: some servers drop them, and then the cookie is what they see. What is no cookie is left
// out, as servers do (RFC 6265).
func (c *Cookies) Parse(h http.Header, report *schema.Report) {
	clear(c.pairs)
	c.pairs = c.pairs[:0]
	for _, line := range h["Cookie"] {
		for text := range strings.SplitSeq(line, ";") {
			name, value, ok := strings.Cut(text, "=")
			name, value = strings.Trim(name, " \t"), strings.Trim(value, " \t")
			if !ok || name == "" {
				continue
			}
			if len(c.pairs) == maxPairs {
				report.At(inCookie, "")
				report.Add("", "properties", "must not have more than 10000 cookies")
				return
			}
			if len(value) > 1 && value[0] == '"' && value[len(value)-1] == '"' {
				value = value[1 : len(value)-1]
			}
			c.pairs = append(c.pairs, pair{name: name, value: value})
		}
	}
}
