// Package route finds the OpenAPI path template that a request's path matches.
//
// A Tree has an edge for each segment of a path: text ("/pets"), text with parameters ("/{name}.{extension}") or a
// parameter alone ("/{id}"). Segments are split before they are decoded, so an encoded slash (%2F) separates nothing;
// text compares after decoding, once. Where several templates match, each segment from the left prefers text to text
// with parameters to a parameter alone, as the OpenAPI specification has it for concrete and templated paths
// (OAS 3.1.1, section 4.8.8). A trailing slash is significant, and a parameter never matches nothing.
//
// A lookup visits each node of the tree at most once, whatever the path: a node stands for one sequence of edges from
// the root, and each edge takes one segment. So its time is bounded by the size of the document.
//
// The package imports only the standard library.
package route

import "strings"

// Tree maps path templates to values. Its zero value is empty. Add and Match must not run at the same time; any number
// of Matches may.
type Tree[T any] struct {
	// Fold lets text match in small and capital letters of ASCII alike. It must be set before the first Add.
	Fold bool

	root  node[T]
	depth int // segments of the longest template
}

// node is what the segments on the way to it have matched.
type node[T any] struct {
	texts    map[string]*node[T] // by decoded text
	mixed    []mixedEdge[T]      // the one with the most text first
	param    *node[T]
	template string // as it was added; "" if none ends here
	value    T
}

type mixedEdge[T any] struct {
	pattern pattern
	to      *node[T]
}

// Match finds the template that a path matches best and that accept takes. path is the path of the request as it was
// sent, still percent-encoded (url.URL.EscapedPath). accept is called for the templates that match, the best first,
// until it returns true: so a template without the request's method can be passed over, and the caller learns of it.
// A nil accept takes the first.
//
// values are the texts of the template's parameters, in its order, appended to params[:0]. They are as they were sent:
// styles split them at delimiters before they decode what is between. Match allocates nothing if the path has no
// escapes and params has room.
//
// A path that has a broken escape, or a segment that is "." or ".." for any server that decodes it, matches nothing:
// one server would resolve it, another would not.
func (t *Tree[T]) Match(path string, params []string, accept func(T) bool) (value T, values []string, ok bool) {
	values = params[:0]
	if path == "" || path[0] != '/' {
		return value, values, false
	}
	var space [16]segment
	segments, ok := split(space[:0], path[1:], t.depth)
	if !ok {
		return value, values, false
	}
	if t.Fold {
		for i := range segments {
			segments[i].text = fold(segments[i].text)
		}
	}
	found, values := t.root.match(segments, values, accept)
	if found == nil {
		return value, values[:0], false
	}
	return found.value, values, true
}

// match is the search from a node on: the node at which the path ends, or nil.
func (n *node[T]) match(path []segment, values []string, accept func(T) bool) (*node[T], []string) {
	if len(path) == 0 {
		if n.template == "" || accept != nil && !accept(n.value) {
			return nil, values
		}
		return n, values
	}
	head, rest, before := path[0], path[1:], len(values)
	if to := n.texts[head.text]; to != nil {
		if found, values := to.match(rest, values, accept); found != nil {
			return found, values
		}
	}
	for i := range n.mixed {
		values, ok := n.mixed[i].pattern.match(head, values[:before])
		if !ok {
			continue
		}
		if found, values := n.mixed[i].to.match(rest, values, accept); found != nil {
			return found, values
		}
	}
	if n.param != nil && head.raw != "" {
		return n.param.match(rest, append(values[:before], head.raw), accept)
	}
	return nil, values
}

// Add puts a template into the tree, such as /files/{id}/content or /reports({id}).{format}. See the errors of this
// package for what it refuses. A template that is refused changes nothing.
func (t *Tree[T]) Add(template string, value T) error {
	patterns, err := parse(template)
	if err != nil {
		return err
	}
	n := &t.root
	for _, p := range patterns {
		for i := range p.texts {
			if t.Fold {
				p.texts[i] = fold(p.texts[i])
			}
		}
		n = n.child(p)
	}
	if n.template != "" {
		reason := "matches the same paths as " + n.template + ": names of parameters do not tell them apart"
		return &Error{template, reason, ErrDuplicate}
	}
	n.template, n.value = template, value
	t.depth = max(t.depth, len(patterns))
	return nil
}

// child returns where an edge leads, and makes it if it is missing.
func (n *node[T]) child(p pattern) *node[T] {
	switch {
	case p.isText():
		text := p.texts[0]
		if n.texts[text] == nil {
			if n.texts == nil {
				n.texts = make(map[string]*node[T])
			}
			n.texts[text] = new(node[T])
		}
		return n.texts[text]
	case p.isParam():
		if n.param == nil {
			n.param = new(node[T])
		}
		return n.param
	}
	at := len(n.mixed)
	for i := range n.mixed {
		switch order := p.compare(n.mixed[i].pattern); {
		case order == 0:
			return n.mixed[i].to
		case order < 0 && at == len(n.mixed):
			at = i
		}
	}
	to := new(node[T])
	n.mixed = append(n.mixed[:at], append([]mixedEdge[T]{{p, to}}, n.mixed[at:]...)...)
	return to
}

// Names returns the names of a template's parameters, in the order of Match's values.
func Names(template string) []string {
	var names []string
	for rest := template; ; {
		_, after, found := strings.Cut(rest, "{")
		name, next, closed := strings.Cut(after, "}")
		if !found || !closed {
			return names
		}
		names, rest = append(names, name), next
	}
}
