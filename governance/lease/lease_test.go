package lease

import (
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestRegisters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeConsul()
		start := time.Now()
		h := registered(t, c, nil)
		h.isRegistered(t)
		if took := time.Since(start); took != 0 {
			t.Errorf("it took %s", took)
		}
		pair := c.allKeys()[testKey]
		const value = `{"id":"a","address":"10.0.0.1","port":8080,"scheme":"http","weight":1,"started_at":"2000-01-01T00:00:00Z"}`
		if string(pair.Value) != value {
			t.Errorf("the value is %s", pair.Value)
		}
		want := map[string]any{
			"Name": "weir lease web/a", "TTL": "10s", "Behavior": "delete", "LockDelay": "1ms", "NodeChecks": []any{},
		}
		if got := c.allSessions()[pair.Session]; !reflect.DeepEqual(got, want) {
			t.Errorf("the session is %v, not %v", got, want)
		}
		s := h.State()
		if s.Session != pair.Session || s.Key != testKey || s.Registrations != 1 || s.Renewals != 0 || s.Failures != 0 ||
			!s.Renewed.Equal(start) || !s.Since.Equal(start) || s.Index == 0 || s.Instance.ID != "a" {
			t.Errorf("the state is %+v", s)
		}
		if got := h.logged.messages(t); !slices.Equal(got, []string{"the lease is registered"}) {
			t.Errorf("logged is %q", got)
		}
	})
}

func TestSettingsReachTheSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeConsul()
		registered(t, c, func(s *Settings) {
			s.Prefix, s.TTL, s.NodeChecks = "other/place", 90*time.Second, []string{"serfHealth"}
		})
		pair := c.allKeys()["other/place/web/a"]
		if pair == nil {
			t.Fatalf("the keys are %v", c.allKeys())
		}
		body := c.allSessions()[pair.Session]
		if body["TTL"] != "1m30s" || !reflect.DeepEqual(body["NodeChecks"], []any{"serfHealth"}) {
			t.Errorf("the session is %v", body)
		}
	})
}

func TestHoldRefusesNonsense(t *testing.T) {
	good := Instance{ID: "a", Address: "10.0.0.1", Port: 80}
	client := newFakeConsul().client(t)
	if _, err := Hold(t.Context(), nil, Settings{Service: "web"}, good); err == nil {
		t.Error("no client is taken")
	}
	if _, err := Hold(t.Context(), client, Settings{}, good); err == nil || !strings.Contains(err.Error(), "service") {
		t.Errorf("no service: %v", err)
	}
	if _, err := Hold(t.Context(), client, Settings{Service: "web"}, Instance{ID: "a", Port: 80}); err == nil || !strings.Contains(err.Error(), "address") {
		t.Errorf("no address: %v", err)
	}
}

// renewals returns the times between renewals.
func (c *fakeConsul) renewals() (between []time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var last time.Time
	for _, s := range c.sent {
		if strings.HasPrefix(s.path, "/v1/session/renew/") {
			if !last.IsZero() {
				between = append(between, s.at.Sub(last))
			}
			last = s.at
		}
	}
	return between
}

// checkSpread fails unless all are within a tenth of want, and not the same.
func checkSpread(t *testing.T, all []time.Duration, want time.Duration) {
	t.Helper()
	if least, most := slices.Min(all), slices.Max(all); least < want-want/10 || most > want+want/10 || most-least < want/10 {
		t.Errorf("renewals are %s to %s apart, not %s give or take a tenth", least, most, want)
	}
}

func TestRenewsAtAThirdOfTheTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeConsul()
		c.expiry = 1 // the earliest that Consul allows itself
		h := registered(t, c, nil)
		time.Sleep(time.Hour)
		h.isRegistered(t)
		checkSpread(t, c.renewals(), 10*time.Second/3)
		s := h.State()
		if s.Registrations != 1 || s.Renewals != uint64(c.count("PUT", "/v1/session/renew/")) || len(s.Losses) != 0 || s.Updates != 0 {
			t.Errorf("the state is %+v", s)
		}
		// an hour without news is that many reads and no write
		if reads, writes := c.count("GET", "/v1/kv/"), c.count("PUT", "/v1/kv/"); reads > 70 || reads < 50 || writes != 1 {
			t.Errorf("there are %d reads and %d writes in an hour", reads, writes)
		}
	})
}

func TestObeysALargerTTL(t *testing.T) {
	for answer, want := range map[string]time.Duration{"1m": time.Minute, "5s": 10 * time.Second, "soon": 10 * time.Second, "48h": 10 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			c := newFakeConsul()
			c.ttl = answer
			registered(t, c, nil)
			time.Sleep(30 * time.Minute)
			checkSpread(t, c.renewals(), want/3)
		})
	}
}

// The lease is an instance's that crashed, or the network's in between is cut.
func TestKeyGoesByItselfBetweenOneAndTwoTTLs(t *testing.T) {
	for _, expiry := range []float64{1, 1.5, 2} {
		synctest.Test(t, func(t *testing.T) {
			c := newFakeConsul()
			c.expiry = expiry
			h := registered(t, c, nil)
			time.Sleep(time.Minute)
			renewed := h.State().Renewed
			c.setFault(hanging)
			time.Sleep(time.Until(renewed.Add(time.Duration(expiry*10*float64(time.Second)) - time.Millisecond)))
			if len(c.instances(t)) != 1 {
				t.Error("the key is gone too early")
			}
			time.Sleep(2 * time.Millisecond)
			if len(c.instances(t)) != 0 {
				t.Error("the key stays")
			}
			time.Sleep(time.Until(renewed.Add(10*time.Second + 5*time.Second))) // a request may hang that long
			synctest.Wait()
			if s := h.State(); s.Phase != Lost || s.Losses[NotRenewed] != 1 || !strings.Contains(s.Error, "no answer in time") {
				t.Errorf("the state is %+v", s)
			}
		})
	}
}

func TestCtxEndsTheLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeConsul()
		h := registered(t, c, nil)
		h.cancel()
		synctest.Wait()
		if len(c.allKeys()) != 0 || len(c.allSessions()) != 0 || h.State().Phase != Released {
			t.Errorf("there are keys %v, sessions %v; the state is %+v", c.allKeys(), c.allSessions(), h.State())
		}
		if err := h.Release(t.Context()); err != nil {
			t.Errorf("releasing what has ended: %v", err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		c := newFakeConsul()
		c.fault = refusing
		h := hold(t, c, nil)
		time.Sleep(time.Minute)
		h.cancel()
		synctest.Wait()
		if h.State().Phase != Released {
			t.Errorf("the state is %+v", h.State())
		}
	})
}

// What Consul, or what is in front of it, says of a request may have its header.
func TestTokenIsNeverTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeConsul()
		h := registered(t, c, nil)
		var told []string
		for _, fault := range []func(*http.Request) (*http.Response, error){
			func(r *http.Request) (*http.Response, error) {
				if r.Header.Get("X-Consul-Token") != secret {
					t.Error("the requests have no token")
				}
				return response(403, "Permission denied: token "+r.Header.Get("X-Consul-Token")+" lacks it\nX-Consul-Token: "+secret), nil
			},
			func(r *http.Request) (*http.Response, error) {
				if r.Method == http.MethodPut {
					return nil, nil // renewals succeed, so that the error is that of reads
				}
				return response(500, strings.Repeat("\x00long ", 1000)+secret), nil
			},
			refusing,
		} {
			c.setFault(fault)
			time.Sleep(20 * time.Second)
			synctest.Wait()
			told = append(told, h.State().Error)
			c.setFault(nil)
			time.Sleep(5 * time.Second)
		}
		c.setFault(answering(403, "Permission denied: "+secret))
		err := h.Release(t.Context())
		if err == nil {
			t.Fatal("it is released by a Consul that denies it")
		}
		told = append(told, err.Error(), h.logged.text(), h.State().Error)
		for _, text := range told {
			if text == "" || strings.Contains(text, secret) || len(text) > 500 && !strings.Contains(text, `"msg"`) {
				t.Errorf("told is %q", text)
			}
		}
		if all := strings.Join(told, "\n"); !strings.Contains(all, "Permission denied") || !strings.Contains(all, "connection refused") {
			t.Errorf("told is not what is wrong: %q", all)
		}
	})
}
