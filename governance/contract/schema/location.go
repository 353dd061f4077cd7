package schema

import (
	"net/url"
	"strconv"
	"strings"
)

// This file holds what is done with locations, "<file URL>#<JSON pointer>". Pointers in them are not
// percent-encoded.

var (
	escaper   = strings.NewReplacer("~", "~0", "/", "~1")
	unescaper = strings.NewReplacer("~1", "/", "~0", "~")
)

// child appends a token to a pointer or a location.
func child(pointer, token string) string { return pointer + "/" + escaper.Replace(token) }

// split separates the file and the pointer of a location.
func split(location string) (file, pointer string) {
	file, pointer, _ = strings.Cut(location, "#")
	return file, pointer
}

// tokens returns the unescaped tokens of a pointer.
func tokens(pointer string) []string {
	if pointer == "" {
		return nil
	}
	tokens := strings.Split(pointer[1:], "/")
	for i, token := range tokens {
		tokens[i] = unescaper.Replace(token)
	}
	return tokens
}

// step returns the member or item of a value that a token names.
func step(value any, token string) (any, bool) {
	switch value := value.(type) {
	case map[string]any:
		member, ok := value[token]
		return member, ok
	case []any:
		i, err := strconv.Atoi(token)
		if err != nil || i < 0 || i >= len(value) || token != strconv.Itoa(i) {
			return nil, false
		}
		return value[i], true
	}
	return nil, false
}

// value returns what is at a location.
func (f Files) value(location string) (any, bool) {
	file, pointer := split(location)
	value, ok := f[file]
	if pointer != "" && pointer[0] != '/' {
		return nil, false
	}
	for _, token := range tokens(pointer) {
		if !ok {
			break
		}
		value, ok = step(value, token)
	}
	return value, ok
}

// joined resolves a reference without fragment against a base.
func joined(base, reference string) (string, error) {
	if reference == "" {
		return base, nil
	}
	b, err := url.Parse(base)
	if err != nil {
		return "", err
	}
	r, err := b.Parse(reference)
	if err != nil {
		return "", err
	}
	return r.String(), nil
}

// fragment encodes a pointer as the fragment of a URL (RFC 6901, section 6).
func fragment(pointer string) string {
	parts := strings.Split(pointer, "/")
	for i, part := range parts {
		parts[i] = url.PathEscape(part)
	}
	return strings.Join(parts, "/")
}
