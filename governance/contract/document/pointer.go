package document

import (
	"strconv"
	"strings"
)

// pointer.go reads and writes JSON pointers (RFC 6901).

var (
	pointerEscapes   = strings.NewReplacer("~", "~0", "/", "~1")
	pointerUnescapes = strings.NewReplacer("~1", "/", "~0", "~")
)

// member is the pointer to a member of the object at a pointer.
func member(pointer, name string) string {
	if strings.ContainsAny(name, "~/") {
		name = pointerEscapes.Replace(name)
	}
	return pointer + "/" + name
}

// item is the pointer to an item of the array at a pointer.
func item(pointer string, i int) string { return pointer + "/" + strconv.Itoa(i) }

// names splits a pointer into names that are no longer escaped. A pointer begins with / or is empty.
func names(pointer string) []string {
	if pointer == "" {
		return nil
	}
	parts := strings.Split(pointer[1:], "/")
	for i, part := range parts {
		parts[i] = pointerUnescapes.Replace(part)
	}
	return parts
}

// lookup is the value at a pointer. If there is none, depth is how many of its names lead somewhere.
func lookup(v any, pointer string) (value any, depth int, ok bool) {
	for i, name := range names(pointer) {
		next, ok := child(v, name)
		if !ok {
			return v, i, false
		}
		v = next
	}
	return v, 0, true
}

func child(v any, name string) (any, bool) {
	switch v := v.(type) {
	case map[string]any:
		next, ok := v[name]
		return next, ok
	case []any:
		i, err := strconv.Atoi(name)
		if err != nil || i < 0 || i >= len(v) || strconv.Itoa(i) != name {
			return nil, false
		}
		return v[i], true
	}
	return nil, false
}
