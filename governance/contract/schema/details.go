package schema

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// This file holds the code and the detail of each kind of violation. Details say what the schema demands, never what
// the value is.

// leaf adds what an error without causes of its own says.
func (f *findings) leaf(err *jsonschema.ValidationError) {
	at := err.InstanceLocation
	switch k := err.ErrorKind.(type) {
	case *kind.Required:
		for _, name := range k.Missing {
			f.add(finding{below(at, name), "required", "is required", false})
		}
	case *kind.AdditionalProperties:
		for _, name := range k.Properties {
			f.add(finding{below(at, name), "additional_properties", "is a property that is not allowed here", true})
		}
	case *kind.DependentRequired:
		for _, name := range k.Missing {
			f.add(finding{below(at, name), "dependent_required",
				fmt.Sprintf("is required where there is a property %q", k.Prop), false})
		}
	case *hidden:
		f.add(k.finding(below(at, k.name)))
	case *unselected:
		f.add(finding{below(at, k.dispatch.property), k.code,
			"must say which kind of object this is: " + oneOf(k.dispatch.allowed), k.code != "required"})
	case *kind.FalseSchema:
		f.add(falseSchema(at, err.SchemaURL))
	default:
		code, detail := describe(err.ErrorKind)
		f.add(finding{at, code, detail, true})
	}
}

func (h *hidden) finding(at []string) finding {
	if h.direction == Request {
		return finding{at, "read_only", "is read-only: it must not be sent", true}
	}
	return finding{at, "write_only", "is write-only: it must not be in a response", true}
}

// falseSchema tells what the schema false stands for by the keyword that it is the value of.
func falseSchema(at []string, schemaURL string) finding {
	for _, keyword := range []string{"unevaluatedProperties", "unevaluatedItems"} {
		before, ok := strings.CutSuffix(schemaURL, "/"+keyword)
		if ok && !strings.HasSuffix(before, "/properties") {
			return finding{at, "unevaluated", "is not allowed here: no part of the schema describes it", true}
		}
	}
	return finding{at, "false_schema", "is not allowed here", true}
}

// describe returns the code and the detail of what concerns the value itself.
func describe(k jsonschema.ErrorKind) (code, detail string) {
	switch k := k.(type) {
	case *kind.Type:
		return "type", fmt.Sprintf("must be %s, not %s", article(k.Want), k.Got)
	case *noObject:
		return "type", "must be an object"
	case *kind.Enum:
		return "enum", "must be " + oneOf(k.Want)
	case *kind.Const:
		return "const", "must be " + oneOf([]any{k.Want})
	case *kind.Format:
		return "format", formatDetails[k.Want]
	case *kind.Pattern:
		return "pattern", "must match the regular expression " + k.Want
	case *kind.Not:
		return "not", "fits a schema that it must not fit"
	case *kind.RefCycle:
		return "ref_cycle", "cannot be judged: the schema refers to itself for the same value"
	}
	if code, detail := describeSize(k); code != "" {
		return code, detail
	}
	return describeNumber(k)
}

func describeSize(k jsonschema.ErrorKind) (code, detail string) {
	switch k := k.(type) {
	case *kind.MinLength:
		return "min_length", "must be at least " + plural(k.Want, "character") + " long"
	case *kind.MaxLength:
		return "max_length", "must be at most " + plural(k.Want, "character") + " long"
	case *kind.MinItems:
		return "min_items", "must have at least " + plural(k.Want, "item")
	case *kind.MaxItems:
		return "max_items", "must have at most " + plural(k.Want, "item")
	case *kind.UniqueItems:
		return "unique_items", fmt.Sprintf("must not have the same item twice, as at %d and %d",
			k.Duplicates[0], k.Duplicates[1])
	case *kind.Contains:
		return "contains", "has no item of a kind that it must have"
	case *kind.MinContains:
		return "min_contains", fmt.Sprintf("must have at least %s of a certain kind, and has %d",
			plural(k.Want, "item"), len(k.Got))
	case *kind.MaxContains:
		return "max_contains", fmt.Sprintf("must have at most %s of a certain kind, and has %d",
			plural(k.Want, "item"), len(k.Got))
	case *kind.MinProperties:
		return "min_properties", fmt.Sprintf("must have at least %d properties", k.Want)
	case *kind.MaxProperties:
		return "max_properties", fmt.Sprintf("must have at most %d properties", k.Want)
	}
	return "", ""
}

func describeNumber(k jsonschema.ErrorKind) (code, detail string) {
	switch k := k.(type) {
	case *kind.Minimum:
		return "minimum", "must be at least " + decimal(k.Want)
	case *kind.Maximum:
		return "maximum", "must be at most " + decimal(k.Want)
	case *kind.ExclusiveMinimum:
		return "exclusive_minimum", "must be more than " + decimal(k.Want)
	case *kind.ExclusiveMaximum:
		return "exclusive_maximum", "must be less than " + decimal(k.Want)
	case *kind.MultipleOf:
		return "multiple_of", "must be a multiple of " + decimal(k.Want)
	}
	return "invalid", "does not fit the schema"
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// article returns names of types with their article.
func article(types []string) string {
	result := make([]string, len(types))
	for i, name := range types {
		switch name {
		case "null":
			result[i] = name
		case "integer", "array", "object":
			result[i] = "an " + name
		default:
			result[i] = "a " + name
		}
	}
	return strings.Join(result, " or ")
}

// decimal writes a number of a schema exactly.
func decimal(r *big.Rat) string {
	digits, _ := r.FloatPrec()
	return cut(r.FloatString(digits), maxShown)
}

// maxShown is how many bytes of a value are shown, maxListed of a list.
const (
	maxShown  = 100
	maxListed = 300
)

// oneOf lists constants of a schema.
func oneOf(values []any) string {
	var list strings.Builder
	for i, value := range values {
		if list.Len() > maxListed {
			fmt.Fprintf(&list, " and %d more", len(values)-i)
			break
		}
		if i > 0 {
			list.WriteString(", ")
		}
		list.WriteString(cut(compact(value), maxShown))
	}
	if len(values) == 1 {
		return list.String()
	}
	return "one of " + list.String()
}

// shown is the value at a place, for details that may show it.
func shown(value any, at []string) string {
	for _, token := range at {
		below, ok := step(value, token)
		if !ok {
			return ""
		}
		value = below
	}
	return "; it is " + cut(compact(value), maxShown)
}

func compact(value any) string {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if encoder.Encode(value) != nil {
		return "?"
	}
	return strings.TrimSuffix(text.String(), "\n")
}

func cut(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit], "") + "..."
}
