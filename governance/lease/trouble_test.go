package lease

// trouble_test.go holds what Consul can do to a lease that exists, and that it comes back.

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// trouble happens to Consul for a minute.
type trouble struct {
	name       string
	begin, end func(*fakeConsul)
	reason     string // for which the registration is lost; empty: it is not
}

func fault(f func(*http.Request) (*http.Response, error)) func(*fakeConsul) {
	return func(c *fakeConsul) { c.setFault(f) }
}

func troubles() []trouble {
	mend := fault(nil)
	wiped := func(c *fakeConsul) { c.wipe(); c.setFault(nil) }
	// while it is down, nothing expires; then the new leader times all anew
	frozen := func(f func(*http.Request) (*http.Response, error)) func(*fakeConsul) {
		return func(c *fakeConsul) {
			c.locked(func() {
				for _, s := range c.sessions {
					s.expire.Stop()
				}
			})
			c.setFault(f)
		}
	}
	elected := func(c *fakeConsul) { c.elect(); c.setFault(nil) }
	return []trouble{
		{"stopped, with its data", frozen(refusing), elected, NotRenewed},
		{"stopped and wiped", frozen(refusing), wiped, NotRenewed},
		{"without a leader", frozen(answering(500, "No cluster leader")), elected, NotRenewed},
		{"hanging", frozen(hanging), elected, NotRenewed},
		{"cut off", fault(hanging), mend, NotRenewed},
		{"too many requests", fault(answering(429, "Your IP is issuing too many concurrent connections")), mend, NotRenewed},
		{"token revoked", fault(answering(403, "Permission denied")), mend, NotRenewed},
		{"garbage", fault(answering(200, "<html>")), mend, NotRenewed},
	}
}

func TestComesBackWithinTwoSeconds(t *testing.T) {
	for _, trouble := range troubles() {
		t.Run(trouble.name, func(t *testing.T) {
			for range 10 { // the delays are random
				synctest.Test(t, func(t *testing.T) { comesBack(t, trouble) })
			}
		})
	}
}

func comesBack(t *testing.T, trouble trouble) {
	c := newFakeConsul()
	h := registered(t, c, nil)
	time.Sleep(time.Minute + rand.N(10*time.Second))
	before := c.requests()
	trouble.begin(c)
	time.Sleep(30 * time.Second)
	synctest.Wait()
	s := h.State()
	if s.Error == "" || s.Failures == 0 || time.Since(s.ErrorSince) < 15*time.Second || s.Phase != Lost {
		t.Errorf("in the middle of it the state is %+v", s)
	}
	time.Sleep(30 * time.Second)
	if sent := c.requests() - before; sent > 180 { // renewals and reads each once in 0.75 s at most
		t.Errorf("a minute of trouble saw %d requests", sent)
	}
	trouble.end(c)
	hang := time.Duration(0) // a request that hangs ends first
	if strings.Contains(s.Error, "no answer") {
		hang = requestTimeout
	}
	time.Sleep(1750*time.Millisecond + hang) // which leaves something for the way to a real Consul
	h.isRegistered(t)
	s = h.State()
	if s.Losses[trouble.reason] != 1 || len(s.Losses) != 1 || s.Registrations != 2 {
		t.Errorf("it was lost for %v and registered %d times", s.Losses, s.Registrations)
	}
	time.Sleep(time.Minute)
	h.isRegistered(t)
	want := []string{
		"the lease is registered", "something goes wrong with the lease", "the lease is lost",
		"the lease is registered", "nothing goes wrong with the lease any more",
	}
	if got := h.logged.messages(t); !slices.Equal(got, want) {
		t.Errorf("logged is %q", got)
	}
}

// A session of before holds its key for a moment longer, and the first attempt to have it
// back fails. That is part of the same trouble.
func TestTroubleLastsUntilTheLeaseIsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeConsul()
		h := registered(t, c, nil)
		time.Sleep(time.Minute)
		c.setFault(refusing)
		time.Sleep(time.Minute)
		refused := 0
		c.setFault(func(r *http.Request) (*http.Response, error) {
			if refused == 0 && r.URL.Query().Has("acquire") {
				refused++
				return response(http.StatusOK, "false"), nil
			}
			return nil, nil
		})
		time.Sleep(3 * time.Second)
		h.isRegistered(t)
		if refused != 1 {
			t.Error("no attempt was refused")
		}
		want := []string{
			"the lease is registered", "something goes wrong with the lease", "the lease is lost",
			"the lease is registered", "nothing goes wrong with the lease any more",
		}
		if got := h.logged.messages(t); !slices.Equal(got, want) {
			t.Errorf("logged is %q", got)
		}
	})
}

// Trouble that ends within a TTL costs nothing.
func TestShortTroubleIsNoLoss(t *testing.T) {
	for _, trouble := range troubles() {
		if trouble.name == "stopped and wiped" || trouble.name == "hanging" || trouble.name == "cut off" {
			continue
		}
		t.Run(trouble.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newFakeConsul()
				h := registered(t, c, nil)
				time.Sleep(time.Minute)
				trouble.begin(c)
				time.Sleep(4500 * time.Millisecond) // 3.7 s may have passed since the last renewal
				trouble.end(c)
				time.Sleep(2 * time.Second)
				h.isRegistered(t)
				if s := h.State(); len(s.Losses) != 0 || s.Registrations != 1 || s.Failures == 0 {
					t.Errorf("the state is %+v", s)
				}
			})
		})
	}
}

func TestLossesAreNoticedAtOnce(t *testing.T) {
	for name, test := range map[string]struct {
		lose   func(*fakeConsul)
		reason string
	}{
		"session destroyed": {func(c *fakeConsul) {
			for id := range c.sessions {
				c.invalidate(id)
			}
		}, SessionGone},
		"session destroyed, key left": {func(c *fakeConsul) {
			c.keepsKeys = true
			for id := range c.sessions {
				c.invalidate(id)
			}
		}, SessionGone},
		"key deleted":  {func(c *fakeConsul) { delete(c.keys, testKey); c.bump() }, KeyGone},
		"key released": {func(c *fakeConsul) { c.put(testKey, "", c.keys[testKey].Value) }, KeyGone},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newFakeConsul()
				h := registered(t, c, nil)
				for n := 1; n <= 5; n++ {
					time.Sleep(10*time.Second + rand.N(time.Minute))
					c.locked(func() { test.lose(c) })
					time.Sleep(2 * time.Second)
					h.isRegistered(t)
					if s := h.State(); s.Losses[test.reason] != uint64(n) || len(s.Losses) != 1 || s.Registrations != uint64(n)+1 {
						t.Errorf("it was lost for %v and registered %d times", s.Losses, s.Registrations)
					}
				}
			})
		})
	}
}

// What is in front of Consul, or a leader that is new, tells wrongly that the session is gone.
func TestWrongNotFound(t *testing.T) {
	for _, everything := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			c := newFakeConsul()
			h := registered(t, c, nil)
			time.Sleep(time.Minute)
			c.setFault(func(r *http.Request) (*http.Response, error) {
				if everything || strings.HasPrefix(r.URL.Path, "/v1/session/renew/") {
					return response(http.StatusNotFound, "404 page not found"), nil
				}
				return nil, nil
			})
			time.Sleep(4 * time.Second)
			c.setFault(nil)
			time.Sleep(2 * time.Second)
			h.isRegistered(t)
			if len(c.allSessions()) != 1 {
				t.Errorf("there are %d sessions", len(c.allSessions()))
			}
		})
	}
}

// Each request may fail, before or after it was done. At no time are there two keys,
// or a session that overwrites another's.
func TestSurvivesAnything(t *testing.T) {
	for seed := range uint64(10) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				random := rand.New(rand.NewPCG(seed, 0)) // under the lock of c
				c := newFakeConsul()
				c.expiry = 1
				h := registered(t, c, nil)
				c.setFault(func(*http.Request) (*http.Response, error) {
					c.mu.Lock()
					n := random.IntN(10)
					c.mu.Unlock()
					switch n {
					case 0:
						return refusing(nil)
					case 1:
						return response(500, "No cluster leader"), nil
					case 2:
						return response(404, ""), nil
					}
					return nil, nil
				})
				c.locked(func() {
					c.lost = func(*http.Request) bool {
						c.mu.Lock()
						defer c.mu.Unlock()
						return random.IntN(4) == 0
					}
				})
				for n := range 300 {
					time.Sleep(2 * time.Second)
					c.locked(func() {
						switch random.IntN(20) {
						case 0:
							delete(c.keys, testKey)
							c.bump()
						case 1:
							if pair := c.keys[testKey]; pair != nil {
								c.invalidate(pair.Session)
							}
						case 2:
							c.put("weir/services/web/other", "", []byte(`{}`))
							delete(c.keys, "weir/services/web/other")
						}
					})
					if len(c.instances(t)) > 1 {
						t.Fatal("there are two")
					}
					if err := h.Update(func(i *Instance) { i.Version = fmt.Sprint(n) }); err != nil {
						t.Fatal(err)
					}
				}
				c.locked(func() { c.lost = nil })
				c.setFault(nil)
				time.Sleep(7 * time.Second) // 2 s, and what the updates may wait
				h.isRegistered(t)
				if got := c.instances(t)[testKey].Version; got != "299" {
					t.Errorf("the version is %v", got)
				}
				if err := h.Release(t.Context()); err != nil {
					t.Errorf("releasing: %v", err)
				}
				if len(c.allKeys()) != 0 {
					t.Errorf("after the release there are %v", c.allKeys())
				}
				time.Sleep(time.Minute)
				if len(c.allSessions()) != 0 {
					t.Errorf("a minute after the release there are sessions %v", c.allSessions())
				}
			})
		})
	}
}
