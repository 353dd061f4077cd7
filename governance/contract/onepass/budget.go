package onepass

import "sync"

// This file holds the bound on what takes longer than reading a text.

// visitsPerNode times Limits.Nodes is how many values branches may visit again in a run. Long strings, long numbers and
// regular expressions are paid from it, too. It is the budget of package schema, of which a visit here takes a tenth.
const visitsPerNode = 12

// heavyVisits is how many visits make a run a heavy one, as in package schema.
const heavyVisits = 100_000

// budget is the visits that a run may still make.
type budget struct {
	left  int
	light int         // the run is heavy when less is left
	heavy sync.Locker // held by a heavy run; nil if that is nobody's concern
	held  bool
}

func newBudget(p *Program) budget {
	all := visitsPerNode * p.limits.Nodes
	return budget{left: all, light: all - heavyVisits, heavy: p.heavy}
}

// pay pays for what is about to be done. It is false if that is too much.
func (b *budget) pay(visits int) bool {
	if b.left -= visits; b.left < b.light {
		b.hold()
	}
	return b.left >= 0
}

func (b *budget) hold() {
	if b.heavy != nil && !b.held && b.left >= 0 {
		b.heavy.Lock()
		b.held = true
	}
}

// release is called at the end, and before somebody else judges, who may want to hold the same. The next payment takes
// it again.
func (b *budget) release() {
	if b.held {
		b.heavy.Unlock()
		b.held = false
	}
}
