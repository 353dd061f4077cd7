package circuit

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// waits reports whether the ring waits for a call to end.
func (f *fixture) waits() bool {
	f.history.mu.Lock()
	defer f.history.mu.Unlock()
	for i := range slots {
		if r := f.history.slow; r != nil && r.begun[i].Load()&(1<<32-1) != 0 {
			return true
		}
	}
	return false
}

// Uploads that take long are no sign of trouble.
func TestSendingIsNotSlow(t *testing.T) {
	s := slowSettings()
	s.Consecutive = 5
	for _, ask := range []func(b *Breaker) Call{
		func(b *Breaker) Call { c, _ := b.Enter(); return c },
		(*Breaker).Attempt,
	} {
		run(t, s, func(f *fixture) {
			var calls []*Call
			for range 100 {
				c := ask(f.Breaker)
				c.Sending()
				calls = append(calls, &c)
				time.Sleep(100 * time.Millisecond)
			}
			time.Sleep(time.Minute)
			for _, c := range calls {
				c.Sent()
				c.Sent()
			}
			time.Sleep(1900 * time.Millisecond) // the time begins here
			for _, c := range calls {
				c.End(Success, 0)
				c.Sent()
			}
			got := f.Snapshot()
			if got.Calls != (Calls{Success: 100}) || got.InFlight != 0 || got.Window.Decided != 100 || got.ConsecutiveSlow != 0 {
				f.Errorf("after all: %+v", got)
			}
			f.told()
		})
	}
}

// An answer to half a request came in time.
func TestAnswersWhileSending(t *testing.T) {
	for _, answered := range []bool{false, true} {
		run(t, slowSettings(), func(f *fixture) {
			hangs := f.enter()
			time.Sleep(3 * time.Second)
			c := f.enter()
			c.Sending()
			time.Sleep(time.Minute)
			if answered {
				c.Answered()
			}
			c.End(Success, 0)
			got := f.Snapshot()
			if got.Window.Decided != 1 || got.Window.Calls != 1 || got.Window.Slow != 0 || got.Calls.Slow != 1 || got.ConsecutiveSlow != 0 {
				f.Errorf("%+v", got)
			}
			hangs.End(Neutral, 0)
		})
	}
}

// Once all is sent, a stall is found as with other calls.
func TestAStallAfterSendingOpens(t *testing.T) {
	run(t, slowSettings(), func(f *fixture) {
		var calls []*Call
		for range 20 {
			c := f.enter()
			c.Sending()
			calls = append(calls, &c)
		}
		time.Sleep(10 * time.Second)
		for _, c := range calls {
			c.Sent()
		}
		time.Sleep(2 * time.Second)
		f.is(Closed)
		time.Sleep(time.Second / 2)
		f.told("open slow_ratio")
		for _, c := range calls {
			c.End(Failure, 0)
		}
	})
}

// Whatever comes before Sent, the call is over for the ring only once.
func TestSentTooLate(t *testing.T) {
	for name, before := range map[string]func(f *fixture, c *Call){
		"ended":          func(f *fixture, c *Call) { c.End(Success, 0) },
		"answered":       func(f *fixture, c *Call) { c.Answered() },
		"answered twice": func(f *fixture, c *Call) { c.Answered(); c.Answered() },
		"reloaded": func(f *fixture, c *Call) {
			s := slowSettings()
			s.SlowCall = time.Second
			f.reload(s)
			f.Adopt()
		},
		"opened and closed": func(f *fixture, c *Call) {
			f.history.Decide(Decision{Mode: ForcedOpen})
			f.history.trip(WhyConsecutive)
			f.history.Decide(Decision{Mode: ForcedClosed})
			f.history.Decide(Decision{})
		},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, slowSettings(), func(f *fixture) {
				c := f.enter()
				c.Sending()
				before(f, &c)
				c.Sent()
				if f.waits() {
					f.Error("the call is waited for")
				}
				time.Sleep(time.Minute)
				c.End(Success, 0)
				c.Sent()
				c.Answered()
				if got := f.Snapshot(); got.Calls.Slow != 0 || got.InFlight != 0 {
					f.Errorf("after all: %+v", got)
				}
				if f.waits() {
					f.Error("the call is waited for after its end")
				}
			})
		})
	}
}

// A body may be read late, or not before the call is over.
func TestSendingTooLate(t *testing.T) {
	for name, before := range map[string]func(f *fixture, c *Call){
		"slow":     func(*fixture, *Call) { time.Sleep(3 * time.Second) },
		"ended":    func(_ *fixture, c *Call) { c.End(Success, 0) },
		"answered": func(_ *fixture, c *Call) { c.Answered() },
		"opened":   func(f *fixture, _ *Call) { f.history.trip(WhyConsecutive) },
		"reloaded": func(f *fixture, _ *Call) {
			s := slowSettings()
			s.SlowCall = time.Second
			f.reload(s)
			f.Adopt()
		},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, slowSettings(), func(f *fixture) {
				c := f.enter()
				before(f, &c)
				slow := f.Snapshot().Calls.Slow
				c.Sending()
				c.Sent()
				c.Answered()
				if f.waits() {
					f.Error("the call is waited for")
				}
				time.Sleep(time.Minute)
				c.End(Success, 0)
				if got := f.Snapshot(); got.Calls.Slow != slow || got.Calls.Success != 1 || got.InFlight != 0 {
					f.Errorf("after all: %+v", got)
				}
			})
		})
	}
}

// Where nothing is slow, and for calls that do not count, both mean nothing.
func TestSendingWithoutAMark(t *testing.T) {
	var none Call
	none.Sending()
	none.Sent()
	run(t, quick(), func(f *fixture) {
		c := f.enter()
		c.Sending()
		c.Sent()
		c.End(Success, 0)
	})
	run(t, quick(), func(f *fixture) {
		f.open()
		early := f.Attempt()
		early.Sending()
		f.wait()
		early.Sent()
		early.End(Success, 0)
		f.told("open consecutive", "half_open open_for")
	})
}

// The body is read on a goroutine of the transport's.
func TestSentConcurrently(t *testing.T) {
	s := slowSettings()
	s.SlowCall, s.MinCalls = 8*time.Millisecond, 1_000_000
	synctest.Test(t, func(t *testing.T) {
		h := NewHistory()
		b := New(h, s, nil)
		var all sync.WaitGroup
		for n := range 2000 {
			all.Go(func() {
				c, _ := b.Enter()
				c.Sending()
				all.Go(c.Sent)
				time.Sleep(time.Duration(n%20) * time.Millisecond)
				all.Go(c.Sent)
				if n%3 > 0 {
					c.Answered()
				}
				c.End(Success, 0)
			})
		}
		all.Wait()
		time.Sleep(time.Second)
		synctest.Wait()
		h.mu.Lock()
		defer h.mu.Unlock()
		if !h.slow.idle() || h.slow.armed.Load() || h.inFlight.Load() != 0 {
			t.Errorf("calls are waited for after their end; %d in flight", h.inFlight.Load())
		}
		if h.calls.Slow == 0 || h.calls.Slow > 1300 || h.calls.Success != 2000 {
			t.Errorf("%+v", h.calls)
		}
	})
}

// Clients that send slowly keep no breaker open: back ends that are well again close it,
// however long the uploads take.
func TestProbesThatAreSentSlowly(t *testing.T) {
	run(t, threeProbes(), func(f *fixture) {
		f.open()
		f.wait()
		var uploads []*Call
		for range 3 {
			c := f.enter()
			c.Sending()
			uploads = append(uploads, &c)
		}
		f.refuses(ReasonHalfOpen)
		time.Sleep(6 * time.Second) // over probe_timeout
		f.is(HalfOpen)
		quick := f.enter() // the uploads have given their places away
		if n := f.Snapshot().Probing; n != 1 {
			t.Errorf("%d probes hold a place, want 1", n)
		}
		quick.End(Neutral, 0)
		time.Sleep(time.Minute)
		for _, c := range uploads[:2] {
			c.Sent()
			time.Sleep(time.Second)
			c.End(Success, 0)
		}
		f.is(HalfOpen)
		uploads[2].Answered() // before all was sent
		time.Sleep(5 * time.Second)
		f.is(Closed)
		uploads[2].End(Failure, 0)
		f.told("open consecutive", "half_open open_for", "closed probes_succeeded")
	})
}

// Once it is sent, a probe has its time, and no more.
func TestAProbeThatHangsAfterItWasSent(t *testing.T) {
	run(t, threeProbes(), func(f *fixture) {
		f.open()
		f.wait()
		c := f.enter()
		c.Sending()
		time.Sleep(time.Minute)
		c.Sent()
		c.Sent()
		time.Sleep(5*time.Second - 1)
		f.is(HalfOpen)
		time.Sleep(1 * time.Nanosecond)
		f.is(Open)
		c.Sending()
		c.End(Success, 0)
		f.told("open consecutive", "half_open open_for", "open probe_timeout")
		if n := f.Snapshot().InFlight; n != 0 {
			t.Errorf("%d in flight", n)
		}
	})
}
