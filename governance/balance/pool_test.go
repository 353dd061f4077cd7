package balance

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// Who is carried over says nothing about its instance: what a balancer without
// requests remembers of it may be old.
func TestAbsentMemberIsNoRestart(t *testing.T) {
	s := DefaultSettings()
	s.SlowStart = 30 * time.Second
	told := func(address, instance string, since time.Time) Member {
		return Member{Address: address, Weight: 1, Instance: instance, Since: since, Advertised: true}
	}
	for name, learn := range map[string]func(idle *Balancer){
		"learns of a newcomer": func(idle *Balancer) { idle.Learn([]Member{told("b", "1", time.Time{}), told("c", "1", time.Time{})}) },
		"adopts what the other carried over": func(idle *Balancer) {
			idle.Learn([]Member{told("b", "1", time.Time{})}) // its table stays as it is
			NewBalancer(idle.pool, s).Adopt()
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			b := newBench(t, s)
			idle := NewBalancer(b.pool, s)
			first := []Member{told("a", "1", began), told("b", "1", time.Time{})}
			b.balancer.Learn(first)
			idle.Learn(first)
			time.Sleep(2 * time.Second)
			restarted := time.Now()
			second := []Member{told("a", "2", restarted), told("b", "1", time.Time{})}
			b.balancer.Learn(second)
			for range 60 {
				time.Sleep(time.Second)
				b.balancer.Learn(second)
			}
			b.balancer.try(0, FailedStatus)
			learn(idle)
			b.balancer.Learn(append(second, told("c", "1", time.Time{})))
			u := b.upstream(0)
			if u.Ramp != 1 || u.SuccessRate != 0.9 {
				t.Errorf("%s: ramp is %v and rate %v, want 1 and 0.9: it did not restart", name, u.Ramp, u.SuccessRate)
			}
		})
	}
}

func (b *Balancer) try(i int, o Outcome) {
	a := b.Begin(b.Table().upstreams[i])
	a.Answered(o)
	a.End()
}

// A source that names another upstream for each request must fill neither the
// memory nor the table.
func TestPassingUpstreamsAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, DefaultSettings())
		stays := Member{Address: "stays", Weight: 1, Advertised: true}
		passing := func(n int) Member {
			return Member{Address: fmt.Sprintf("h%d:80", n), Weight: 1, Advertised: true}
		}
		const all = mostGone + 300
		for n := range all {
			b.balancer.Learn([]Member{stays, passing(n)})
			time.Sleep(time.Millisecond)
		}
		table := b.balancer.Table()
		if n, most := table.Len(), mostCarried(2)+2; n > most {
			t.Errorf("%d members are in the table, want at most %d", n, most)
		}
		if n, most := len(*b.pool.upstreams.Load()), table.Len()+mostGone+1; n > most {
			t.Errorf("%d histories are kept, want at most %d", n, most)
		}
		if table.Index("stays") != 0 || table.Index(passing(all-1).Address) < 0 || b.pool.Upstream(passing(0).Address) != nil {
			t.Error("those gone longest were not forgotten first")
		}
	})
}

// Weights that a source tells change all the time; the map of histories does not.
func TestKnownMembersLeaveTheHistoriesAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, DefaultSettings(), members(1, 1)...)
		before := b.pool.upstreams.Load()
		b.balancer.Sync(members(1, 2))
		if b.pool.upstreams.Load() != before {
			t.Error("the map of histories was copied though no upstream is new")
		}
		// a history that is too old to go on with is none, also if nothing else came
		u := b.pool.Upstream("a")
		b.balancer.Close()
		time.Sleep(forgetAfter + time.Second)
		NewBalancer(b.pool, DefaultSettings()).Sync(members(1, 2))
		if b.pool.Upstream("a") == u {
			t.Error("a history older than an hour was taken up again")
		}
	})
}
