package circuit

import (
	"fmt"
	"testing"
	"time"
)

func TestOpensProbesAndCloses(t *testing.T) {
	run(t, quick(), func(f *fixture) {
		f.call(3, Success)
		for n, want := range []time.Duration{10 * time.Second, 20 * time.Second, 40 * time.Second, 40 * time.Second} {
			left := f.open()
			if most := min(want*11/10, 40*time.Second); !within(left, want, most) {
				f.Fatalf("opening %d lasts %s, want %s to %s", n, left, want, most)
			}
			if after := f.refuses(ReasonOpen); after != left {
				f.Fatalf("an open breaker says to come back after %s, want %s", after, left)
			}
			time.Sleep(left - time.Millisecond)
			if after := f.refuses(ReasonOpen); after != time.Second {
				f.Fatalf("with 1ms left it says to come back after %s, want 1s", after)
			}
			f.wait()
		}
		f.call(1, Success)
		f.is(Closed)
		f.told("open consecutive", "half_open open_for", "open probe_failed", "half_open open_for",
			"open probe_failed", "half_open open_for", "open probe_failed", "half_open open_for", "closed probes_succeeded")
	})
}

// Doubling goes on for a breaker that opens again soon after it closed, and begins anew for one that
// has been well for the last open time.
func TestDoublingGoesOnUntilRecovered(t *testing.T) {
	s := quick()
	s.RecoverOver = 10 * time.Second
	run(t, s, func(f *fixture) {
		f.open()
		f.wait()
		f.call(1, Success)
		time.Sleep(19 * time.Second) // recovered, and closed for less than the last open time besides
		if left := f.open(); !within(left, 20*time.Second, 22*time.Second) {
			f.Errorf("it opens again soon after for %s, want 20s to 22s", left)
		}
		f.wait()
		f.call(1, Success)
		time.Sleep(31 * time.Second)
		if left := f.open(); !within(left, 10*time.Second, 11*time.Second) {
			f.Errorf("it opens long after for %s, want 10s to 11s", left)
		}
		if s := f.Snapshot(); s.Opened != 3 || s.OpenedInARow != 1 {
			f.Errorf("opened %d times, %d in a row, want 3 and 1", s.Opened, s.OpenedInARow)
		}
	})
}

func TestConsecutive(t *testing.T) {
	s := quick()
	s.Consecutive = 3
	run(t, s, func(f *fixture) {
		for range 2 {
			f.call(2, Failure)
			f.call(1, Neutral)
			f.call(1, Success)
		}
		f.is(Closed)
		for range 3 { // however long that takes
			time.Sleep(time.Minute)
			f.call(1, Failure)
		}
		f.is(Open)
		f.told("open consecutive")
	})
}

// The rule of the document: three in a row, and 120 s.
func TestThreeInARowFor120s(t *testing.T) {
	s := quick()
	s.Consecutive, s.OpenFor, s.OpenForMax = 3, 120*time.Second, 120*time.Second
	run(t, s, func(f *fixture) {
		f.call(2, Failure)
		f.is(Closed)
		if left := f.open(); !within(left, 120*time.Second, 120*time.Second) {
			f.Errorf("open for %s", left)
		}
		f.wait()
		if left := f.open(); !within(left, 120*time.Second, 120*time.Second) {
			f.Errorf("open for %s the second time", left)
		}
	})
}

func TestFailureRatio(t *testing.T) {
	for _, test := range []struct {
		name     string
		outcomes string // s, f, n, and . for a second
		want     State
	}{
		{"half of too few", "fffffffffsssssssss", Closed},
		{"half of enough, with a failure last", "ssssssssssffffffffff", Open},
		{"half of enough, with a success last", "ffffffffffssssssssss", Open},
		{"not half", "fffffffffsssssssssssfs", Closed},
		{"neutral ones are no calls", "ffffffffffnnnnnnnnnnsssssssss", Closed},
		{"what is older than the window is forgotten", "ffffffffff...........ssssssssssfsss", Closed},
		{"the window rolls", "fffff.....fffff.....sssss.sssss", Closed},
		{"what the window still has counts", "fffff....fffff....ssssssssss", Open},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := quick()
			s.Consecutive, s.FailureRatio = 0, 0.5
			run(t, s, func(f *fixture) {
				for _, o := range test.outcomes {
					switch {
					case o == '.':
						time.Sleep(time.Second)
					default:
						c := f.enter()
						c.End(map[rune]Outcome{'s': Success, 'f': Failure, 'n': Neutral}[o], 0)
					}
				}
				f.is(test.want)
				if test.want == Open {
					f.told("open failure_ratio")
				}
			})
		})
	}
}

// A call counts when it ends, also if that took longer than the window.
func TestResultsLaterThanTheWindowCount(t *testing.T) {
	s := quick()
	s.Consecutive, s.FailureRatio, s.MinCalls = 0, 1, 3
	run(t, s, func(f *fixture) {
		calls := []Call{f.enter(), f.enter(), f.enter()}
		time.Sleep(time.Minute)
		for i := range calls {
			calls[i].End(Failure, 0)
		}
		f.is(Open)
	})
}

// Calls that were under way when the breaker opened must neither open it for longer, nor
// close it, nor take the place of a probe.
func TestLateResultsSayNothing(t *testing.T) {
	for _, late := range []Outcome{Success, Failure, Neutral} {
		t.Run(fmt.Sprint(late), func(t *testing.T) {
			run(t, quick(), func(f *fixture) {
				var calls []Call
				for range 6 {
					calls = append(calls, f.enter())
				}
				calls[0].End(Failure, 0)
				left := f.refuses(ReasonOpen)
				calls[1].End(late, 0)
				if again := f.refuses(ReasonOpen); again != left {
					f.Errorf("open for %s, want %s as before", again, left)
				}
				f.wait()
				calls[2].End(late, 0)
				f.is(HalfOpen)
				probe := f.enter()
				calls[3].End(late, 0)
				f.is(HalfOpen)
				f.refuses(ReasonHalfOpen)
				probe.End(Success, 0)
				f.is(Closed)
				calls[4].End(late, 0)
				f.is(Closed)
				calls[5].End(late, 0)
				f.is(Closed)
			})
		})
	}
}

func TestRetryAfterLengthensTheOpenTime(t *testing.T) {
	for _, test := range []struct {
		name        string
		asked       []time.Duration // of failures in a row, of which three open
		least, most time.Duration
	}{
		{"of the failure that opens", []time.Duration{0, 0, 30 * time.Second}, 30 * time.Second, 30 * time.Second},
		{"of one before", []time.Duration{30 * time.Second, 0, 0}, 30 * time.Second, 30 * time.Second},
		{"of one under way", []time.Duration{0, 0, 0, 30 * time.Second}, 30 * time.Second, 30 * time.Second},
		{"up to the cap", []time.Duration{0, 0, time.Hour}, 40 * time.Second, 40 * time.Second},
		{"up to the cap later", []time.Duration{0, 0, 0, time.Hour}, 40 * time.Second, 40 * time.Second},
		{"never shortens it", []time.Duration{0, 0, time.Second, time.Second}, 10 * time.Second, 11 * time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := quick()
			s.Consecutive = 3
			run(t, s, func(f *fixture) {
				var calls []Call
				for range test.asked {
					calls = append(calls, f.enter())
				}
				for i := range calls {
					calls[i].End(Failure, test.asked[i])
				}
				if left := f.refuses(ReasonOpen); !within(left, test.least, test.most) {
					f.Errorf("open for %s, want %s to %s", left, test.least, test.most)
				}
			})
		})
	}
}

func TestRetryAfterIsForgottenWithASuccess(t *testing.T) {
	run(t, func() Settings { s := quick(); s.Consecutive = 2; return s }(), func(f *fixture) {
		c := f.enter()
		c.End(Failure, 40*time.Second)
		f.call(1, Success)
		f.call(2, Failure)
		if left := f.refuses(ReasonOpen); left > 11*time.Second {
			f.Errorf("open for %s: it was asked before somebody answered again", left)
		}
	})
}

func TestRetryAfterIsForgottenWhenItCloses(t *testing.T) {
	run(t, quick(), func(f *fixture) {
		c := f.enter()
		c.End(Failure, 40*time.Second)
		f.Healthy()
		time.Sleep(2 * time.Nanosecond)
		f.call(1, Success)
		if left := f.open(); left > 22*time.Second {
			f.Errorf("open for %s: it was asked before it closed", left)
		}
	})
}
