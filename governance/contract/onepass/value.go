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
	r := run{limits: p.limits, budget: visitsPerNode * p.limits.Nodes}
	items, ok := value.([]any)
	if !ok {
		return r.scalar(p.root, value)
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
		if v := r.scalar(child, item); v != Valid {
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

func (r *run) scalar(n *node, value any) Verdict {
	switch value := value.(type) {
	case nil:
		return verdict(n.null)
	case bool:
		return verdict(value && n.yes || !value && n.no)
	case string:
		if n.text == nil {
			return Invalid
		}
		t := token{text: value, characters: utf8.RuneCountInString(value)}
		return undecided(n.text.rest, n.text.judge(&t, &r.budget))
	case json.Number:
		if n.number == nil {
			return Invalid
		}
		r.text, r.at = string(value), 0
		var d decimal
		if text, ok := r.scanNumber(&d); ok && text == string(value) {
			return undecided(n.number.rest, n.number.judge(&d, text, &r.budget))
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
