package onepass

import (
	"encoding/json"
	"slices"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// This file holds how specs of numbers and strings become nodes.

func (c *Compiler) number(s *spec) *numberNode {
	if s.never {
		return nil
	}
	n := new(numberNode)
	for _, part := range s.parts {
		n.integer = n.integer || onlyIntegers(part)
		for _, b := range []bound{{decimalOf(part.Minimum), 1, false}, {decimalOf(part.ExclusiveMinimum), 1, true},
			{decimalOf(part.Maximum), -1, false}, {decimalOf(part.ExclusiveMaximum), -1, true}} {
			if b.limit.rat != nil {
				n.bounds = append(n.bounds, b)
			}
		}
		if part.MultipleOf != nil {
			n.multiples = append(n.multiples, decimalOf(part.MultipleOf))
		}
		for _, allowed := range enums(part) {
			var numbers []decimal
			for _, value := range allowed {
				number, _ := value.(json.Number)
				if exact := rational(string(number)); exact != nil { // the engine compares with no other either
					numbers = append(numbers, decimalOf(exact))
				}
			}
			n.enums = append(n.enums, numbers)
			n.exact += len(numbers)
		}
		if f := c.format(s, part); f.Number != nil {
			n.formats = append(n.formats, f.Number)
		}
	}
	n.exact += len(n.bounds) + 2*len(n.multiples) + len(n.formats)
	if n.integer {
		n.exact++
	}
	n.rest = c.rest(s)
	return n
}

func (c *Compiler) text(s *spec) *textNode {
	if s.never {
		return nil
	}
	n := &textNode{max: -1}
	for _, part := range s.parts {
		n.min, n.max = narrowed(n.min, n.max, part.MinLength, part.MaxLength)
		if part.Pattern != nil && !slices.Contains(n.patterns, c.matcher(part.Pattern)) {
			n.patterns = append(n.patterns, c.matcher(part.Pattern))
		}
		for _, allowed := range enums(part) {
			var texts []string
			for _, value := range allowed {
				if text, ok := value.(string); ok {
					texts = append(texts, text)
				}
			}
			n.enums = append(n.enums, newTable(texts))
		}
		if f := c.format(s, part); f.Text != nil {
			n.formats = append(n.formats, matcher{check(f.Text), f.Weight})
		}
	}
	n.rest = c.rest(s)
	return n
}

// format returns what judges the format of a part. A format that is not known makes the part one that is judged whole.
func (c *Compiler) format(s *spec, part *jsonschema.Schema) (f Format) {
	if part.Format == nil {
		return f
	}
	if f = c.options.Format(part.Format.Name); f.Text == nil && f.Number == nil {
		s.whole = append(s.whole, part)
	}
	return f
}

// enums returns the values of enum and of const, if a schema has them.
func enums(s *jsonschema.Schema) (all [][]any) {
	if s.Enum != nil {
		all = append(all, s.Enum.Values)
	}
	if s.Const != nil {
		all = append(all, []any{*s.Const})
	}
	return all
}

// narrowed narrows a range whose upper end is -1 if it has none.
func narrowed(low, high int, least, most *int) (int, int) {
	if least != nil {
		low = max(low, *least)
	}
	if most != nil && (high < 0 || *most < high) {
		high = *most
	}
	return low, high
}
