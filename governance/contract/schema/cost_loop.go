package schema

// firstLoop returns a plan that leads to itself at the same value, nil if there is none.
func firstLoop(order []*plan) *plan {
	const (
		open = iota + 1
		done
	)
	marks := make(map[*plan]int, len(order))
	var search func(p *plan) *plan
	search = func(p *plan) *plan {
		switch marks[p] {
		case open:
			return p
		case done:
			return nil
		}
		marks[p] = open
		for _, sub := range p.sameValue() {
			if loop := search(sub); loop != nil {
				return loop
			}
		}
		marks[p] = done
		return nil
	}
	for _, p := range order {
		if loop := search(p); loop != nil {
			return loop
		}
	}
	return nil
}

// longestChain is the number of schemas that are applied to one value, one by the other, at most. It is only asked
// for where there is no loop.
func longestChain(order []*plan) float64 {
	lengths := make(map[*plan]int, len(order))
	var length func(p *plan) int
	length = func(p *plan) int {
		if n, ok := lengths[p]; ok {
			return n
		}
		lengths[p] = 1 // ends a loop
		longest := 0
		for _, sub := range p.sameValue() {
			longest = max(longest, length(sub))
		}
		lengths[p] = longest + 1
		return longest + 1
	}
	longest := 0
	for _, p := range order {
		longest = max(longest, length(p))
	}
	return float64(longest)
}
