package contract

// loose.go finds the operation of a request whose path is not quite that of a template.

import (
	"net/url"
	"strings"
)

// MatchLoosely looks for an operation that a service may see in a request for which Match has found none. Where such
// requests are let through, this keeps them from passing the contract by. Services resolve dot segments, join slashes,
// decode escaped ones, take backslashes for slashes, cut off matrix parameters (";a=b") and a format (".json"), and do not
// mind a slash at the end, capital letters, or methods in small ones: one does this, another that.
//
// If it finds an operation, m has it and Loose is set; else m stays as Match has left it.
func (c *Contract) MatchLoosely(method, escapedPath string, m *Match) {
	path, method := plainPath(escapedPath), strings.ToUpper(method)
	if c.findLoosely(method, path, m) {
		return
	}
	if dot := strings.LastIndexByte(path, '.'); dot > strings.LastIndexByte(path, '/')+1 && isFormat(path[dot+1:]) {
		c.findLoosely(method, path[:dot], m)
	}
}

func (c *Contract) findLoosely(method, path string, m *Match) bool {
	item, values, ok := c.loose.Match(path, m.values, func(p *pathItem) bool { return p.operation(method) != nil })
	m.values = values
	if ok {
		m.Operation, m.PathKnown, m.Loose = item.operation(method), true, true
	}
	return ok
}

// isFormat tells whether an extension looks like a format, which frameworks cut off.
func isFormat(extension string) bool {
	return extension != "" && len(extension) < 16 && strings.Trim(extension, "abcdefghijklmnopqrstuvwxyz0123456789") == ""
}

// plainPath resolves all that a service may resolve in an escaped path, and escapes it again. What needs no change
// costs no allocation.
func plainPath(escaped string) string {
	if isPlain(escaped) {
		return escaped
	}
	text, err := url.PathUnescape(escaped)
	if err != nil {
		text = escaped
	}
	var kept []string
	for segment := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == '/' || r == '\\' }) {
		switch segment, _, _ = strings.Cut(segment, ";"); segment {
		case "", ".":
		case "..":
			kept = kept[:max(len(kept)-1, 0)]
		default:
			kept = append(kept, strings.ReplaceAll(segment, "%", "%25"))
		}
	}
	return "/" + strings.Join(kept, "/")
}

func isPlain(path string) bool {
	return strings.HasPrefix(path, "/") && !strings.ContainsAny(path, `%;\`) && !strings.Contains(path, "//") &&
		!strings.Contains(path, "/.") && (path == "/" || !strings.HasSuffix(path, "/"))
}

// looseTemplate is a template as it is looked up loosely, and what is the same for all that match the same paths.
func looseTemplate(template string) (loose, key string) {
	if loose = strings.TrimRight(template, "/"); loose == "" {
		loose = "/"
	}
	var b strings.Builder
	for rest := strings.ToLower(loose); ; {
		text, after, found := strings.Cut(rest, "{")
		b.WriteString(text)
		if !found {
			return loose, b.String()
		}
		b.WriteString("{}")
		_, rest, _ = strings.Cut(after, "}")
	}
}

// addLoosely puts the operations of a template into the tree of those that are looked up loosely. Templates that are the
// same there, such as /pets and /pets/, are one: for each method the first that has it. One that is only the same when
// decoded, which nobody writes, is left out.
func (c *compiler) addLoosely(template string, item *pathItem) {
	template, key := looseTemplate(template)
	first := c.loose[key]
	if first == nil {
		first = new(pathItem)
		c.loose[key] = first
		if err := c.contract.loose.Add(template, first); err != nil {
			return
		}
	}
	for i, op := range item.operations {
		if first.operations[i] == nil {
			first.operations[i] = op
		}
	}
}
