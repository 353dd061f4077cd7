package lease

// busy_test.go holds what could make a lease ask without end, and does not.

import (
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Whatever makes Consul answer reads at once makes no busy loop.
func TestNoBusyLoop(t *testing.T) {
	up := uint64(100)
	for name, tell := range map[string]func(uint64) string{
		"zero":      func(uint64) string { return "0" },
		"backwards": func(uint64) string { up--; return strconv.FormatUint(up, 10) },
		"random":    func(uint64) string { return strconv.FormatUint(rand.Uint64N(50), 10) },
		"forwards":  func(uint64) string { up += 2; return strconv.FormatUint(up, 10) },
		"nonsense":  func(uint64) string { return "many" },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newFakeConsul()
				c.tellIndex = tell
				h := registered(t, c, nil)
				time.Sleep(time.Hour)
				h.isRegistered(t)
				if n := c.count("GET", "/v1/kv/"); n > 3602 {
					t.Errorf("%d reads in an hour", n)
				}
				if s := h.State(); s.Registrations != 1 {
					t.Errorf("the state is %+v", s)
				}
			})
		})
	}
	// answers at once, though nothing changed
	synctest.Test(t, func(t *testing.T) {
		c := newFakeConsul()
		h := registered(t, c, nil)
		c.setFault(func(r *http.Request) (*http.Response, error) {
			if r.Method != http.MethodGet {
				return nil, nil
			}
			c.mu.Lock()
			defer c.mu.Unlock()
			return c.found(c.keys[testKey], c.index), nil
		})
		time.Sleep(time.Hour)
		h.isRegistered(t)
		if n := c.count("GET", "/v1/kv/"); n < 100 || n > 3610 {
			t.Errorf("%d reads in an hour", n)
		}
	})
}

func TestIndexRules(t *testing.T) {
	for _, step := range []struct{ last, got, want uint64 }{
		{0, 5, 5}, {5, 5, 5}, {5, 9, 9}, {9, 5, 0}, {0, 0, 1}, {1, 0, 0}, {5, 0, 0}, {0, 1, 1},
	} {
		if got := nextIndex(step.last, step.got); got != step.want {
			t.Errorf("after %d with %d comes %d, not %d", step.last, step.got, got, step.want)
		}
	}
}

// A Consul that forgets sessions as soon as it makes them gets one a second.
func TestForgetfulConsul(t *testing.T) {
	for _, after := range []bool{false, true} { // the key was written
		synctest.Test(t, func(t *testing.T) {
			c := newFakeConsul()
			h := registered(t, c, nil)
			forget := func(r *http.Request) {
				if r.Method == http.MethodPut && strings.HasPrefix(r.URL.Path, "/v1/kv/") {
					c.locked(func() { c.empty(); c.bump() })
				}
			}
			if after {
				c.locked(func() { c.lost = func(r *http.Request) bool { forget(r); return false } })
			} else {
				c.setFault(func(r *http.Request) (*http.Response, error) { forget(r); return nil, nil })
			}
			c.wipe()
			time.Sleep(10 * time.Minute)
			if all, n := c.requests(), c.count("PUT", "/v1/session/create"); n < 100 || n > 602 || all > 6*602 {
				t.Errorf("%d sessions were made in ten minutes, with %d requests", n, all)
			}
			c.locked(func() { c.lost = nil })
			c.setFault(nil)
			time.Sleep(2 * time.Second)
			h.isRegistered(t)
		})
	}
}
