package lease

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestRelease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeConsul()
		h := registered(t, c, func(s *Settings) { s.Drain = 25 * time.Second }) // beyond a TTL
		time.Sleep(time.Second)                                                 // too early for an update
		h.update(t, func(i *Instance) { i.Version = "2" })
		result, start := make(chan error, 2), time.Now()
		go func() { result <- h.Release(t.Context()) }()
		synctest.Wait()
		if i := c.instances(t)[testKey]; !i.Draining || i.Weight != 1 || i.Version != "2" {
			t.Errorf("at first %+v is there", i)
		}
		if s := h.State(); s.Phase != Draining || !s.Instance.Draining {
			t.Errorf("the state is %+v", s)
		}
		h.update(t, func(i *Instance) { i.Draining = false; i.Weight = 2 }) // cannot take it back
		go func() { result <- h.Release(t.Context()) }()
		time.Sleep(25*time.Second - time.Millisecond)
		if i := c.instances(t)[testKey]; !i.Draining || i.Weight != 2 {
			t.Errorf("before the end of draining %+v is there", i)
		}
		for range 2 {
			if err := <-result; err != nil {
				t.Error(err)
			}
		}
		if took := time.Since(start); took != 25*time.Second {
			t.Errorf("it took %s", took)
		}
		if len(c.allKeys()) != 0 || len(c.allSessions()) != 0 {
			t.Errorf("what is left are keys %v and sessions %v", c.allKeys(), c.allSessions())
		}
		if s := h.State(); s.Phase != Released || s.Session != "" || s.Error != "" || len(s.Losses) != 0 {
			t.Errorf("the state is %+v", s)
		}
		sent := c.requests()
		if err := h.Release(t.Context()); err != nil {
			t.Error(err)
		}
		h.update(t, func(i *Instance) { i.Weight = 3 })
		time.Sleep(time.Hour)
		if c.requests() != sent {
			t.Error("after its end the lease asks on")
		}
	})
}

func TestReleaseWithoutWaiting(t *testing.T) {
	for name, prepare := range map[string]func(*testing.T, *fakeConsul) *held{
		"no drain": func(t *testing.T, c *fakeConsul) *held {
			return registered(t, c, func(s *Settings) { s.Drain = -1 })
		},
		"not connected": func(t *testing.T, c *fakeConsul) *held {
			c.fault = refusing
			h := hold(t, c, nil)
			time.Sleep(time.Minute)
			return h
		},
		"not registered": func(t *testing.T, c *fakeConsul) *held {
			c.other("1ms")
			h := hold(t, c, nil)
			time.Sleep(25 * time.Second) // the other's session is over
			c.other("1ms")
			time.Sleep(time.Second)
			return h
		},
		"session gone": func(t *testing.T, c *fakeConsul) *held {
			h := registered(t, c, func(s *Settings) { s.Drain = -1 })
			c.wipe()
			return h
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newFakeConsul()
				h, start := prepare(t, c), time.Now()
				if err := h.Release(t.Context()); err != nil {
					t.Error(err)
				}
				if took := time.Since(start); took != 0 {
					t.Errorf("it took %s", took)
				}
				for key, pair := range c.allKeys() {
					if !strings.Contains(string(pair.Value), "other") {
						t.Errorf("%s is left", key)
					}
				}
				if h.State().Phase != Released {
					t.Errorf("the state is %+v", h.State())
				}
			})
		})
	}
}

// A key that its session left is deleted, unless somebody else has it by then.
func TestReleaseDeletesTheKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeConsul()
		h := registered(t, c, nil)
		c.locked(func() { c.keepsKeys = true })
		if err := h.Release(t.Context()); err != nil {
			t.Error(err)
		}
		if len(c.allKeys()) != 0 {
			t.Errorf("the keys %v are left", c.allKeys())
		}
	})
	// also when something happens to it meanwhile
	synctest.Test(t, func(t *testing.T) {
		c := newFakeConsul()
		h := registered(t, c, nil)
		c.locked(func() { c.keepsKeys = true })
		once := true
		c.setFault(func(r *http.Request) (*http.Response, error) {
			if r.Method == http.MethodDelete && once {
				once = false
				c.locked(func() { c.put(testKey, "", c.keys[testKey].Value) })
			}
			return nil, nil
		})
		if err := h.Release(t.Context()); err != nil || len(c.allKeys()) != 0 {
			t.Errorf("releasing: %v; the keys %v are left", err, c.allKeys())
		}
	})
	for _, value := range []string{"junk", `{"id":"b","address":"10.0.0.1","port":1}`} {
		synctest.Test(t, func(t *testing.T) {
			c := newFakeConsul()
			h := registered(t, c, func(s *Settings) { s.Drain = -1 })
			c.setFault(func(r *http.Request) (*http.Response, error) {
				if strings.HasPrefix(r.URL.Path, "/v1/session/destroy/") {
					c.locked(func() { c.put(testKey+"/x", "", nil); c.put(testKey, "", []byte(value)) })
				}
				return nil, nil
			})
			if err := h.Release(t.Context()); err != nil || c.allKeys()[testKey] == nil {
				t.Errorf("releasing: %v; of another's keys are left %v", err, c.allKeys())
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		c := newFakeConsul()
		h := registered(t, c, func(s *Settings) { s.Drain = -1 })
		c.locked(func() { c.keepsKeys = true })
		c.setFault(func(r *http.Request) (*http.Response, error) {
			if r.Method == http.MethodDelete && c.allKeys()[testKey].Session == "" {
				c.other("1ms") // a successor is faster
			}
			return nil, nil
		})
		if err := h.Release(t.Context()); err != nil || c.allKeys()[testKey] == nil {
			t.Errorf("releasing: %v; of the successor's keys are left %v", err, c.allKeys())
		}
	})
}

func TestReleaseWhenConsulIsGone(t *testing.T) {
	for _, fault := range []func(*http.Request) (*http.Response, error){refusing, hanging, answering(500, "No cluster leader")} {
		synctest.Test(t, func(t *testing.T) {
			c := newFakeConsul()
			h := registered(t, c, nil)
			c.setFault(fault)
			start := time.Now()
			err := h.Release(t.Context())
			if err == nil || !strings.Contains(err.Error(), "ends by itself within 20s") {
				t.Errorf("the error is %v", err)
			}
			// the drain, a TTL, and a request that hangs at its beginning
			if took := time.Since(start); took < 10*time.Second || took > 20*time.Second {
				t.Errorf("it took %s", took)
			}
			if s := h.State(); s.Phase != Released || s.Error == "" {
				t.Errorf("the state is %+v", s)
			}
			all := strings.TrimSpace(h.logged.text())
			if last := all[strings.LastIndex(all, "\n")+1:]; !strings.Contains(last, `"level":"WARN","msg":"the lease is released"`) || !strings.Contains(last, "ends by itself") {
				t.Errorf("the last line is %s", last)
			}
		})
	}
	// it is back in time
	synctest.Test(t, func(t *testing.T) {
		c := newFakeConsul()
		h := registered(t, c, nil)
		c.setFault(refusing)
		time.AfterFunc(9*time.Second, func() { c.setFault(nil) })
		start := time.Now()
		if err := h.Release(t.Context()); err != nil || len(c.allKeys()) != 0 {
			t.Errorf("releasing: %v; the keys are %v", err, c.allKeys())
		}
		if took := time.Since(start); took > 11*time.Second {
			t.Errorf("it took %s", took)
		}
	})
}

func TestCtxBoundsRelease(t *testing.T) {
	// its last second is for destroying the session
	synctest.Test(t, func(t *testing.T) {
		c := newFakeConsul()
		h := registered(t, c, func(s *Settings) { s.Drain = time.Hour })
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		start := time.Now()
		if err := h.Release(ctx); err != nil || len(c.allKeys()) != 0 {
			t.Errorf("releasing: %v; the keys are %v", err, c.allKeys())
		}
		if took := time.Since(start); took != 4*time.Second {
			t.Errorf("it took %s", took)
		}
	})
	// an end without a deadline is not foreseen, and the session is destroyed all the same
	synctest.Test(t, func(t *testing.T) {
		c := newFakeConsul()
		h := registered(t, c, func(s *Settings) { s.Drain = time.Hour })
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(3*time.Second, cancel)
		start := time.Now()
		if err := h.Release(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("releasing: %v", err)
		}
		if took := time.Since(start); took != 3*time.Second {
			t.Errorf("it took %s", took)
		}
		synctest.Wait()
		if len(c.allKeys()) != 0 || h.State().Phase != Released {
			t.Errorf("the keys are %v, the state is %+v", c.allKeys(), h.State())
		}
	})
	// nor does anything hang with Consul
	synctest.Test(t, func(t *testing.T) {
		c := newFakeConsul()
		h := registered(t, c, nil)
		c.setFault(hanging)
		time.AfterFunc(6900*time.Millisecond, func() { c.setFault(nil) })
		ctx, cancel := context.WithTimeout(t.Context(), 7*time.Second)
		defer cancel()
		start := time.Now()
		if err := h.Release(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("releasing: %v", err)
		}
		if took := time.Since(start); took != 7*time.Second {
			t.Errorf("it took %s", took)
		}
		synctest.Wait()
		if h.State().Phase != Released || len(c.allKeys()) != 0 {
			t.Errorf("the last attempt leaves the keys %v and the state %+v", c.allKeys(), h.State())
		}
	})
	// a second call's ctx ends its own wait alone
	synctest.Test(t, func(t *testing.T) {
		c := newFakeConsul()
		h := registered(t, c, nil)
		first := make(chan error)
		go func() { first <- h.Release(t.Context()) }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := h.Release(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the second: %v", err)
		}
		synctest.Wait()
		if h.State().Phase != Draining {
			t.Errorf("the state is %+v", h.State())
		}
		if err := <-first; err != nil {
			t.Errorf("the first: %v", err)
		}
	})
}

// While it drains the lease is kept like any other.
func TestLossWhileDraining(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeConsul()
		h := registered(t, c, func(s *Settings) { s.Drain = time.Minute })
		result := make(chan error)
		go func() { result <- h.Release(t.Context()) }()
		time.Sleep(20 * time.Second)
		c.locked(func() { c.invalidate(c.keys[testKey].Session) })
		time.Sleep(2 * time.Second)
		if i := c.instances(t)[testKey]; !i.Draining {
			t.Errorf("%+v is there", i)
		}
		if s := h.State(); s.Phase != Draining || s.Losses[SessionGone] != 1 || s.Registrations != 2 {
			t.Errorf("the state is %+v", s)
		}
		if err := <-result; err != nil || len(c.allKeys()) != 0 {
			t.Errorf("releasing: %v; the keys are %v", err, c.allKeys())
		}
	})
}

// Who gives a lease up and waits for that by Release does not have it drained, whatever
// is at work meanwhile.
func TestReleaseOfWhatIsGivenUp(t *testing.T) {
	for range 20 { // which of the two is seen first is chance
		synctest.Test(t, func(t *testing.T) {
			c := newFakeConsul()
			h := registered(t, c, nil)
			c.setFault(func(r *http.Request) (*http.Response, error) {
				if strings.HasPrefix(r.URL.Path, "/v1/session/renew/") {
					time.Sleep(time.Second)
				}
				return nil, nil
			})
			time.Sleep(time.Until(h.State().Renewed.Add(4 * time.Second))) // in the midst of the first renewal
			h.cancel()
			if err := h.Release(t.Context()); err != nil || len(c.allKeys()) != 0 || c.count("PUT", "/v1/kv/") != 1 {
				t.Errorf("there are %v, written %d times: %v", c.allKeys(), c.count("PUT", "/v1/kv/"), err)
			}
			if got := h.logged.messages(t); !slices.Equal(got, []string{"the lease is registered", "the lease is released"}) {
				t.Errorf("logged is %q", got)
			}
		})
	}
}
