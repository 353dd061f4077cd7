package circuit

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Everything at once, for the race detector: nothing is lost.
func TestConcurrentUse(t *testing.T) {
	s := DefaultSettings()
	s.SlowCall, s.SlowRatio, s.MinCalls, s.MaxConcurrent = 8*time.Millisecond, 0.5, 5, 6
	s.OpenFor, s.OpenForMax, s.ProbeTimeout, s.RecoverOver = time.Millisecond, 4*time.Millisecond, 5*time.Millisecond, 2*time.Millisecond
	s.Window = 100 * time.Millisecond
	h := NewHistory()
	var last atomic.Value
	var order atomic.Int64
	changed := func(c Change) {
		if before, ok := last.Load().(State); ok && before != c.From {
			t.Errorf("from %s, want %s", c.From, before)
		}
		last.Store(c.To)
		order.Add(1)
		h.Decision()
	}
	var current atomic.Pointer[Breaker]
	current.Store(New(h, s, changed))
	deadline := time.Now().Add(300 * time.Millisecond)
	var all sync.WaitGroup
	for n := range 8 {
		all.Go(func() {
			r := rand.New(rand.NewPCG(uint64(n), 3))
			for time.Now().Before(deadline) {
				b := current.Load()
				ask := func() Call { c, _ := b.Enter(); return c }
				if r.IntN(10) == 0 {
					ask = b.Attempt
				}
				c := ask()
				if r.IntN(3) == 0 {
					c.Sending()
				}
				if r.IntN(20) == 0 {
					time.Sleep(time.Duration(r.IntN(15)) * time.Millisecond)
				}
				o := Outcome(r.IntN(3))
				var twice sync.WaitGroup
				twice.Go(c.Sent)
				twice.Go(func() { c.End(o, time.Duration(r.IntN(2))*time.Millisecond) })
				c.End(Success, 0)
				twice.Wait()
				switch r.IntN(200) {
				case 0:
					next := s
					next.Window += time.Duration(r.IntN(3)) * time.Millisecond
					next.SlowCall += time.Duration(r.IntN(3)) * time.Millisecond
					current.Store(New(h, next, changed))
				case 1:
					h.Decide(Decision{Mode: Mode(r.IntN(4)), Until: time.Now().Add(time.Millisecond)})
				case 2:
					b.Healthy()
				}
				b.Snapshot()
				b.Share(time.Now())
			}
		})
	}
	all.Wait()
	if got := h.inFlight.Load(); got != 0 {
		t.Errorf("%d in flight", got)
	}
	if order.Load() == 0 {
		t.Error("it never changed its state: the test tests nothing")
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.pending) != 0 || h.telling || len(h.probes) != 0 {
		t.Errorf("%d changes not told, telling: %v, %d probes", len(h.pending), h.telling, len(h.probes))
	}
}

// 64 at once through a half-open breaker: as many as there are probes are let in.
func TestConcurrentProbes(t *testing.T) {
	s := quick()
	s.Probes, s.OpenFor = 3, time.Millisecond
	b := New(NewHistory(), s, nil)
	c, _ := b.Enter()
	c.End(Failure, 0)
	time.Sleep(2 * time.Millisecond)
	var let atomic.Int64
	var all sync.WaitGroup
	for range 64 {
		all.Go(func() {
			if _, refusal := b.Enter(); refusal == nil {
				let.Add(1)
			}
		})
	}
	all.Wait()
	if let.Load() != 3 {
		t.Errorf("%d probes were let in, want 3", let.Load())
	}
}
