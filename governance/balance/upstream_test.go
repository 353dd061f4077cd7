package balance

import (
	"testing"
	"testing/synctest"
	"time"
)

// An upstream that hangs until each client gives up is tried all the time: it must
// not get its share back as if it were idle.
func TestCanceledAttemptsKeepTheRateFromDrifting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := DefaultSettings()
		s.EjectAfter = 0
		b := newBench(t, s, members(1, 1)...)
		for range 30 {
			b.try(0, TimedOut)
		}
		before := b.upstream(0).SuccessRate
		for n := range 300 {
			time.Sleep(time.Second)
			b.try(0, []Outcome{Canceled, ClientFault}[n%2])
		}
		if rate := b.upstream(0).SuccessRate; rate != before {
			t.Errorf("after 300 attempts that say nothing, one a second, its rate is %.3f, want %.3f as before", rate, before)
		}
		// what drifted before such an attempt stays
		time.Sleep(60 * time.Second)
		drifted := b.upstream(0).SuccessRate
		b.try(0, Canceled)
		if rate := b.upstream(0).SuccessRate; rate != drifted || drifted < before+0.4 {
			t.Errorf("its rate drifted to %.3f and is %.3f after an attempt that says nothing", drifted, rate)
		}
	})
}

// One that hangs until clients give up was tried, too: when nobody is known to be
// well, the others must have their turn.
func TestHangingUpstreamIsNotSoughtForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, DefaultSettings(), members(1, 1, 1)...)
		for i := range 3 {
			b.try(i, Refused)
			time.Sleep(time.Millisecond)
		}
		var sought []int
		for range 6 {
			i := b.pick()
			sought = append(sought, i)
			b.try(i, []Outcome{Canceled, Refused, Refused}[i])
			time.Sleep(time.Millisecond)
			b.table.seekRecovered()
		}
		for n, i := range sought {
			if i != n%3 {
				t.Fatalf("sought %v, want each in turn", sought)
			}
		}
	})
}

func TestAttemptsOfAnOldInstanceAreNotTheNewOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		instances := func(a string) []Member {
			return []Member{{Address: "a", Weight: 1, Instance: a}, {Address: "b", Weight: 1, Instance: "1"}}
		}
		b := newBench(t, DefaultSettings(), instances("1")...)
		var old []Attempt
		for range 6 {
			old = append(old, b.balancer.Begin(b.table.upstreams[0]))
		}
		streaming := b.balancer.Begin(b.table.upstreams[0])
		streaming.Answered(Success)
		time.Sleep(time.Second)
		b.table = b.balancer.Sync(instances("2"))
		time.Sleep(time.Second)
		for i := range old {
			old[i].Answered(Refused)
			old[i].End()
		}
		streaming.Truncated()
		streaming.End()
		u := b.upstream(0)
		if u.State != "in" || u.SuccessRate != 1 || u.FailuresInARow != 0 {
			t.Errorf("the new instance is %s with rate %v after %d failures in a row, want in with 1 after none", u.State, u.SuccessRate, u.FailuresInARow)
		}
		if u.Attempts["refused"] != 6 || u.Truncated != 1 || u.InFlight != 0 {
			t.Errorf("counted are %v, %d truncated, %d in flight; want 6 refused, 1 and 0", u.Attempts, u.Truncated, u.InFlight)
		}
		// nor does an old answer say that the new instance is well
		late := b.balancer.Begin(b.table.upstreams[0])
		time.Sleep(time.Second)
		b.table = b.balancer.Sync(instances("3"))
		b.try(0, FailedStatus)
		late.Answered(Success)
		if u := b.upstream(0); u.SuccessRate != 0.9 || u.FailuresInARow != 1 {
			t.Errorf("rate is %v after %d failures in a row, want 0.9 after 1", u.SuccessRate, u.FailuresInARow)
		}
	})
}
