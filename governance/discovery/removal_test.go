package discovery

// removal_test.go is about instances that are told no more, which may be because
// Consul has lost them.

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/weirproxy/weir/governance/lease"
)

func TestAnEmptySetIsBelievedOnlyAfterAWhile(t *testing.T) {
	run(t, nil, func(t *testing.T, c *consul, w *watched) {
		time.Sleep(time.Minute)
		set := w.Snapshot()
		c.remove("web-0001", "web-0002", "web-0003")
		time.Sleep(29 * time.Second)
		if w.Snapshot() != set {
			t.Fatal("the set changed")
		}
		if s := w.Status(); s.Held != 3 || time.Since(s.EmptySince) != 29*time.Second || s.EmptyDoubted != 1 || s.EmptyBelieved != 0 {
			t.Errorf("the status is %+v, want three held for 29 s", s)
		}
		// when the time is over the source must say so again, which may take a sixteenth longer
		time.Sleep(4 * time.Second)
		w.expect()
		if s := w.Status(); s.Held != 0 || !s.EmptySince.IsZero() || s.EmptyBelieved != 1 {
			t.Errorf("the status is %+v, want nobody held", s)
		}
		if w.log.count("not believed yet") != 1 || w.log.count("there are no instances\"") != 1 || w.log.count("doubt whether there are instances is over") != 1 || len(w.log.all()) != 3 {
			t.Errorf("lines %q", w.log.all())
		}
		c.put(instance(1))
		time.Sleep(2 * time.Second)
		w.expect(instance(1))
	})
}

// A Consul that was wiped has a lower index and no instances, which register again.
func TestDataWiped(t *testing.T) {
	for name, down := range map[string]time.Duration{"restarted at once": 10 * time.Millisecond, "a minute later": time.Minute} {
		t.Run(name, func(t *testing.T) {
			run(t, nil, func(t *testing.T, c *consul, w *watched) {
				time.Sleep(time.Minute)
				c.behave(refuse)
				time.Sleep(down)
				c.wipe()
				c.behave(nil)
				// whenever it is heard of, it is not believed
				for range 25 {
					time.Sleep(time.Second)
					w.expect(instances(1, 3)...)
				}
				if s := w.Status(); down < time.Second && s.EmptySince.IsZero() {
					t.Errorf("the status is %+v, want a doubt", s)
				}
				// one by one they come back, and meanwhile the others stay too
				for n := range 3 {
					c.put(instance(n + 1))
					time.Sleep(500 * time.Millisecond)
					if got := len(w.Snapshot().Instances); got < 2 {
						t.Errorf("%d instances in the set after %d came back, want 2 at least", got, n+1)
					}
				}
				time.Sleep(10 * time.Second)
				w.expect(instances(1, 3)...)
				if s := w.Status(); s.EmptyBelieved != 0 || !s.EmptySince.IsZero() {
					t.Errorf("the status is %+v, want no empty set believed or in doubt", s)
				}
				c.remove("web-0001", "web-0002", "web-0003")
				time.Sleep(25 * time.Second)
				w.expect(instances(1, 3)...) // the next time is as the first
			})
		})
	}
}

// What was told before Consul went away is not what it told all the time.
func TestTheDoubtBeginsAnewAfterTrouble(t *testing.T) {
	run(t, nil, func(t *testing.T, c *consul, w *watched) {
		time.Sleep(time.Minute)
		c.wipe()
		time.Sleep(time.Second)
		for range 5 {
			time.Sleep(20 * time.Second)
			c.behave(refuse)
			time.Sleep(20 * time.Second)
			w.expect(instances(1, 3)...)
			c.behave(nil)
		}
		time.Sleep(mostBack + 34*time.Second)
		w.expect()
		if n := w.log.count("there is no answer"); n < 2 {
			t.Fatalf("there was trouble %d times, want more", n)
		}
		if w.log.count("not believed yet") != 1 || w.log.count("held back") != 0 {
			t.Errorf("lines %q, want one of the doubt, in which trouble is no change", w.log.all())
		}
	})
}

func TestRemovalsAreCapped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newConsul()
		all := instances(1, 100)
		c.put(all...)
		w := watch(t, c, func(s *Settings) { s.MaxRemoval = 0.2 })
		defer w.stop()
		<-w.Ready()
		time.Sleep(time.Minute)
		c.remove(ids(all[:90])...)
		time.Sleep(500 * time.Millisecond)
		began := time.Now()
		// 20 % of what there is, every 10 s; those that stay are told of
		for want := 80; want > 10; want -= max(1, want/5) {
			if got := len(w.Snapshot().Instances); got != want {
				t.Fatalf("after %s there are %d instances, want %d", time.Since(began), got, want)
			}
			if held := w.Status().Held; held != want-10 {
				t.Errorf("%d are held, want %d", held, want-10)
			}
			for _, i := range all[90:] {
				if !slices.Contains(w.Snapshot().Instances, i) {
					t.Errorf("%s is gone, which was never missing", i.ID)
				}
			}
			time.Sleep(10*time.Second + 10*time.Second/16)
			if want-max(1, want/5) < 10 {
				break
			}
		}
		time.Sleep(time.Minute)
		w.expect(all[90:]...)
		if s := w.Status(); s.Held != 0 || s.HeldTotal != 70 {
			t.Errorf("the status is %+v, want 70 that were held", s)
		}
		if w.log.count("held back") != 2 || len(w.log.all()) != 2 {
			t.Errorf("lines %q, want one when it began and one when it ended", w.log.all())
		}
	})
}

// Who was held and comes back is as if it never went.
func TestTheHeldComeBack(t *testing.T) {
	run(t, nil, func(t *testing.T, c *consul, w *watched) {
		time.Sleep(time.Minute)
		c.remove("web-0001", "web-0002")
		time.Sleep(time.Second)
		w.expect(instances(2, 2)...) // half of three is one
		c.put(instance(2))
		time.Sleep(2 * time.Second)
		w.expect(instances(2, 2)...)
		if s := w.Status(); s.Held != 0 {
			t.Errorf("the status is %+v, want nobody held", s)
		}
	})
}

// One of two may go again and again, though that makes more than two in the interval.
func TestWithoutACapNobodyIsHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newConsul()
		c.put(instances(1, 2)...)
		w := watch(t, c, func(s *Settings) { s.MaxRemoval, s.RemovalInterval = 1, time.Hour })
		defer w.stop()
		<-w.Ready()
		for range 5 {
			c.remove("web-0001")
			time.Sleep(2 * time.Second)
			w.expect(instance(2))
			c.put(instance(1))
			time.Sleep(2 * time.Second)
			w.expect(instances(1, 2)...)
		}
		if s := w.Status(); s.HeldTotal != 0 {
			t.Errorf("%d were held", s.HeldTotal)
		}
	})
}

func TestWhoIsHeldLongestGoesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newConsul()
		c.put(instances(1, 10)...)
		w := watch(t, c, func(s *Settings) { s.MaxRemoval = 0.1 })
		defer w.stop()
		<-w.Ready()
		c.remove("web-0007", "web-0008", "web-0009")
		time.Sleep(3 * time.Second)
		c.remove("web-0001", "web-0002")
		time.Sleep(2 * time.Second)
		gone := []string{"web-0007"}
		for _, next := range []string{"web-0008", "web-0009", "web-0001", "web-0002"} {
			var want []lease.Instance
			for _, i := range instances(1, 10) {
				if !slices.Contains(gone, i.ID) {
					want = append(want, i)
				}
			}
			w.expect(want...)
			gone = append(gone, next)
			time.Sleep(11 * time.Second)
		}
	})
}

func TestAnotherInstanceAtTheAddressIsNoRemoval(t *testing.T) {
	run(t, nil, func(t *testing.T, c *consul, w *watched) {
		again := instances(1, 3)
		c.change(func() {
			clear(c.pairs)
			for n := range again {
				again[n].ID = fmt.Sprint("again-", n)
				c.pairs[web+again[n].ID] = &api.KVPair{Key: web + again[n].ID, Value: []byte(jsonOf(again[n])), Session: "s"}
			}
		})
		time.Sleep(time.Second)
		w.expect(again...)
		if s := w.Status(); s.HeldTotal != 0 {
			t.Errorf("the status is %+v, want nobody held", s)
		}
	})
}

// Who says itself that it is something else now is not in the way of a cap.
func TestAnotherStageOrAddressCountsAtOnce(t *testing.T) {
	run(t, func(s *Settings) { s.Stage = "stable" }, func(t *testing.T, c *consul, w *watched) {
		time.Sleep(time.Minute)
		changed := instances(1, 3)
		for i := range changed {
			changed[i].Stage = "canary"
		}
		c.put(changed[:2]...)
		time.Sleep(time.Second)
		w.expect(instance(3))
		c.put(changed...)
		time.Sleep(2 * time.Second)
		w.expect()
		if s := w.Status(); s.EmptyDoubted != 0 || s.HeldTotal != 0 {
			t.Errorf("the status is %+v, want no doubt", s)
		}
		c.put(instances(1, 3)...)
		time.Sleep(2 * time.Second)
		moved := instances(1, 3)
		for i := range moved {
			moved[i].Port = 9090
		}
		c.put(moved...)
		time.Sleep(2 * time.Second)
		w.expect(moved...)
		if got := w.Snapshot().Instances; !slices.Equal(got, moved) {
			t.Errorf("the instances are %+v, want those at the new port", got)
		}
	})
}
