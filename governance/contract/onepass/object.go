package onepass

// This file holds the run of an object.

// objectValue judges the object that begins here.
func (r *run) objectValue(n *objectNode) Verdict {
	for n.selector != nil {
		var v Verdict
		if n, v = r.selected(n.selector); v != Valid {
			return v
		}
	}
	start, nodes := r.at, r.nodes-1
	if r.depth++; r.depth > r.limits.Depth {
		return Invalid
	}
	m := members{node: n, missing: n.required, seen: len(r.seen), names: len(r.names)}
	for range (len(n.properties) + 63) / 64 {
		r.seen = append(r.seen, 0)
	}
	r.at++
	if c := r.space(); c == '}' {
		r.at++
	} else if v := r.members(&m, c); v != Valid {
		return v
	}
	r.depth--
	if v := r.complete(&m); v != Valid {
		return v
	}
	present := r.seen[m.seen:]
	if n.rest != nil {
		if v := r.settle(n.rest, place{start, nodes, present}); v != Valid {
			return v
		}
	}
	r.seen, r.names = r.seen[:m.seen], r.names[:m.names]
	return Valid
}

// members is what is known of an object while its members are read.
type members struct {
	node        *objectNode
	count       int
	missing     int // required properties that have not been there yet
	seen, names int // where those of this object begin in the run
}

// members judges the members of an object, of which the first begins here with c.
func (r *run) members(m *members, c byte) Verdict {
	var name token
	n := m.node
	for {
		start := r.at
		if c != '"' || !r.scanString(&name) || r.space() != ':' {
			return Invalid
		}
		r.at++
		if m.count++; m.count > r.limits.Properties {
			return Invalid
		}
		if len(n.names) > 0 {
			if v := r.judgeName(n.names, start); v != Valid {
				return v
			}
		}
		var child *node
		if i := n.table.find(name.text); i >= 0 {
			word, bit := &r.seen[m.seen+i/64], uint64(1)<<(i%64)
			if *word&bit != 0 {
				return Invalid // it was there before
			}
			*word |= bit
			p := &n.properties[i]
			m.missing -= p.required
			child = p.node
		} else if child = r.other(n, &name, start); child == nil {
			return Unknown
		}
		if v := r.value(child); v != Valid {
			return v
		}
		c = r.space()
		r.at++
		if c == '}' {
			return Valid
		}
		if c != ',' {
			return Invalid
		}
		c = r.space()
	}
}

// other finds the node for a member that is no property, and notes its name. There is none for a name with escapes:
// whether another one is the same that is spelled differently is left to the engine. Nor is there one beyond the budget.
func (r *run) other(n *objectNode, name *token, start int) *node {
	if name.escaped {
		return nil
	}
	r.names = append(r.names, span{int32(start + 1), int32(start + 1 + len(name.text))})
	return r.unnamed(n, name.text)
}

// unnamed returns the node for a member that is no property, nil beyond the budget.
func (r *run) unnamed(n *objectNode, name string) *node {
	matched := 0
	for i := range n.patterns {
		switch n.patterns[i].match(name, &r.budget) {
		case Unknown:
			return nil
		case Valid:
			matched |= 1 << i
		}
	}
	return n.others[matched]
}

// judgeName judges a name, which begins at start, as the string that it is.
func (r *run) judgeName(judges []*node, start int) Verdict {
	for _, judge := range judges {
		if v := r.branch(judge, place{start, r.nodes - 1, nil}); v != Valid {
			return v
		}
	}
	return Valid
}

// complete judges what can be said when all members have been read.
func (r *run) complete(m *members) Verdict {
	n := m.node
	if m.missing > 0 || m.count < n.min || n.max >= 0 && m.count > n.max || !r.areDistinct(r.names[m.names:]) {
		return Invalid
	}
	for i := range n.implied {
		if implied := &n.implied[i]; has(r.seen[m.seen:], implied.by) {
			for _, required := range implied.required {
				if !has(r.seen[m.seen:], required) {
					return Invalid
				}
			}
		}
	}
	return Valid
}

// has tells whether a bit is set.
func has(set []uint64, i int) bool { return set[i/64]&(1<<(i%64)) != 0 }
