package onepass

// This file holds the run of an array.

// arrayValue judges the array that begins here.
func (r *run) arrayValue(n *arrayNode) Verdict {
	p := place{r.at, r.nodes - 1, nil}
	if r.depth++; r.depth > r.limits.Depth {
		return Invalid
	}
	items, counters := len(r.items), len(r.counters)
	for range n.contains {
		r.counters = append(r.counters, 0)
	}
	r.at++
	count := 0
	if r.space() == ']' {
		r.at++
	} else if v := r.all(n, counters, &count); v != Valid {
		return v
	}
	r.depth--
	if count < n.min || n.max >= 0 && count > n.max {
		return Invalid
	}
	for i, c := range n.contains {
		if found := r.counters[counters+i]; found < c.min || c.max >= 0 && found > c.max {
			return Invalid
		}
	}
	if n.unique != nil && count > 1 {
		v := r.areUnique(r.items[items:])
		for i := 0; v == Unknown && i < len(n.unique); i++ {
			v = r.whole(n.unique[i], p)
		}
		if v != Valid {
			return v
		}
	}
	r.items, r.counters = r.items[:items], r.counters[:counters]
	if n.rest != nil {
		return r.settle(n.rest, p)
	}
	return Valid
}

// all judges the items of an array, of which the first begins here.
func (r *run) all(n *arrayNode, counters int, count *int) Verdict {
	for {
		r.space()
		start, nodes := r.at, r.nodes
		child := n.items
		if *count < len(n.prefix) {
			child = n.prefix[*count]
		}
		if v := r.value(child); v != Valid {
			return v
		}
		*count++
		for i := range n.contains {
			switch r.branch(n.contains[i].item, place{start, nodes, nil}) {
			case Unknown:
				return Unknown
			case Valid:
				r.counters[counters+i]++
			}
		}
		if n.unique != nil {
			r.items = append(r.items, span{int32(start), int32(r.at)})
		}
		c := r.space()
		r.at++
		if c == ']' {
			return Valid
		}
		if c != ',' {
			return Invalid
		}
	}
}
