package route

// template.go reads path templates.

import (
	"cmp"
	"errors"
	"slices"
	"strings"
)

// Kinds of errors of Add, for errors.Is.
var (
	// ErrUnreachable means that no request can carry the path: it has a fragment, a query, or a dot segment.
	ErrUnreachable = errors.New("no request can carry this path")
	// ErrDuplicate means that the tree has a template that matches the same paths.
	ErrDuplicate = errors.New("the same template twice")
	// ErrSyntax means that the template is none.
	ErrSyntax = errors.New("not a path template")
)

// Error says what is wrong with a template and how to mend it. It wraps ErrUnreachable, ErrDuplicate or ErrSyntax.
type Error struct {
	Template, Reason string
	kind             error
}

func (e *Error) Error() string { return "path " + e.Template + " " + e.Reason }
func (e *Error) Unwrap() error { return e.kind }

// pattern is one segment of a template: texts with a parameter between each two of them, so "{name}.{extension}" is
// "", ".", "". A single text has no parameter. Texts are decoded.
type pattern struct{ texts []string }

func (p pattern) isText() bool  { return len(p.texts) == 1 }
func (p pattern) isParam() bool { return len(p.texts) == 2 && p.texts[0] == "" && p.texts[1] == "" }

// compare orders patterns by how much text they have, most first, and then in some fixed way, so that the order in
// which templates are added does not matter.
func (p pattern) compare(other pattern) int {
	length := func(p pattern) (n int) {
		for _, text := range p.texts {
			n += len(text)
		}
		return n
	}
	return cmp.Or(cmp.Compare(length(other), length(p)), slices.Compare(p.texts, other.texts))
}

// match takes a segment apart and appends its parameters. Where that is possible in several ways, each text is found
// as far right as it can be, as in {name}.{extension}, so the first parameters are the longest. Looking from the right
// finds this in one pass: a text that is found further left leaves less room for those before it.
func (p pattern) match(s segment, values []string) ([]string, bool) {
	last := len(p.texts) - 1
	text := s.text
	if !strings.HasPrefix(text, p.texts[0]) || !strings.HasSuffix(text, p.texts[last]) {
		return values, false
	}
	first, end := len(p.texts[0]), len(text)-len(p.texts[last])
	start := len(values)
	for i := last - 1; i >= 1; i-- {
		if end <= first {
			return values[:start], false
		}
		at := strings.LastIndex(text[first:end-1], p.texts[i]) // leaves at least one byte for the parameter after it
		if at < 0 {
			return values[:start], false
		}
		values = append(values, s.part(first+at+len(p.texts[i]), end))
		end = first + at
	}
	if end <= first {
		return values[:start], false
	}
	values = append(values, s.part(first, end))
	slices.Reverse(values[start:])
	return values, true
}

// parse reads a template into its segments.
func parse(template string) ([]pattern, error) {
	fail := func(kind error, reason string) ([]pattern, error) { return nil, &Error{template, reason, kind} }
	switch {
	case !strings.HasPrefix(template, "/"):
		return fail(ErrSyntax, "must begin with a slash")
	case strings.Contains(template, "#"):
		return fail(ErrUnreachable, "has a fragment (#), which clients do not send: no request can reach it")
	case strings.Contains(template, "?"):
		return fail(ErrUnreachable, "has a query (?), which is no part of a path: declare query parameters instead")
	}
	var patterns []pattern
	for raw := range strings.SplitSeq(template[1:], "/") {
		p, reason := parseSegment(raw)
		if reason != "" {
			return fail(ErrSyntax, reason)
		}
		if p.isText() && hasDots(p.texts[0]) {
			return fail(ErrUnreachable, "has a dot segment, which clients resolve before they send a path: write it without")
		}
		patterns = append(patterns, p)
	}
	names := Names(template)
	slices.Sort(names)
	if len(slices.Compact(slices.Clone(names))) < len(names) {
		return fail(ErrSyntax, "has the same parameter twice: give each a name of its own")
	}
	return patterns, nil
}

// parseSegment reads one segment, or says what is wrong with it.
func parseSegment(raw string) (p pattern, reason string) {
	for more := true; more; {
		var text, name string
		text, raw, more = strings.Cut(raw, "{")
		if strings.Contains(text, "}") {
			return p, "has a } without a { in the same segment"
		}
		text, ok := decode(text)
		if !ok {
			return p, "has a % that is not followed by two hexadecimal digits: write a percent sign as %25"
		}
		if text == "" && len(p.texts) > 0 && more {
			return p, "has two parameters with no text between them: nothing tells where the first one ends"
		}
		p.texts = append(p.texts, text)
		if !more {
			break
		}
		name, raw, ok = strings.Cut(raw, "}")
		if !ok || name == "" || strings.Contains(name, "{") {
			return p, "has a { without a name and a } in the same segment"
		}
	}
	return p, ""
}
