package onepass

import (
	"encoding/json"
	"unicode/utf8"
)

// This file holds the run of values that come from elsewhere than a JSON text, as parameters and forms do.

// Value judges a value that was decoded before: nil, bool, json.Number, string, []any or map[string]any. It cannot tell
// where there are choices, uniqueItems or what is judged whole.
func (p *Program) Value(value any) Verdict {
	if p.root == nil {
		return Unknown
	}
	r := run{limits: p.limits, budget: newBudget(p)}
	defer r.budget.release()
	return r.decodedValue(p.root, value)
}

// DecidesValues tells whether Value can tell of all values within the limits; without members, of those that have no
// objects and no arrays in arrays.
func (p *Program) DecidesValues(members bool) bool {
	if p.root == nil || members {
		return p.root != nil && p.decides
	}
	if !p.root.decidesScalars() {
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

func (r *run) decodedValue(n *node, value any) Verdict {
	if r.nodes++; r.nodes > r.limits.Nodes {
		return Unknown
	}
	switch value := value.(type) {
	case nil:
		return verdict(n.null)
	case bool:
		return verdict(value && n.yes || !value && n.no)
	case string:
		return r.decodedText(n, value)
	case json.Number:
		if n.number == nil {
			return Invalid
		}
		r.text, r.at = string(value), 0
		var d decimal
		if text, ok := r.scanNumber(&d); ok && text == string(value) {
			return undecided(n.number.rest, n.number.judge(&d, text, &r.budget))
		}
	case []any:
		return r.decodedArray(n.array, value)
	case map[string]any:
		return r.decodedObject(n.object, value)
	}
	return Unknown
}

func (r *run) decodedText(n *node, text string) Verdict {
	if n.text == nil {
		return Invalid
	}
	t := token{text: text, characters: utf8.RuneCountInString(text)}
	return undecided(n.text.rest, n.text.judge(&t, &r.budget))
}

func (r *run) decodedArray(n *arrayNode, items []any) Verdict {
	switch {
	case n == nil || len(items) < n.min || n.max >= 0 && len(items) > n.max:
		return Invalid
	case n.unique != nil || len(n.contains) > 0 || r.depth >= r.limits.Depth:
		return Unknown
	}
	r.depth++
	for i, item := range items {
		child := n.items
		if i < len(n.prefix) {
			child = n.prefix[i]
		}
		if v := r.decodedValue(child, item); v != Valid {
			return v
		}
	}
	r.depth--
	return undecided(n.rest, Valid)
}

func (r *run) decodedObject(n *objectNode, object map[string]any) Verdict {
	for n != nil && n.selector != nil {
		selecting, ok := object[n.selector.property]
		if !ok {
			return Invalid
		}
		n = n.selector.branches[selectingText(selecting)]
	}
	switch {
	case n == nil || len(object) < n.min || n.max >= 0 && len(object) > n.max:
		return Invalid
	case r.depth >= r.limits.Depth || len(object) > r.limits.Properties:
		return Unknown
	}
	r.depth++
	missing := n.required
	for name, member := range object {
		for _, judge := range n.names {
			if v := r.decodedText(judge, name); v != Valid {
				return v
			}
		}
		var child *node
		if i := n.table.find(name); i >= 0 {
			missing -= n.properties[i].required
			child = n.properties[i].node
		} else if child = r.unnamed(n, name); child == nil {
			return Unknown
		}
		if v := r.decodedValue(child, member); v != Valid {
			return v
		}
	}
	r.depth--
	if missing > 0 || !n.implies(object) {
		return Invalid
	}
	return undecided(n.rest, Valid)
}

// selectingText is by what a discriminator's property selects, as run.ahead has it.
func selectingText(value any) string {
	switch value := value.(type) {
	case string:
		return value
	case json.Number:
		return string(value)
	case bool:
		if value {
			return "true"
		}
		return "false"
	}
	return ""
}

// implies tells whether the members are there that others of the object require.
func (n *objectNode) implies(object map[string]any) bool {
	for _, implied := range n.implied {
		if _, ok := object[n.table.names[implied.by]]; !ok {
			continue
		}
		for _, required := range implied.required {
			if _, ok := object[n.table.names[required]]; !ok {
				return false
			}
		}
	}
	return true
}

// undecided returns what is known of a value where there may be a rest to be judged.
func undecided(rest *rest, v Verdict) Verdict {
	if v == Valid && rest != nil {
		return Unknown
	}
	return v
}
