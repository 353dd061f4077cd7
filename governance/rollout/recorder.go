package rollout

// recorder.go counts what becomes of requests.

import (
	"sync/atomic"
	"time"
)

// Stage is which of the two stages that are compared a request went to. Others are
// not recorded.
type Stage uint8

// Stages.
const (
	Canary Stage = iota
	Stable
)

// window is what is known of the requests that began in a time. A new step begins
// with a new one, so that a request counts where it began, however late it ends.
type window struct {
	begun time.Time
	sides [2]side
}

// side is one stage in a window. Its counters are apart from the other side's by the
// histograms, so that the stages do not share a cache line.
type side struct {
	started   atomic.Uint64
	errors    atomic.Uint64
	latencies histogram // of those that ended
	left      histogram // of those whose clients left: how long these waited
}

// Call is a request under way. That of the zero value is of nobody, and its end
// counts nowhere.
type Call struct{ side *side }

// End notes how the request ended: after which time, and whether it failed. It is
// called once at most. A request whose client went away does not end: see Left. One that
// another stage answers because the canary could not is a failure of the canary, and
// nothing of the other's.
func (c Call) End(latency time.Duration, failed bool) {
	if c.side == nil {
		return
	}
	c.side.latencies.observe(latency) // before the error: see sample
	if failed {
		c.side.errors.Add(1)
	}
}

// Left notes, in place of End, that the client went away, and after which time. It counts
// as not answered, and stops a promotion if the canary has more of its kind. An answer
// would have taken longer, so it can be slow, but it cannot be fast.
func (c Call) Left(after time.Duration) {
	if c.side != nil {
		c.side.left.observe(after)
	}
}

// sample is what is known of a side at one time.
type sample struct {
	started, requests, errors int
	latencies, left           *counts
}

// sample reads what counts later first, so that a request that ends meanwhile does not
// make more errors than requests, or more of these than have begun.
func (s *side) sample() sample {
	errors := s.errors.Load()
	latencies, left := s.latencies.read(), s.left.read()
	return sample{
		started:   int(s.started.Load()),
		requests:  latencies.total,
		errors:    int(errors),
		latencies: latencies,
		left:      left,
	}
}
