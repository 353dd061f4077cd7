package discovery

// guard.go decides how much of what a source does not tell any more is believed.

import (
	"cmp"
	"slices"
	"time"

	"github.com/weirproxy/weir/governance/lease"
)

// guard holds instances back that are missing in an answer. A Consul that lost its
// data, or of which a part cannot be reached, tells less than there is; traffic that
// goes to an instance that is really gone costs a refused connection.
type guard struct {
	settings   Settings
	members    []lease.Instance     // sorted by id: those of the latest answer, and the held
	held       map[string]time.Time // ids in members that are not in the answer, and since when
	remembered bool                 // members are of a set to begin with
	windowEnds time.Time            // until when budget is what may still be removed
	budget     int
	emptySince time.Time // not zero while an empty answer is not believed

	heldTotal, doubted, believed uint64
}

// heard is an answer as guard sees it.
type heard struct {
	listed []lease.Instance // sorted by id: those that pass the filters
	// ids and addresses also of those that do not pass: who is told of is not missing,
	// but has changed
	ids map[string]bool
	at  map[string]lease.Instance
}

// take makes members of an answer.
func (g *guard) take(h heard, now time.Time) {
	if g.remembered && len(h.listed) > 0 {
		// who was there at some time in the past is a stopgap, whose addresses others may
		// have by now
		g.members, g.remembered = nil, false
	}
	missing := g.missing(h, now)
	var held []missed
	if len(h.listed) == 0 && len(missing) > 0 {
		held = g.doubt(missing, now)
	} else {
		g.emptySince = time.Time{}
		held = missing[g.spend(len(missing), now):]
	}
	before := g.held
	g.held = make(map[string]time.Time, len(held))
	g.members = slices.Clone(h.listed)
	for _, m := range held {
		g.held[m.ID] = m.since
		g.members = append(g.members, m.Instance)
		if _, was := before[m.ID]; !was {
			g.heldTotal++
		}
	}
	slices.SortFunc(g.members, byID)
}

// missed is an instance that was a member and is told no more.
type missed struct {
	lease.Instance
	since time.Time
}

// missing returns who is, longest first.
func (g *guard) missing(h heard, now time.Time) []missed {
	var all []missed
	for _, m := range g.members {
		// one that drained said itself that it would go; at an address that is told of
		// is another instance now
		_, taken := h.at[m.HostPort()]
		if h.ids[m.ID] || taken || m.Draining {
			continue
		}
		since, ok := g.held[m.ID]
		if !ok {
			since = now
		}
		all = append(all, missed{m, since})
	}
	slices.SortStableFunc(all, func(a, b missed) int { return a.since.Compare(b.since) })
	return all
}

// doubt returns who is held because nobody else is there: all, until that has been told
// for long enough.
func (g *guard) doubt(all []missed, now time.Time) []missed {
	if g.emptySince.IsZero() {
		g.emptySince = now
		g.doubted++
	}
	if now.Sub(g.emptySince) < g.settings.EmptyAfter {
		return all
	}
	g.emptySince = time.Time{}
	g.believed++
	return nil
}

// spend returns how many of those missing may be removed now.
func (g *guard) spend(missing int, now time.Time) int {
	if missing == 0 || g.settings.MaxRemoval == 1 {
		return missing // also more than there were when the interval began: some may have come back
	}
	if !now.Before(g.windowEnds) {
		g.windowEnds = now.Add(g.settings.RemovalInterval)
		g.budget = max(1, int(g.settings.MaxRemoval*float64(len(g.members))))
	}
	n := min(missing, g.budget)
	g.budget -= n
	return n
}

// interrupt notes that the source does not answer: what it told before is not what it
// has been telling all the time.
func (g *guard) interrupt() { g.emptySince = time.Time{} }

// due is when the same answer would be taken differently; zero is never.
func (g *guard) due() time.Time {
	switch {
	case !g.emptySince.IsZero():
		return g.emptySince.Add(g.settings.EmptyAfter)
	case len(g.held) > 0:
		return g.windowEnds
	}
	return time.Time{}
}

func byID(a, b lease.Instance) int { return cmp.Compare(a.ID, b.ID) }
