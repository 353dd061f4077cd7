package lease

// reads_test.go holds what a lease must not conclude from reads, and what it must without.

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// After an error nothing is known about the index any more: a Consul whose data went back
// would keep that of before waiting.
func TestReadsFromTheStartAfterAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeConsul()
		h := registered(t, c, nil)
		time.Sleep(10 * time.Second)
		c.setFault(func(r *http.Request) (*http.Response, error) {
			if r.Method == http.MethodGet {
				return refusing(r)
			}
			return nil, nil
		})
		c.locked(func() { delete(c.keys, testKey); c.index = 1 })
		time.Sleep(10 * time.Second)
		c.setFault(nil)
		time.Sleep(2 * time.Second)
		h.isRegistered(t)
	})
}

// A read whose answer never comes does not hide what happened meanwhile.
func TestReadsAnewWhenRenewalsSucceedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeConsul()
		h := registered(t, c, nil)
		c.setFault(func(r *http.Request) (*http.Response, error) {
			if r.Method == http.MethodGet {
				return hanging(r)
			}
			return refusing(r)
		})
		time.Sleep(9 * time.Second) // the read is repeated once, and hangs from then on
		c.locked(func() { delete(c.keys, testKey); c.bump(); c.fault = nil })
		time.Sleep(2 * time.Second)
		h.isRegistered(t)
	})
}

// The session is gone too, as renewals have not been able to tell yet.
func TestReadSucceedsBeforeRenewals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeConsul()
		h := registered(t, c, nil)
		c.setFault(refusing)
		time.Sleep(time.Minute)
		var mended time.Time
		c.setFault(func(r *http.Request) (*http.Response, error) {
			if r.Method == http.MethodGet && mended.IsZero() {
				mended = time.Now()
			} else if mended.IsZero() {
				return refusing(r)
			}
			return nil, nil
		})
		time.Sleep(5 * time.Second)
		h.isRegistered(t)
		if took := h.State().Since.Sub(mended); took != 0 {
			t.Errorf("it is registered %s after the first read that succeeded", took)
		}
	})
}

// Many changes before, which reads are slowed down for, do not delay a registration.
func TestSessionEndsAfterManyReads(t *testing.T) {
	for changes := range 10 {
		synctest.Test(t, func(t *testing.T) {
			c := newFakeConsul()
			h := registered(t, c, nil)
			for range 100 + changes {
				time.Sleep(99 * time.Millisecond)
				c.locked(func() { c.put(testKey, c.keys[testKey].Session, c.keys[testKey].Value) })
			}
			c.locked(func() { c.invalidate(c.keys[testKey].Session) })
			time.Sleep(time.Second + 100*time.Millisecond)
			h.isRegistered(t)
		})
	}
}

// A read that was answered before a write tells nothing about what is there after it.
func TestAnswersFromBeforeAWriteAreNotBelieved(t *testing.T) {
	for name, happens := range map[string]func(*fakeConsul){
		"other value": func(c *fakeConsul) { c.put(testKey, c.keys[testKey].Session, []byte("junk")) },
		"no key":      func(c *fakeConsul) { delete(c.keys, testKey); c.bump() },
		"no session":  func(c *fakeConsul) { c.put(testKey, "", []byte("junk")) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newFakeConsul()
				h := registered(t, c, nil)
				time.Sleep(10 * time.Second)
				c.setFault(func(r *http.Request) (*http.Response, error) {
					if r.Method == http.MethodPut && r.URL.Path == "/v1/kv/"+testKey {
						c.locked(func() { happens(c) })
						time.Sleep(time.Second) // in which the read is answered
					}
					return nil, nil
				})
				time.Sleep(3 * time.Second)
				h.update(t, func(i *Instance) { i.Version = "2" })
				time.Sleep(time.Minute)
				h.isRegistered(t)
				if s := h.State(); s.Updates != 1 || s.Registrations != 1 || len(s.Losses) != 0 {
					t.Errorf("the state is %+v", s)
				}
			})
		})
	}
}

// A write that failed may have been done, so one that takes it back is none too many.
func TestFailedWriteIsRepeated(t *testing.T) {
	for _, done := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			c := newFakeConsul()
			h := registered(t, c, nil)
			time.Sleep(10 * time.Second)
			isWrite := func(r *http.Request) bool { return r.Method == http.MethodPut && r.URL.Path == "/v1/kv/"+testKey }
			c.locked(func() {
				if done {
					c.lost = isWrite
					return
				}
				c.fault = func(r *http.Request) (*http.Response, error) {
					if isWrite(r) {
						return refusing(r)
					}
					return nil, nil
				}
			})
			h.update(t, func(i *Instance) { i.Weight = 2 })
			synctest.Wait()
			if h.State().Error == "" {
				t.Error("the write did not fail")
			}
			c.locked(func() { c.lost, c.fault = nil, nil })
			h.update(t, func(i *Instance) { i.Weight = 1 })
			time.Sleep(6 * time.Second)
			h.isRegistered(t)
			if got := c.instances(t)[testKey].Weight; got != 1 {
				t.Errorf("the weight is %v", got)
			}
		})
	}
}

// The session ends between being made and its first use.
func TestWriteThatFailsForTheSession(t *testing.T) {
	for range 20 { // the times of renewals are random
		synctest.Test(t, func(t *testing.T) {
			c := newFakeConsul()
			once := true
			c.fault = func(r *http.Request) (*http.Response, error) {
				if r.Method == http.MethodPut && r.URL.Path == "/v1/kv/"+testKey && once {
					once = false
					c.locked(func() {
						for id := range c.sessions {
							c.invalidate(id)
						}
					})
				}
				return nil, nil
			}
			h := hold(t, c, nil)
			time.Sleep(2 * time.Second)
			h.isRegistered(t)
		})
	}
}
