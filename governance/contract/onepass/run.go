package onepass

import "github.com/weirproxy/weir/governance/contract/strictjson"

// This file holds the run loop: a value at a time, by the node that it must fit.

// run is the state of judging one text.
type run struct {
	text   string
	bytes  []byte // the same
	at     int    // what is read next
	depth  int
	nodes  int // values so far
	limits strictjson.Limits
	budget budget
	nested int // branches inside each other

	seen     []uint64 // the properties that the objects around here have had, a bit each
	names    []span   // the names that these have had besides
	items    []span   // the items of the arrays around here, as far as they must be unique
	prints   []item   // of the array whose items were compared last
	counters []int    // the items that fit contains, of the arrays around here
	decoded  []byte   // the string with escapes that was read last
	ignored  uint64   // bits of fingerprints that do not count: in tests of what becomes of equal ones
}

// span is a part of the text.
type span struct{ start, end int32 }

func (r *run) part(s span) string { return r.text[s.start:s.end] }

// judge judges a text. What a run has allocated is used again for the next text; it keeps nothing of the text itself.
func (r *run) judge(p *Program, text []byte) Verdict {
	r.text, r.bytes, r.limits, r.budget = view(text), text, p.limits, newBudget(p)
	v := r.document(p.root)
	r.budget.release()
	*r = run{seen: r.seen[:0], names: r.names[:0], items: r.items[:0], prints: r.prints[:0],
		counters: r.counters[:0], decoded: r.decoded[:0], ignored: r.ignored}
	return v
}

// document judges the whole text.
func (r *run) document(root *node) Verdict {
	v := r.value(root)
	if v == Valid {
		if r.space(); r.at < len(r.text) {
			return Invalid
		}
	}
	return v
}

// value judges the value that begins here or behind white space.
func (r *run) value(n *node) Verdict {
	if r.nodes++; r.nodes > r.limits.Nodes {
		return Invalid
	}
	switch c := r.space(); c {
	case '"':
		if n.text != nil {
			return r.textValue(n.text)
		}
	case '{':
		if n.object != nil {
			return r.objectValue(n.object)
		}
	case '[':
		if n.array != nil {
			return r.arrayValue(n.array)
		}
	case 't':
		return verdict(n.yes && r.word("true"))
	case 'f':
		return verdict(n.no && r.word("false"))
	case 'n':
		return verdict(n.null && r.word("null"))
	default:
		if n.number != nil && (c == '-' || c-'0' <= 9) {
			return r.numberValue(n.number)
		}
	}
	return Invalid
}

func verdict(ok bool) Verdict {
	if ok {
		return Valid
	}
	return Invalid
}

func (r *run) numberValue(n *numberNode) Verdict {
	start := r.at
	var d decimal
	text, ok := r.scanNumber(&d)
	if !ok {
		return Invalid
	}
	if v := n.judge(&d, text, &r.budget); v != Valid || n.rest == nil {
		return v
	}
	return r.settle(n.rest, place{start, r.nodes - 1, nil})
}

func (r *run) textValue(n *textNode) Verdict {
	start := r.at
	var t token
	if !r.scanString(&t) {
		return Invalid
	}
	if v := n.judge(&t, &r.budget); v != Valid || n.rest == nil {
		return v
	}
	return r.settle(n.rest, place{start, r.nodes - 1, nil})
}
