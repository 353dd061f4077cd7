package contract

// mediatype.go finds the declared media type that a Content-Type header falls under.

import (
	"cmp"
	"mime"
	"slices"
	"strings"

	"github.com/weirproxy/weir/governance/contract/body"
)

// kind is how bodies of a media type are read.
type kind uint8

const (
	opaque    kind = iota // only the content type is judged
	jsonText              // application/json, +json and older names: see body.IsJSON
	form                  // application/x-www-form-urlencoded
	multipart             // multipart/form-data
	plainText             // text/*
	octets                // application/octet-stream
	kinds
)

// kindOf tells how bodies of a media type, in small letters and without parameters, are read.
func kindOf(mediaType string) kind {
	switch {
	case body.IsJSON(mediaType):
		return jsonText
	case mediaType == "application/x-www-form-urlencoded":
		return form
	case mediaType == "multipart/form-data":
		return multipart
	case mediaType == "application/octet-stream":
		return octets
	case strings.HasPrefix(mediaType, "text/") && !structuredText[mediaType] && !strings.HasSuffix(mediaType, "+xml"):
		return plainText
	}
	return opaque
}

// structuredText are texts whose schemas speak of what is in them, not of the text.
var structuredText = map[string]bool{
	"text/xml": true, "text/yaml": true, "text/x-yaml": true, "text/vnd.yaml": true, "text/event-stream": true,
}

// content is the map of media types of a request body or response, compiled.
type content struct {
	ranges   []mediaRange // the more specific first
	plain    map[string]*BodyCheck
	accepted *BodyCheck // what Unsupported hands out
}

// mediaRange is one declared media type: application/json, application/json;version=2, application/*+json,
// application/*, */*.
type mediaRange struct {
	name   string
	prefix string // "application/" for application/*, "" for */*
	suffix string // "+json" for application/*+json, which OpenAPI does not define and generators of documents write
	exact  bool
	params map[string]string
	checks [kinds]*BodyCheck // of an exact range only the one of its kind, else all
}

// parseRange reads a key of a content map; ok is false where it is no media type or range.
func parseRange(name string) (r mediaRange, ok bool) {
	mediaType, params, err := mime.ParseMediaType(name)
	main, sub, found := strings.Cut(mediaType, "/")
	switch {
	case err != nil || !found || main == "" || sub == "" || main == "*" && sub != "*":
		return mediaRange{}, false
	case main == "*":
		return mediaRange{name: mediaType, params: params}, true
	case sub == "*":
		return mediaRange{name: mediaType, params: params, prefix: main + "/"}, true
	case strings.HasPrefix(sub, "*+"):
		return mediaRange{name: mediaType, params: params, prefix: main + "/", suffix: sub[1:]}, true
	}
	return mediaRange{name: mediaType, params: params, prefix: mediaType, exact: true}, true
}

// specific compares ranges: exact ones first, more parameters first, the longer prefix first.
func specific(a, b mediaRange) int {
	exact := func(r mediaRange) int {
		if r.exact {
			return 1
		}
		return 0
	}
	return cmp.Or(cmp.Compare(exact(b), exact(a)), cmp.Compare(len(b.params), len(a.params)),
		cmp.Compare(len(b.prefix), len(a.prefix)), cmp.Compare(len(b.suffix), len(a.suffix)), strings.Compare(a.name, b.name))
}

// covers tells whether a media type without parameters falls under the range.
func (r *mediaRange) covers(mediaType string) bool {
	if r.exact {
		return r.name == mediaType
	}
	rest, ok := strings.CutPrefix(mediaType, r.prefix)
	return ok && strings.HasSuffix(rest, r.suffix)
}

func newContent(ranges []mediaRange) *content {
	slices.SortStableFunc(ranges, specific)
	c := &content{ranges: ranges, plain: make(map[string]*BodyCheck)}
	names := make([]string, len(ranges))
	for i := range ranges {
		names[i] = ranges[i].name
		c.addPlain(ranges[i])
	}
	slices.Sort(names)
	c.accepted = &BodyCheck{Accepted: strings.Join(slices.Compact(names), ", ")}
	return c
}

// addPlain remembers what the usual spellings of a media type lead to, so that nearly no message needs parsing.
func (c *content) addPlain(r mediaRange) {
	if !r.exact {
		return
	}
	check, ok := c.search(r.name, nil)
	if !ok {
		return
	}
	c.plain[r.name] = check
	for _, charset := range []string{"; charset=utf-8", ";charset=utf-8", "; charset=UTF-8", ";charset=UTF-8"} {
		c.plain[r.name+charset] = check
	}
}

// find returns the check for the Content-Type of a message; ok is false where none is declared or readable.
func (c *content) find(contentType string) (*BodyCheck, bool) {
	if check, ok := c.plain[contentType]; ok {
		return check, true
	}
	mediaType, params, err := mime.ParseMediaType(contentType)
	if err != nil || !strings.Contains(mediaType, "/") || !readableCharset(mediaType, params["charset"]) {
		return c.accepted, false
	}
	return c.search(mediaType, params)
}

// search takes the first range that fits, one whose parameters the message has; if there is none, one whose
// parameters it does not contradict. So "application/json;version=2" also takes a message that does not say which.
func (c *content) search(mediaType string, params map[string]string) (*BodyCheck, bool) {
	k := kindOf(mediaType)
	var second *BodyCheck
	for i := range c.ranges {
		r := &c.ranges[i]
		if r.checks[k] == nil || !r.covers(mediaType) {
			continue
		}
		switch has, contradicts := compareParams(r.params, params); {
		case has:
			return r.checks[k], true
		case !contradicts && second == nil:
			second = r.checks[k]
		}
	}
	if second == nil {
		return c.accepted, false
	}
	return second, true
}

// compareParams tells whether a message has all parameters of a declared media type, and whether it has one of them
// with another value. charset does not count: see readableCharset.
func compareParams(declared, message map[string]string) (has, contradicts bool) {
	has = true
	for name, want := range declared {
		if name == "charset" || name == "boundary" {
			continue
		}
		got, ok := message[name]
		if !ok || !strings.EqualFold(got, want) {
			has = false
		}
		if ok && !strings.EqualFold(got, want) {
			contradicts = true
		}
	}
	return has, contradicts
}

// readableCharset tells whether a body in a charset can be judged.
func readableCharset(mediaType, charset string) bool {
	switch kindOf(mediaType) {
	case jsonText, plainText, form:
		return body.ReadableCharset(charset)
	}
	return true
}
