package onepass

import (
	"cmp"
	"slices"
	"strings"
)

// fewNames is up to how many names are compared each with each.
const fewNames = 24

// areDistinct tells whether no two of the names are the same. It changes their order.
func (r *run) areDistinct(names []span) bool {
	if len(names) > fewNames {
		return r.sortedDistinct(names)
	}
	for i := 1; i < len(names); i++ {
		name := r.part(names[i])
		for _, before := range names[:i] {
			if r.part(before) == name {
				return false
			}
		}
	}
	return true
}

// sortedDistinct sorts them by length first, which mostly decides.
func (r *run) sortedDistinct(names []span) bool {
	compare := func(a, b span) int {
		return cmp.Or(cmp.Compare(a.end-a.start, b.end-b.start), strings.Compare(r.part(a), r.part(b)))
	}
	slices.SortFunc(names, compare)
	for i := 1; i < len(names); i++ {
		if compare(names[i-1], names[i]) == 0 {
			return false
		}
	}
	return true
}
