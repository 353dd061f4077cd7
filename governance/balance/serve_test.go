package balance

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirproxy/weir/governance/circuit"
)

// After a reload the new configuration's settings hold, and it is told of changes, from its
// first request on, also for breakers that no attempt goes to.
func TestBreakersFollowWhoServes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var old, told []string
		watch := func(to *[]string) func(string, circuit.Change) {
			return func(address string, c circuit.Change) { *to = append(*to, address+" "+c.To.String()) }
		}
		pool := NewPool()
		before := NewBalancer(pool, guarded())
		before.Watch(watch(&old))
		table := before.Sync(members(1, 1))
		for range 5 {
			a := before.Begin(table.upstreams[0])
			a.Answered(FailedStatus)
		}
		next := NewBalancer(pool, guarded(func(s *circuit.Settings) { s.ProbeTimeout = time.Minute }))
		next.Watch(watch(&told))
		next.Sync(members(1, 1))
		next.Serve()
		before.Close()
		before.Serve() // it is late
		time.Sleep(time.Minute)
		next.Snapshot()
		if !slices.Equal(old, []string{"a open"}) || !slices.Equal(told, []string{"a half_open"}) {
			t.Errorf("the old configuration was told %v, the new one %v", old, told)
		}
		for _, u := range next.Snapshot().Upstreams {
			if got := u.Breaker.Settings.ProbeTimeout; got != 60 {
				t.Errorf("the breaker of %s has a probe_timeout of %v s, want the new one", u.Address, got)
			}
		}
		// so it is for whom other configurations knew, and who joins now
		older := NewBalancer(pool, guarded())
		older.Watch(watch(&old))
		joined := append(members(1, 1), Member{Address: "z", Weight: 1})
		z := older.Sync(joined).upstreams[2]
		a := older.Begin(z)
		a.Answered(Success)
		next.Sync(joined)
		old, told = nil, nil
		pool.Decide("z", Decision{Breaker: &circuit.Decision{Mode: circuit.ForcedOpen}})
		if !slices.Equal(told, []string{"z open"}) || old != nil {
			t.Errorf("of one that joined, the older configuration was told %v, the one that serves %v", old, told)
		}
	})
}

// While two configurations overlap, both can have requests. Whichever met an upstream last,
// the one that serves in the end has it.
func TestBreakersFollowWhoServesLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := NewPool()
		before := NewBalancer(pool, guarded())
		before.Sync(members(1))
		before.Serve()
		next := NewBalancer(pool, guarded(func(s *circuit.Settings) { s.ProbeTimeout = time.Minute }))
		var told []string
		next.Watch(func(address string, c circuit.Change) { told = append(told, address+" "+c.To.String()) })
		joined := append(members(1), Member{Address: "z", Weight: 1})
		next.Sync(joined)
		before.Sync(joined)
		before.Close()
		next.Serve()
		for _, u := range next.Snapshot().Upstreams {
			if got := u.Breaker.Settings.ProbeTimeout; got != 60 {
				t.Errorf("the breaker of %s has a probe_timeout of %v s, want the new one", u.Address, got)
			}
		}
		pool.Decide("z", Decision{Breaker: &circuit.Decision{Mode: circuit.ForcedOpen}})
		if !slices.Equal(told, []string{"z open"}) {
			t.Errorf("the new configuration was told %v", told)
		}
	})
}

// The breaker of an instance that was replaced is nobody's any more: what becomes of
// attempts at it is not told, nor counted for the instance that is there now.
func TestBreakerOfAReplacedInstanceIsNotTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		instance := func(id string) []Member {
			return []Member{{Address: "a", Weight: 1, Instance: id}, {Address: "b", Weight: 1}}
		}
		b := NewBalancer(NewPool(), guarded())
		var told []string
		b.Watch(func(address string, c circuit.Change) { told = append(told, address+" "+c.To.String()) })
		fail := func(attempts []Attempt) {
			time.Sleep(time.Second)
			for i := range attempts {
				attempts[i].Answered(Broken)
				attempts[i].End()
			}
		}
		begin := func(table *Table) (attempts []Attempt) {
			for range 5 {
				attempts = append(attempts, b.Begin(table.upstreams[0]))
			}
			return attempts
		}
		hung := begin(b.Sync(instance("1")))
		table := b.Sync(instance("2"))
		fail(hung)
		time.Sleep(time.Hour)
		if u := b.Snapshot().Upstreams[0]; told != nil || u.BreakerChanges["open"] != 0 || u.Breaker.State != "closed" {
			t.Errorf("told %v, changes %v, the breaker is %s; want nothing of an instance that is gone", told, u.BreakerChanges, u.Breaker.State)
		}
		fail(begin(table))
		if !slices.Equal(told, []string{"a open"}) {
			t.Errorf("of the instance that is there, told %v", told)
		}
	})
}

func TestSettingsAreTheBalancersOwn(t *testing.T) {
	s := guarded()
	b := newBench(t, s, members(1, 1)...)
	s.Breaker.Consecutive = 1
	b.table = b.balancer.Sync(append(members(1, 1), Member{Address: "z", Weight: 1}))
	b.fail(2, 1)
	b.wantStates("in", "in", "in")
}
