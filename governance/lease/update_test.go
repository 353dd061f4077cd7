package lease

import (
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// update changes the instance and fails if that is refused.
func (h *held) update(t testing.TB, change func(*Instance)) {
	t.Helper()
	if err := h.Update(change); err != nil {
		t.Error(err)
	}
}

func TestUpdatesAreWrittenEverySoOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeConsul()
		h := registered(t, c, nil)
		time.Sleep(time.Minute)
		h.update(t, func(i *Instance) { i.Weight = 0.5 })
		synctest.Wait()
		if got := c.instances(t)[testKey].Weight; got != 0.5 {
			t.Errorf("after a quiet minute the weight %v is there, not the change", got)
		}
		before := c.count("PUT", "/v1/kv/")
		for n := range 600 { // a minute
			h.update(t, func(i *Instance) { i.Weight = 1 + float64(n%7); i.Load = float64(n * n) })
			time.Sleep(100 * time.Millisecond)
		}
		if writes := c.count("PUT", "/v1/kv/") - before; writes < 11 || writes > 13 {
			t.Errorf("%d writes in a minute", writes)
		}
		time.Sleep(5 * time.Second)
		if got := c.instances(t)[testKey]; got.Weight != 1+float64(599%7) || got.Load != 599*599 {
			t.Errorf("in the end %+v is there", got)
		}
		before = c.count("PUT", "/v1/kv/")
		time.Sleep(time.Minute)
		if writes := c.count("PUT", "/v1/kv/") - before; writes != 0 {
			t.Errorf("%d writes without a change", writes)
		}
		h.isRegistered(t)
	})
}

func TestSmallChangesAddUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeConsul()
		h := registered(t, c, nil)
		for n := range 10 {
			time.Sleep(10 * time.Second)
			h.update(t, func(i *Instance) { i.Weight = 1 + float64(n+1)*0.012 })
		}
		synctest.Wait()
		if writes := c.count("PUT", "/v1/kv/"); writes != 2 {
			t.Errorf("%d writes", writes)
		}
		if got := c.instances(t)[testKey].Weight; got < 1.1 || got > 1.12 {
			t.Errorf("the weight is %v", got)
		}
		// a change that is taken back before its time is none
		h.update(t, func(i *Instance) { i.Weight = 1.108; i.Zone = "x" })
		time.Sleep(time.Second)
		h.update(t, func(i *Instance) { i.Zone = "y" })
		time.Sleep(time.Second)
		h.update(t, func(i *Instance) { i.Zone = "x" })
		time.Sleep(time.Minute)
		if writes := c.count("PUT", "/v1/kv/"); writes != 3 {
			t.Errorf("%d writes", writes)
		}
	})
}

func TestUpdateRefusesNonsense(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeConsul()
		h := registered(t, c, nil)
		before := h.State().Instance
		for fault, change := range map[string]func(*Instance){
			"id":     func(i *Instance) { i.ID = "b" },
			"weight": func(i *Instance) { i.Weight = -1 },
			"port":   func(i *Instance) { i.Port = 0 },
		} {
			if err := h.Update(change); err == nil || !strings.Contains(err.Error(), fault) {
				t.Errorf("%s: %v", fault, err)
			}
		}
		time.Sleep(time.Minute)
		if after := h.State().Instance; after != before || c.count("PUT", "/v1/kv/") != 1 {
			t.Errorf("%+v became %+v", before, after)
		}
	})
}

// While nobody is there to write to, updates ask no more often than anything else.
func TestUpdatesDuringTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeConsul()
		h := registered(t, c, nil)
		time.Sleep(time.Minute)
		c.setFault(refusing)
		before := c.requests()
		for n := range 6000 {
			h.update(t, func(i *Instance) { i.Weight = float64(1 + n) })
			time.Sleep(10 * time.Millisecond)
		}
		if sent := c.requests() - before; sent > 250 {
			t.Errorf("%d requests in a minute", sent)
		}
		c.setFault(nil)
		time.Sleep(2 * time.Second)
		h.isRegistered(t)
		if got := c.instances(t)[testKey].Weight; got != 6000 {
			t.Errorf("the weight is %v", got)
		}
	})
}

// A value that somebody else wrote over ours, which a lock does not prevent, is put right.
func TestStrayValueIsPutRight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeConsul()
		h := registered(t, c, nil)
		time.Sleep(time.Minute)
		for _, value := range []string{"junk", `{"id":"a","address":"10.6.6.6","port":1}`} {
			c.locked(func() { c.put(testKey, c.keys[testKey].Session, []byte(value)) })
			time.Sleep(6 * time.Second)
			h.isRegistered(t)
		}
		if s := h.State(); s.Registrations != 1 || len(s.Losses) != 0 || s.Updates != 2 {
			t.Errorf("the state is %+v", s)
		}
		// not without end, should there be two who think so
		before := c.count("PUT", "/v1/kv/")
		for range 600 {
			c.locked(func() { c.put(testKey, c.keys[testKey].Session, []byte("junk")) })
			time.Sleep(100 * time.Millisecond)
		}
		if writes := c.count("PUT", "/v1/kv/") - before; writes > 13 {
			t.Errorf("%d writes in a minute", writes)
		}
	})
}

// For the race detector, and for what comes of it.
func TestConcurrentUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeConsul()
		h := registered(t, c, nil)
		var all sync.WaitGroup
		for n := range 8 {
			all.Go(func() {
				for range 100 {
					h.update(t, func(i *Instance) { i.Load++ })
					h.State()
					if n == 0 {
						time.Sleep(time.Second)
					}
				}
			})
		}
		all.Wait()
		if got := h.State().Instance.Load; got != 800 {
			t.Errorf("of 800 updates %v are there", got)
		}
		for range 8 {
			all.Go(func() {
				if err := h.Release(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
	})
}
