package shed

// adaptive.go holds the limit that follows what the service can take.

import (
	"math"
	"sync/atomic"
	"time"

	"github.com/failsafe-go/failsafe-go/adaptivelimiter"
)

// The limiter's defaults are for a limit that is adjusted once a second, by one or
// two: too slow for a limit that begins anew with the process. With windows of a
// tenth of a second (or of 50 requests, if those take longer) the other settings must
// follow, for they count windows. They were found by simulating back ends of 20 to
// 300 places under loads of 1.3 to 8 times what they can take, for five minutes each:
//   - a baseline of 50 windows or less adapts to the overload, and the limit drifts up;
//     one of 1000 takes minutes to believe that a service has become slower for good;
//   - with more than 20 windows of correlation the limit goes on down for so long that
//     a back end of 50 places was left with 25; without any it drifts up.
const (
	window            = 100 * time.Millisecond
	longestWindow     = 30 * time.Second
	windowSamples     = 50
	windowQuantile    = 0.9
	baselineWindows   = 200
	correlationWindow = 12
	// headroom is how many times the requests in flight the limit may be, and
	// headroomFor how long their peak counts: bursts come at once, and the limit
	// would rise by one a window only.
	headroom    = 3
	headroomFor = 10 * time.Second
	// The first limit is a few times the least one, but has no need to be above the
	// other: it has to suit a gateway that was restarted under its usual traffic.
	initialFactor = 4
	initialEnough = 100
	// smoothing is the weight of the latest latency in their average.
	smoothing = 0.05
)

// adaptive is a limit that follows latencies. Its limiter is used without its queue
// and priorities: those are for callers that would rather wait, and a request that
// waits in a gateway holds two connections.
type adaptive struct {
	holders int // guarded by State.mu
	limiter adaptivelimiter.AdaptiveLimiter[any]
	limit   atomic.Int64  // the limiter's, read without its lock
	mean    atomic.Uint64 // latency of successes in nanoseconds, as bits of a float64
}

func newAdaptive(settings Settings) *adaptive {
	// the limiter's limit is that of the lowest priority
	lowest := settings.lowest()
	least, most := uint(settings.bounds(settings.AutoMin)[lowest]), uint(settings.bounds(settings.AutoMax)[lowest])
	initial := min(most, max(least, min(initialFactor*least, initialEnough)))
	a := &adaptive{limiter: adaptivelimiter.NewBuilder[any]().
		WithLimits(least, most, initial).
		WithRecentWindow(window, longestWindow, windowSamples).
		WithRecentQuantile(windowQuantile).
		WithBaselineWindow(baselineWindows).
		WithCorrelationWindow(correlationWindow).
		WithMaxLimitFactor(headroom).
		WithMaxLimitStabilizationWindow(headroomFor).
		Build()}
	a.limit.Store(int64(a.limiter.Limit()))
	return a
}

// Outcome is how an admitted request ended, for what its latency says.
type Outcome uint8

// The outcomes.
const (
	// Answered requests tell how long the service takes.
	Answered Outcome = iota
	// Failed requests, and those whose client left, tell something only if they took
	// longer than others do: fast failures would make a service that fails look fast.
	Failed
	// Streaming requests have begun a stream, which may last for hours.
	Streaming
)

// Permit is held by a request in flight. The zero Permit holds nothing.
type Permit struct {
	counted *atomic.Int64 // where the request is counted
	auto    *adaptive
	inner   adaptivelimiter.Permit // nil beyond the limiter's limit
	since   time.Time
}

// permit returns the permit of a request that has been counted in.
func (s *Shedder) permit() Permit {
	if !s.limited {
		return Permit{}
	}
	p := Permit{counted: &s.state.inFlight}
	if s.auto != nil {
		// There is none beyond the limit of the lowest priority: those requests
		// count, and only say nothing about latencies.
		if inner, ok := s.auto.limiter.TryAcquirePermit(); ok {
			p.auto, p.inner, p.since = s.auto, inner, time.Now()
		}
	}
	return p
}

// Ignore returns the permit of a request that goes on although Admit refused it, as in
// a dry run: InFlight counts it, but it takes nobody's place.
func (s *Shedder) Ignore() Permit {
	if !s.limited {
		return Permit{}
	}
	s.state.ignored.Add(1)
	return Permit{counted: &s.state.ignored}
}

// Held reports whether there is anything to release.
func (p *Permit) Held() bool { return p.counted != nil }

// Release gives the permit back; releasing again does nothing.
func (p *Permit) Release(o Outcome) {
	if p.counted == nil {
		return
	}
	p.counted.Add(-1)
	p.counted = nil
	if p.inner != nil {
		p.auto.done(p.inner, time.Since(p.since), o)
	}
}

func (a *adaptive) done(permit adaptivelimiter.Permit, took time.Duration, o Outcome) {
	mean := math.Float64frombits(a.mean.Load())
	switch {
	case o == Answered:
		// two at once may lose one of them: it is an average of many
		if mean == 0 {
			mean = float64(took)
		}
		a.mean.Store(math.Float64bits(mean + smoothing*(float64(took)-mean)))
		permit.Record()
	case o == Failed && mean > 0 && float64(took) > mean:
		permit.Record()
	default:
		permit.Drop()
	}
	a.limit.Store(int64(a.limiter.Limit()))
}
