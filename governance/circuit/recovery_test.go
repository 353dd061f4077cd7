package circuit

import (
	"math"
	"testing"
	"time"
)

func recovering() Settings {
	s := quick()
	s.RecoverOver = 10 * time.Second
	return s
}

// close closes an open breaker.
func (f *fixture) close() {
	f.Helper()
	f.wait()
	f.call(1, Success)
	f.is(Closed)
}

func TestTrafficGrowsBack(t *testing.T) {
	run(t, recovering(), func(f *fixture) {
		f.open()
		f.close()
		const perSecond = 100
		var admitted, all [10]int
		for s := range 10 {
			for range perSecond {
				c, refusal := f.Enter()
				all[s]++
				if refusal == nil {
					admitted[s]++
					c.End(Success, 0)
				} else if refusal.Reason != ReasonRecovering || refusal.RetryAfter != time.Second {
					f.Fatalf("refused: %+v", *refusal)
				}
				time.Sleep(time.Second / perSecond)
			}
			if want := 0.1 + 0.9*(float64(s)+0.5)/10; math.Abs(float64(admitted[s])/perSecond-want) > 0.03 {
				f.Errorf("in second %d, %d of %d were let in, want a share of %.2f", s, admitted[s], all[s], want)
			}
		}
		f.call(1000, Success)
		if got := f.Snapshot(); got.Share != 1 || got.Refused[ReasonRecovering] == 0 {
			f.Errorf("%+v", got)
		}
	})
}

// However few calls there are, some get through: one a second is not starved.
func TestRecoveryIsSafeWithFewCalls(t *testing.T) {
	s := recovering()
	s.RecoverOver = time.Minute
	run(t, s, func(f *fixture) {
		f.open()
		f.close()
		for range 60 {
			time.Sleep(time.Second)
			f.call(1, Success)
		}
	})
}

func TestShareGrows(t *testing.T) {
	run(t, recovering(), func(f *fixture) {
		share := func(want float64) time.Time {
			f.Helper()
			got, next := f.Share(time.Now())
			if math.Abs(got-want) > 1e-9 {
				f.Errorf("the share is %v, want %v", got, want)
			}
			return next
		}
		share(1)
		left := f.open()
		if next := share(0); time.Until(next) != left {
			f.Errorf("open for %s, but it changes in %s", left, time.Until(next))
		}
		f.wait()
		if next := share(0); !next.IsZero() {
			f.Errorf("half-open until %s by time alone", next)
		}
		f.call(1, Success)
		if !f.Ready() {
			f.Error("a recovering breaker is not ready")
		}
		share(0.1)
		time.Sleep(5 * time.Second)
		if next := share(0.55); time.Until(next) != 100*time.Millisecond {
			f.Errorf("it grows next in %s", time.Until(next))
		}
		time.Sleep(4950 * time.Millisecond)
		if next := share(0.9955); time.Until(next) != 50*time.Millisecond {
			f.Errorf("it is whole in %s", time.Until(next))
		}
		time.Sleep(50 * time.Millisecond)
		if next := share(1); !next.IsZero() {
			f.Error("it still grows")
		}
	})
}

func TestAttemptIsNotRefusedWhileItRecovers(t *testing.T) {
	run(t, recovering(), func(f *fixture) {
		f.open()
		f.close()
		for range 20 {
			c := f.Attempt()
			c.End(Success, 0)
		}
		if got := f.Snapshot(); got.Calls.Success != 21 {
			f.Errorf("%d successes counted, want 21", got.Calls.Success)
		}
		c := f.Attempt()
		c.End(Failure, 0)
		f.is(Open)
	})
}

func TestDryRun(t *testing.T) {
	s := recovering()
	s.DryRun, s.MaxConcurrent = true, 1
	run(t, s, func(f *fixture) {
		would := func(r Reason) {
			f.Helper()
			c, refusal := f.Enter()
			if refusal == nil || refusal.Reason != r {
				f.Fatalf("it says %v, want %s", refusal, r)
			}
			c.End(Failure, 0) // does not count
			if share, _ := f.Share(time.Now()); share != 1 || !f.Ready() {
				f.Errorf("share %v, ready %v in a dry run", share, f.Ready())
			}
			a := f.Attempt()
			if r == ReasonOpen || r == ReasonHalfOpen || r == ReasonForced {
				a.End(Success, 0) // does not count either
			} else {
				a.End(Neutral, 0)
			}
		}
		one := f.enter()
		would(ReasonMaxConcurrent)
		one.End(Success, 0)
		f.open()
		would(ReasonOpen)
		f.is(Open)
		f.wait()
		probe := f.enter()
		would(ReasonHalfOpen)
		probe.End(Success, 0)
		f.is(Closed)
		f.call(1, Success)
		would(ReasonRecovering)
		f.history.Decide(Decision{Mode: ForcedOpen})
		would(ReasonForced)
		got := f.Snapshot()
		for _, r := range reasons {
			want := uint64(2) // Enter and Attempt
			if r == ReasonRecovering {
				want = 1 // which is for a balancer to heed
			}
			if got.WouldRefuse[r] != want || got.Refused[r] != 0 {
				f.Errorf("%s: would have refused %d, refused %d; want %d and 0", r, got.WouldRefuse[r], got.Refused[r], want)
			}
		}
	})
}
