package relay

// lane.go is what a worker knows about a lane, and how long it leaves one alone.

import (
	"sync/atomic"
	"time"
)

// lane is what a worker knows about a lane.
type lane struct {
	number   int16
	mark     mark
	floor    time.Time // see floor.go; zero if there is none
	lookedAt time.Time // the last look from the start
	sweptAt  time.Time // the last sweep
	// lookEvery and sweepEvery are how far apart these are at least, as they take long.
	lookEvery, sweepEvery time.Duration
	// failed counts failures in a row, and rest is until when the lane is left alone
	// after the last one.
	failed int
	rest   time.Time
	// skipDue leaves out, once, what waited, because it took all the time of a batch.
	skipDue bool
	// tried is, while the breaker is open, behind which of the messages that are due to
	// look for the next one to try, and rounds how often that began anew.
	tried  due
	rounds int
	// patient gives looks from the start more time, because one took too long.
	patient bool
	// yields tells that it rests because another worker has it, busy how often in a
	// row that was so.
	yields bool
	busy   int
	// asked tells that there is something to do: the worker, the scout and the timers
	// set it. timed tells that something has become due.
	asked, timed atomic.Bool
	known        atomic.Pointer[known]
}

// yield leaves a lane for a while to whoever has it, who does its work. What has become
// due since he looked he may not know: for that it is tried again, soon at first.
func (l *lane) yield(timed bool, longest time.Duration) {
	wait := longest
	if timed {
		l.timed.Store(true)
		l.asked.Store(true)
		wait = min(longest, shortestYield<<min(l.busy, 10))
		l.busy++
	}
	l.rest = time.Now().Add(wait)
}

// shortestYield is about as long as a batch takes.
const shortestYield = 5 * time.Millisecond

// resting is for how long a lane is still left alone. A rest for another worker's sake
// ends when something becomes due.
func (l *lane) resting() time.Duration {
	if l.yields && l.busy == 0 && l.timed.Load() {
		return 0
	}
	return time.Until(l.rest)
}
