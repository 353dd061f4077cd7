package document

import (
	"encoding/json"
	"fmt"
	"iter"
	"strings"

	"github.com/weirproxy/weir/internal/spelling"
)

// words.go says things for people.

// lastName is the last name of a pointer.
func lastName(pointer string) string {
	path := names(pointer)
	if len(path) == 0 {
		return "the document"
	}
	return path[len(path)-1]
}

// describe says what a value is instead of what it must be.
func describe(v any, must string) string {
	switch v := v.(type) {
	case nil:
		return "null: fill it in, or remove it"
	case bool:
		if must == "a string" {
			return fmt.Sprintf("%v: write it in quotes", v)
		}
		return fmt.Sprintf("%v", v)
	case json.Number:
		if must == "a string" {
			return fmt.Sprintf("a number: write %q, in quotes", v)
		}
		return "the number " + string(v)
	case string:
		return "a string"
	case []any:
		return "an array"
	}
	return "an object"
}

func article(name string) string {
	if strings.ContainsRune("AEIO", rune(name[0])) {
		return "an " + name
	}
	return "a " + name
}

// near asks about the name that is most like an unknown one, if one is.
func near(name string, known iter.Seq[string]) string {
	best, closest := "", 1+min(2, len(name)/3)
	for candidate := range known {
		if d := len(name) - len(candidate); max(d, -d) > closest {
			continue // without a look: texts may be long
		}
		d := spelling.Distance(strings.ToLower(name), strings.ToLower(candidate))
		if d < closest || d == closest && best != "" && candidate < best {
			best, closest = candidate, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; do you mean %q?", best)
}
