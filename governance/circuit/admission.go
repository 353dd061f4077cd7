package circuit

// admission.go decides about calls: on the short way what is the same for all, on the
// long way, under the lock, what depends on who came before.

import (
	"math"
	"time"
)

// maxPlaces is after how many probes their numbers begin again.
const maxPlaces = math.MaxUint32 - firstProbe

// admit lets a call in if there is room.
func (s *standing) admit() (Call, *Refusal) {
	if s.limit == 0 {
		return s.letIn(), nil
	}
	if !s.takeRoom() {
		return Call{}, s.history.refuse(s.dryRun, ReasonMaxConcurrent, leastRetryAfter)
	}
	return Call{standing: s, step: s.begin()}, nil
}

// takeRoom counts a call in flight if there are less than the limit.
func (s *standing) takeRoom() bool {
	for {
		n := s.history.inFlight.Load()
		if n >= s.limit {
			return false
		}
		if s.history.inFlight.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// letIn lets a call in whether there is room or not.
func (s *standing) letIn() Call {
	s.history.inFlight.Add(1)
	return Call{standing: s, step: s.begin()}
}

func (s *standing) begin() uint64 {
	if s.slow == nil {
		return 0
	}
	return s.slow.begin()
}

// enter is Enter on the long way.
func (h *History) enter() (Call, *Refusal) {
	h.mu.Lock()
	defer h.unlock()
	now := time.Now()
	h.advance(now)
	dry := h.settings.DryRun
	switch {
	case h.decision.Mode == Disabled:
		return Call{}, nil
	case h.decision.Mode == ForcedOpen:
		return Call{}, h.refuse(dry, ReasonForced, h.forcedFor(now))
	case h.state == Open:
		return Call{}, h.refuse(dry, ReasonOpen, h.until.Sub(now))
	case h.state == HalfOpen:
		if !h.freeProbe() {
			return Call{}, h.refuse(dry, ReasonHalfOpen, leastRetryAfter)
		}
		return h.probe(now), nil
	case !h.recovered && !h.isDue(now):
		return Call{}, h.refuse(dry, ReasonRecovering, leastRetryAfter)
	}
	return h.standing.Load().admit()
}

// attempt is Attempt on the long way.
func (h *History) attempt() Call {
	h.mu.Lock()
	defer h.unlock()
	now := time.Now()
	h.advance(now)
	dry := h.settings.DryRun
	switch {
	case h.decision.Mode == Disabled:
		return Call{}
	case h.decision.Mode == ForcedOpen:
		return h.passBy(dry, ReasonForced)
	case h.state == Open:
		if dry {
			return h.passBy(dry, ReasonOpen) // all traffic comes here, and opens nothing early
		}
		h.inFlight.Add(1)
		return Call{standing: h.standing.Load(), place: early}
	case h.state == HalfOpen:
		if !h.freeProbe() {
			return h.passBy(dry, ReasonHalfOpen)
		}
		return h.probe(now)
	}
	return h.standing.Load().letIn()
}

// passBy is a call that is made and does not count.
func (h *History) passBy(dry bool, r Reason) Call {
	if dry {
		h.refuse(dry, r, 0)
	}
	return Call{}
}

// refuse counts a refusal.
func (h *History) refuse(dry bool, r Reason, retryAfter time.Duration) *Refusal {
	counts := &h.refused
	if dry {
		counts = &h.wouldRefuse
	}
	counts[r.index()].Add(1)
	return &Refusal{Reason: r, RetryAfter: max(retryAfter, leastRetryAfter), DryRun: dry}
}

// probe gives a call one of the places of a half-open breaker.
func (h *History) probe(now time.Time) Call {
	p := probe{place: firstProbe + h.nextProbe, deadline: now.Add(h.settings.ProbeTimeout)}
	h.nextProbe = (h.nextProbe + 1) % maxPlaces
	h.probes = append(h.probes, p)
	h.inFlight.Add(1)
	return Call{standing: h.standing.Load(), place: p.place}
}

func (h *History) freeProbe() bool { return h.probing() < h.settings.Probes }

// probing is the number of probes that hold a place.
func (h *History) probing() (n int) {
	for i := range h.probes {
		if !h.probes[i].noPlace {
			n++
		}
	}
	return n
}

// shareNow is the part of the traffic that is let in.
func (h *History) shareNow(now time.Time) float64 {
	switch {
	case h.settings.DryRun:
		return 1
	case h.visible() != Closed:
		return 0
	case h.decision.Mode != Auto || h.recovered:
		return 1
	}
	return h.share(now)
}

// share is the part of the traffic that a recovering breaker lets in: it grows evenly.
func (h *History) share(now time.Time) float64 {
	grown := float64(now.Sub(h.closedAt)) / float64(h.settings.RecoverOver)
	return leastShare + (1-leastShare)*min(max(grown, 0), 1)
}

// isDue reports whether a call is among those that a recovering breaker lets in. They are
// spread evenly: each call adds its share, and a whole one is let in.
func (h *History) isDue(now time.Time) bool {
	h.credit += h.share(now)
	switch {
	case h.credit >= 1:
		h.credit--
	case now.Sub(h.admittedAt) >= leastEvery:
		h.credit = 0
	default:
		return false
	}
	h.admittedAt = now
	return true
}
