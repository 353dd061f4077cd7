package onepass

// This file holds what is decided behind a value: by branches that run over its bytes again, and by what is judged whole.

// place is where a value begins, and how many values came before it. present are the properties that it has if it is an
// object, a bit each.
type place struct {
	start, nodes int
	present      []uint64
}

// maxNested bounds branches inside each other, so that no text can exhaust the stack.
const maxNested = 1000

// settle judges the rest of a value that has just been read.
func (r *run) settle(rest *rest, p place) Verdict {
	for i := range rest.choices {
		if v := r.choose(&rest.choices[i], p); v != Valid {
			return v
		}
	}
	for _, whole := range rest.wholes {
		if v := r.whole(whole, p); v != Valid {
			return v
		}
	}
	return Valid
}

// whole has the value judged in one piece, paid from the same budget: a text may have many such values.
func (r *run) whole(w whole, p place) Verdict {
	if !r.budget.pay(r.visitsSince(p)) {
		return Unknown
	}
	r.budget.release()
	v, visits := w.judge(r.bytes[p.start:r.at], r.budget.left)
	r.budget.left -= visits
	return v
}

func (r *run) choose(c *choice, p place) Verdict {
	switch c.rule {
	case notThis:
		return r.branch(c.branches[0], p).opposite()
	case dependent:
		if !has(p.present, c.property) {
			return Valid
		}
		return r.branch(c.branches[0], p)
	case conditional:
		branch := c.branches[1]
		switch r.branch(c.branches[0], p) {
		case Unknown:
			return Unknown
		case Invalid:
			branch = c.branches[2]
		}
		if branch == nil {
			return Valid
		}
		return r.branch(branch, p)
	}
	return r.count(c, p)
}

// count judges the branches of an anyOf or oneOf until it is decided.
func (r *run) count(c *choice, p place) Verdict {
	valid, unknown := 0, false
	for _, branch := range c.branches {
		switch r.branch(branch, p) {
		case Valid:
			if c.rule == atLeastOne {
				return Valid
			}
			if valid++; valid > 1 {
				return Invalid
			}
		case Unknown:
			unknown = true
		}
	}
	if unknown {
		return Unknown
	}
	return verdict(valid == 1)
}

func (v Verdict) opposite() Verdict {
	switch v {
	case Valid:
		return Invalid
	case Invalid:
		return Valid
	}
	return Unknown
}

// visitsSince returns what it takes to read from a place to here. A long string counts as several values.
func (r *run) visitsSince(p place) int { return max(r.nodes-p.nodes, (r.at-p.start)/bytesPerVisit) }

// branch judges a value again, by another node. All that is strict and limited about it has been judged before.
func (r *run) branch(n *node, p place) Verdict {
	if r.budget.left < 0 || r.nested >= maxNested {
		return Unknown
	}
	at, nodes, depth := r.at, r.nodes, r.depth
	seen, names, items, counters := len(r.seen), len(r.names), len(r.items), len(r.counters)
	r.at, r.nodes = p.start, p.nodes
	r.nested++
	v := r.value(n)
	r.nested--
	ok := r.budget.pay(r.visitsSince(p))
	r.at, r.nodes, r.depth = at, nodes, depth
	r.seen, r.names, r.items, r.counters = r.seen[:seen], r.names[:names], r.items[:items], r.counters[:counters]
	if !ok {
		return Unknown
	}
	return v
}
