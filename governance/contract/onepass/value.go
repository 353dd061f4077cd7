package onepass

import (
	"encoding/json"
	"unicode/utf8"
)

// This file holds values that come from elsewhere than a JSON text, as parameters do.

// Value judges a value that was decoded before: nil, bool, json.Number, string, or a []any of these. It cannot tell of
// others, nor where there are choices.
func (p *Program) Value(value any) Verdict {
	if p.root == nil {
		return Unknown
	}
	items, ok := value.([]any)
	if !ok {
		return p.scalar(p.root, value)
	}
	n := p.root.array
	switch {
	case n == nil || len(items) < n.min || n.max >= 0 && len(items) > n.max:
		return Invalid
	case n.rest != nil || n.unique != nil || len(n.contains) > 0 || len(items) >= p.limits.Nodes:
		return Unknown
	}
	for i, item := range items {
		child := n.items
		if i < len(n.prefix) {
			child = n.prefix[i]
		}
		if v := p.scalar(child, item); v != Valid {
			return v
		}
	}
	return Valid
}

// DecidesValues tells whether Value can tell of all values within the limits but those with objects, or arrays in arrays.
func (p *Program) DecidesValues() bool {
	if p.root == nil || !p.root.decidesScalars() {
		return false
	}
	n := p.root.array
	if n == nil {
		return true
	}
	for _, item := range n.prefix {
		if !item.decidesScalars() {
			return false
		}
	}
	return n.rest == nil && n.unique == nil && len(n.contains) == 0 && n.items.decidesScalars()
}

func (n *node) decidesScalars() bool {
	return (n.text == nil || n.text.rest == nil) && (n.number == nil || n.number.rest == nil)
}

func (p *Program) scalar(n *node, value any) Verdict {
	switch value := value.(type) {
	case nil:
		return verdict(n.null)
	case bool:
		return verdict(value && n.yes || !value && n.no)
	case string:
		if n.text == nil {
			return Invalid
		}
		return undecided(n.text.rest, n.text.judge(&token{text: value, characters: utf8.RuneCountInString(value)}))
	case json.Number:
		if n.number == nil {
			return Invalid
		}
		r := run{text: string(value), limits: p.limits}
		var d decimal
		if text, ok := r.scanNumber(&d); ok && text == string(value) {
			return undecided(n.number.rest, n.number.judge(&d, text))
		}
	}
	return Unknown
}

// undecided returns what is known of a value where there may be a rest to be judged.
func undecided(rest *rest, v Verdict) Verdict {
	if v == Valid && rest != nil {
		return Unknown
	}
	return v
}
