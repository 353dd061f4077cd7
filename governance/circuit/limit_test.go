package circuit

import (
	"testing"
	"time"
)

func TestMaxConcurrent(t *testing.T) {
	s := quick()
	s.MaxConcurrent = 2
	run(t, s, func(f *fixture) {
		for range 3 {
			a, b := f.enter(), f.enter()
			if f.Ready() {
				f.Error("it is ready with no room")
			}
			if after := f.refuses(ReasonMaxConcurrent); after != time.Second {
				f.Errorf("come back after %s", after)
			}
			third := f.Attempt() // has no choice
			third.End(Success, 0)
			a.End(Neutral, 0)
			if !f.Ready() {
				f.Error("it is not ready with room")
			}
			b.End(Success, 0)
			b.End(Success, 0)
		}
		f.is(Closed)
		got := f.Snapshot()
		if got.InFlight != 0 || got.Refused[ReasonMaxConcurrent] != 3 {
			f.Errorf("%d in flight, %d refused, want 0 and 3", got.InFlight, got.Refused[ReasonMaxConcurrent])
		}
		if (got.Calls != Calls{Success: 6, Neutral: 3}) {
			f.Errorf("calls: %+v", got.Calls)
		}
	})
}

// Calls that hang must not keep probes out.
func TestProbesNeedNoRoom(t *testing.T) {
	s := quick()
	s.MaxConcurrent = 2
	run(t, s, func(f *fixture) {
		hangs, fails := f.enter(), f.enter()
		again := f.Attempt()
		fails.End(Failure, 0)
		f.wait()
		f.call(1, Success)
		f.is(Closed)
		f.refuses(ReasonMaxConcurrent)
		hangs.End(Success, 0)
		again.End(Success, 0)
		f.call(1, Success)
	})
}

func TestZeroCallEndsAndTwiceIsOnce(t *testing.T) {
	var none Call
	none.End(Failure, time.Second)
	run(t, quick(), func(f *fixture) {
		c := f.enter()
		c.End(Success, 0)
		c.End(Failure, time.Minute)
		f.is(Closed)
	})
}

// A breaker that was never called is closed, whatever is asked of it.
func TestNeverCalled(t *testing.T) {
	run(t, quick(), func(f *fixture) {
		f.Healthy()
		f.is(Closed)
		if share, next := f.Share(time.Now()); share != 1 || !next.IsZero() || !f.Ready() {
			f.Errorf("share %v until %v", share, next)
		}
		s := f.Snapshot()
		if s.State != "closed" || s.Settings.OpenFor != 10 || s.Share != 1 || s.OpenUntil != nil {
			f.Errorf("%+v", s)
		}
	})
}
