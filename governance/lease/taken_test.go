package lease

// taken_test.go holds what happens when somebody else has the key.

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// other registers the same key with another session.
func (c *fakeConsul) other(delay string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.createSession([]byte(`{"TTL":"10s","Behavior":"delete","LockDelay":"` + delay + `"}`))
	id := fmt.Sprintf("00000000-0000-0000-0000-%012d", c.ids)
	c.put(testKey, id, []byte(`{"id":"a","address":"10.0.0.1","port":8080,"version":"other"}`))
	return id
}

// A predecessor crashed and its session is to expire yet.
func TestWaitsForThePredecessorsSession(t *testing.T) {
	for _, delay := range []string{"1ms", "15s"} {
		synctest.Test(t, func(t *testing.T) {
			c := newFakeConsul()
			c.other(delay)
			start := time.Now()
			h := hold(t, c, nil)
			time.Sleep(19 * time.Second)
			synctest.Wait()
			if s := h.State(); s.Phase != Connecting || !strings.Contains(s.Error, "another session holds the key") {
				t.Errorf("the state is %+v", s)
			}
			if n := c.count("PUT", "/v1/kv/"); n != 0 {
				t.Errorf("it wrote %d times to a key that is another's", n)
			}
			<-h.Registered()
			wait, _ := time.ParseDuration(delay)
			if took := time.Since(start) - 20*time.Second; took < 0 || took > wait+2*time.Second {
				t.Errorf("it was registered %s after the predecessor's end", took)
			}
			h.isRegistered(t)
		})
	}
}

// Two living processes have the same id.
func TestNeverTakesTheKeyOfALivingSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeConsul()
		h := registered(t, c, nil)
		id := c.other("1ms") // which takes it, as a lock binds only those who ask for it
		keeps := time.NewTicker(5 * time.Second)
		defer keeps.Stop()
		for range 720 {
			<-keeps.C
			c.locked(func() { c.reset(c.sessions[id]) })
		}
		if s := h.State(); s.Phase != Lost || s.Losses[KeyTaken] != 1 || s.Registrations != 1 {
			t.Errorf("the state is %+v", s)
		}
		if pair := c.allKeys()[testKey]; pair.Session != id || !strings.Contains(string(pair.Value), "other") {
			t.Errorf("the key is %q of %s", pair.Value, pair.Session)
		}
		if n := c.count("PUT", "/v1/kv/"); n != 1 {
			t.Errorf("%d writes", n)
		}
		if got := len(h.logged.messages(t)); got != 3 { // registered, lost, goes wrong
			t.Errorf("an hour of it makes the log %s", h.logged.text())
		}
		// releasing leaves the other's key alone
		if err := h.Release(t.Context()); err != nil || c.allKeys()[testKey] == nil {
			t.Errorf("releasing: %v; the keys are %v", err, c.allKeys())
		}
		if s := h.State(); s.Error != "" {
			t.Errorf("after the end there is the error %s", s.Error)
		}
	})
}
