package contractdiff

import (
	"encoding/json"
	"math/big"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// code fits findings of a place that have one of these codes.
func code(in string, codes ...string) func(disagreement) bool {
	return func(d disagreement) bool { return d.in == in && slices.Contains(codes, d.code) }
}

// in fits findings of a place.
func in(place string) func(disagreement) bool {
	return func(d disagreement) bool { return d.in == place }
}

// parameter fits findings of parameters.
func parameter(codes ...string) func(disagreement) bool {
	return func(d disagreement) bool {
		return slices.Contains([]string{"path", "query", "header", "cookie"}, d.in) && slices.Contains(codes, d.code)
	}
}

// and narrows a predicate.
func and(predicates ...func(disagreement) bool) func(disagreement) bool {
	return func(d disagreement) bool {
		return !slices.ContainsFunc(predicates, func(p func(disagreement) bool) bool { return !p(d) })
	}
}

// says fits findings whose text has one of these parts.
func says(parts ...string) func(disagreement) bool {
	return func(d disagreement) bool {
		return slices.ContainsFunc(parts, func(part string) bool { return strings.Contains(d.text, part) })
	}
}

// response fits responses.
func response(d disagreement) bool { return d.x.response }

// bodyIs fits exchanges whose judged body, without white space around, is a text.
func bodyIs(text string) func(disagreement) bool {
	return func(d disagreement) bool { return strings.TrimSpace(string(d.x.judged())) == text }
}

// odd fits findings about a parameter one of whose texts, as it was sent, keeps a predicate; of a list, one of its items.
func odd(keeps func(raw string) bool) func(disagreement) bool {
	return func(d disagreement) bool {
		for _, raw := range d.x.sent(d.in, d.name) {
			if keeps(raw) || slices.ContainsFunc(strings.Split(raw, ","), keeps) {
				return true
			}
		}
		return false
	}
}

// causes are all reasons for which the others and weir disagree on the corpus.
var causes = slices.Concat(jsonCauses, parameterCauses, schemaCauses, messageCauses)

// goInteger, goNumber and goBool tell whether Go reads a text that is not written as in JSON.
func goInteger(raw string) bool {
	return decodes(raw, func(text string) bool {
		_, err := strconv.ParseInt(text, 10, 64)
		return err == nil && !json.Valid([]byte(text))
	})
}

func goNumber(raw string) bool {
	return decodes(raw, func(text string) bool {
		_, err := strconv.ParseFloat(text, 64)
		return err == nil && (!json.Valid([]byte(text)) || strings.ContainsAny(text, ".eE"))
	})
}

func goBool(raw string) bool {
	return decodes(raw, func(text string) bool {
		_, err := strconv.ParseBool(text)
		return err == nil && text != "true" && text != "false"
	})
}

// decodes tells whether what a text stands for, in a query or elsewhere, keeps a predicate.
func decodes(raw string, keeps func(text string) bool) bool {
	inQuery, err1 := url.QueryUnescape(raw)
	inPath, err2 := url.PathUnescape(raw)
	return err1 == nil && keeps(inQuery) || err2 == nil && keeps(inPath)
}

func named(parameter string) func(disagreement) bool {
	return func(d disagreement) bool { return d.name == parameter }
}

func oneOfNamed(parameters ...string) func(disagreement) bool {
	return func(d disagreement) bool { return slices.Contains(parameters, d.name) }
}

func targets(path string) func(disagreement) bool {
	return func(d disagreement) bool { return strings.HasPrefix(d.x.target, path) }
}

// dotSegment fits requests whose path has an encoded dot segment.
func dotSegment(d disagreement) bool {
	return slices.ContainsFunc(strings.Split(d.x.target, "/"), func(segment string) bool {
		segment, _, _ = strings.Cut(segment, "?")
		return segment == "%2E%2E" || segment == "."
	})
}

func contains(part string) func(string) bool {
	return func(raw string) bool { return strings.Contains(raw, part) }
}

func reserved(raw string) bool { return strings.ContainsAny(raw, ":/?#[]@!$&'()*+,;=") }

func beyondInt64(raw string) bool {
	n, ok := new(big.Int).SetString(raw, 10)
	return ok && !n.IsInt64()
}

func oneOf(texts ...string) func(string) bool {
	return func(text string) bool { return slices.Contains(texts, text) }
}

// sends fits exchanges whose judged body has a text in it.
func sends(text string) func(disagreement) bool {
	return func(d disagreement) bool { return strings.Contains(string(d.x.judged()), text) }
}

// sendsAddress fits exchanges with an address in the body.
func sendsAddress(d disagreement) bool {
	return sends(`"mail":`)(d) || sends(`"login":`)(d) || sends(`"email":`)(d)
}

// at fits findings at a place in the value.
func at(pointer string) func(disagreement) bool {
	return func(d disagreement) bool { return d.pointer == pointer }
}

func isForm(d disagreement) bool {
	return strings.HasPrefix(strings.ToLower(d.x.header.Get("Content-Type")), "application/x-www-form-urlencoded")
}

func emptyForm(d disagreement) bool { return isForm(d) && len(d.x.body) == 0 }

func noContentType(d disagreement) bool { return d.x.header.Get("Content-Type") == "" }
func utf16(d disagreement) bool         { return strings.Contains(d.x.header.Get("Content-Type"), "utf-16") }
