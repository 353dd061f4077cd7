package balance

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirproxy/weir/governance/circuit"
)

// One request a second to two upstreams of which one stalls is too little for a ratio; it
// is out all the same.
func TestStalledUpstreamIsOutAtOneRequestASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, guarded(func(s *circuit.Settings) { s.SlowCall, s.SlowRatio = time.Second, 0.8 }), members(1, 1)...)
		var told atomic.Value // a timer's goroutine tells
		b.balancer.Watch(func(_ string, c circuit.Change) { told.Store(c.Why) })
		began := time.Now()
		hanging := 0
		for b.openFor(0) == 0 {
			if i := b.pick(); i == 0 {
				b.balancer.Begin(b.table.upstreams[0])
				hanging++
			} else {
				b.try(1, Success)
			}
			time.Sleep(time.Second)
			if time.Since(began) > 30*time.Second {
				t.Fatalf("after %d requests that hang it is still tried: %+v", hanging, b.upstream(0).Breaker)
			}
		}
		synctest.Wait()
		why := told.Load()
		// five of ten requests, and the time until the last of them is slow
		if hanging > 7 || why != circuit.WhySlowInARow {
			t.Errorf("%d requests hang, and it opened because of %v", hanging, why)
		}
		t.Logf("%d requests hang, open after %v", hanging, time.Since(began))
	})
}

// As long as a client is still sending, it is not the upstream that is slow.
func TestUploadsAreNotSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, guarded(func(s *circuit.Settings) { s.SlowCall, s.SlowRatio, s.MinCalls = time.Second, 0.8, 5 }), members(1, 1)...)
		var uploads []Attempt
		for range 20 {
			a := b.balancer.Begin(b.table.upstreams[0])
			a.Sending()
			uploads = append(uploads, a)
		}
		time.Sleep(time.Minute)
		b.wantStates("in", "in")
		for _, a := range uploads {
			a.Sent()
		}
		time.Sleep(900 * time.Millisecond)
		b.wantStates("in", "in")
		time.Sleep(500 * time.Millisecond) // now it is the upstream
		b.wantStates("open", "in")
		for i := range uploads {
			uploads[i].Answered(TimedOut)
			uploads[i].Sent()
			uploads[i].End()
		}
		plain := NewBalancer(NewPool(), DefaultSettings()) // has no breakers
		a := plain.Begin(plain.Sync(members(1)).upstreams[0])
		a.Sending()
		a.Sent()
		a.Answered(Success)
	})
}
