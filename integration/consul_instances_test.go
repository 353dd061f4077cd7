package integration

// consul_instances_test.go has instances killed under load, and started again.

import (
	"testing"
	"time"

	"github.com/weirproxy/weir/governance/lease"
	"github.com/weirproxy/weir/internal/consulserver"
)

const (
	instanceRate = 100.0 // requests a second
	// goneWithin is when Consul and the gateway must have noticed that an instance was
	// killed: its session ends one to two TTLs after the last renewal.
	goneWithin = 2*lease.DefaultTTL + consulSoon
	// slowStart is that of the gateway, long enough to see that it is one.
	slowStart = 10 * time.Second
)

// killed is an instance of three that is killed under load, and started again.
type killed struct {
	*follower
	t         *testing.T
	instances []*instance
	dead      *instance
}

func newKilled(t *testing.T) *killed {
	t.Helper()
	consul := consulserver.Start(t)
	instances := threeInstances(t, consul)
	s := newFollowingSite(t, consul)
	s.Policy = []string{"slow_start " + slowStart.String()}
	k := &killed{follow(t, s), t, instances, instances[1]}
	k.awaitUse(t, consulPatience, addressesOf(instances...)...)
	return k
}

// share is the part of the requests that the instance is given in the next while. Those that
// are under way count, too: whoever is slow to answer is given as many.
func (k *killed) share(lasts time.Duration) float64 {
	k.t.Helper()
	given := func() (all, dead uint64) {
		for _, u := range k.Pool("shop").Upstreams {
			n := u.Attempts["success"] + uint64(u.InFlight)
			all += n
			if u.Address == k.dead.Address {
				dead = n
			}
		}
		return all, dead
	}
	all, dead := given()
	time.Sleep(lasts) // of load that is measured
	allThen, deadThen := given()
	return float64(deadThen-dead) / float64(allThen-all)
}

// awaitEjected waits for the ejection and returns how the attempts ended that it took.
func (k *killed) awaitEjected(since time.Time) (ended map[string]uint64) {
	k.t.Helper()
	var u *Upstream
	if !Eventually(consulPatience, func() bool {
		u = k.Upstream("shop", k.dead.Address)
		return u.State == "ejected"
	}) {
		k.t.Fatalf("the killed instance is not ejected: %+v", u)
	}
	k.t.Logf("ejected at most %v after the kill: %v", time.Since(since).Round(time.Millisecond), u.Attempts)
	return u.Attempts
}

// ejectAfter is how many failures in a row eject, by default.
const ejectAfter = 5

// check wants no request of the load to have failed, and one refused connection to have been
// enough. What was under way when the process died is broken, not refused, which ejects too if
// it was much, as on a busy machine. Others may be made before the first one is refused, at most
// as many as there were requests at once.
func (k *killed) check(what string, load *Result, ended map[string]uint64) {
	k.t.Helper()
	wantNoFailure(k.t, what, load)
	refused, most := ended["refused"], max(2, load.UnderWay)
	if refused < 1 && ended["broken"] < ejectAfter || refused > uint64(most) {
		k.t.Errorf("it is ejected after %v, want one refused connection, and at most %d", ended, most)
	}
}

// wantSlowStart wants an instance that is used again to get few requests at first, and its
// full share when slow start is over, not before. It began again between two times.
func (k *killed) wantSlowStart(after, before time.Time) {
	k.t.Helper()
	const third = 1 / 3.0
	share := k.share(2 * time.Second)
	// slow start began with the process: on a busy machine some of it is over
	ramp := min(1, 0.1+0.9*time.Since(after).Seconds()/slowStart.Seconds())
	most := ramp/(ramp+2) + 0.02
	k.t.Logf("in the first two seconds of slow start it has %.1f %% of the requests, of %.1f %% at most", 100*share, 100*most)
	if share > most || share == 0 {
		k.t.Errorf("at first it has %.1f %% of the requests, want some, and %.1f %% at most", 100*share, 100*most)
	}
	isFull := func() bool { return k.Upstream("shop", k.dead.Address).Share > 0.99*third }
	if !Eventually(2*slowStart, isFull) {
		k.t.Fatalf("it never has its full share: %+v", k.Upstream("shop", k.dead.Address))
	}
	k.t.Logf("at its full share %v after it was used again", time.Since(before).Round(10*time.Millisecond))
	// 99 % of its share are 98.5 % of its weight; a late look must not fail the test
	if since := time.Since(after); since < slowStart*98/100 {
		k.t.Errorf("at its full share %v after its start", since)
	}
	if since := time.Since(before); since > slowStart+consulSoon {
		k.t.Errorf("at its full share %v after it was used again", since)
	}
	// picks are smooth: what is left of chance is where the time begins and ends
	if share = k.share(3 * time.Second); share < 0.9*third || share > 1.1*third {
		k.t.Errorf("after slow start it has %.1f %% of the requests", 100*share)
	} else {
		k.t.Logf("after slow start it has %.1f %% of the requests", 100*share)
	}
}

// A crash: requests go elsewhere at once, and the lease ends by itself.
func TestConsulAnInstanceThatIsKilledAndStartedLater(t *testing.T) {
	t.Parallel()
	k := newKilled(t)
	stop := sustain(t, k.site.URL(), instanceRate)
	time.Sleep(time.Second) // of load before the kill, with connections to all
	began := time.Now()
	k.dead.Kill()
	ended := k.awaitEjected(began)
	k.awaitUse(t, goneWithin, k.instances[0].Address, k.instances[2].Address)
	gone := time.Since(began)
	t.Logf("gone %.1f s after the kill", gone.Seconds())
	if gone > goneWithin {
		t.Errorf("the killed instance is gone after %v, not %v", gone, goneWithin)
	}

	started := time.Now()
	k.dead.StartAgain()
	k.awaitUse(t, consulSoon, addressesOf(k.instances...)...)
	k.wantSlowStart(started, time.Now())
	k.check("an instance is killed and started later", stop(), ended)
}

// A crash with a supervisor that starts the process again at once: its old lease is still
// there, and tells of the same address.
func TestConsulAnInstanceThatIsKilledAndStartedAtOnce(t *testing.T) {
	t.Parallel()
	k := newKilled(t)
	stop := sustain(t, k.site.URL(), instanceRate)
	time.Sleep(slowStart) // of load before the kill, so that only what starts again is new
	began := time.Now()
	k.dead.Kill()
	ended := k.awaitEjected(began)
	started := time.Now()
	k.dead.StartAgain()
	id := k.idOf(k.dead)
	if !Eventually(consulSoon, func() bool { return k.follows(id) }) {
		t.Fatalf("the gateway does not follow %s", id)
	}
	back := time.Now()
	if f, err := k.followed(); err != nil || f.Superseded != 1 || f.Used != 3 {
		t.Errorf("with two leases for one address the gateway has %+v, %v", f, err)
	}
	k.wantSlowStart(started, back)
	// the end of the old lease changes nothing
	if !Eventually(time.Until(began.Add(goneWithin)), func() bool {
		f, err := k.followed()
		return err == nil && f.Superseded == 0
	}) {
		t.Errorf("the lease of before is there %v after the kill", time.Since(began))
	}
	t.Logf("the lease of before ended %.1f s after the kill", time.Since(began).Seconds())
	if u := k.Upstream("shop", k.dead.Address); !k.follows(id) || u.State != "in" || u.Share < 0.3 {
		t.Errorf("when the lease of before has ended: %+v", u)
	}
	k.check("an instance is killed and started at once", stop(), ended)
}

// idOf is the id by which an instance registers itself.
func (k *killed) idOf(i *instance) string {
	k.t.Helper()
	i.awaitRegistered(k.t)
	r, err := i.registration()
	if err != nil {
		k.t.Fatal(err)
	}
	return r.Instance.ID
}

// follows reports whether the gateway sends requests to the instance with an id.
func (k *killed) follows(id string) bool {
	f, _ := k.followed()
	for _, m := range f.Members {
		if m.ID == id && m.Unused == "" {
			return true
		}
	}
	return false
}
