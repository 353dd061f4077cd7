package consul

// registration_end_test.go has registrations follow the health of the process, and end
// with it.

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/weirproxy/weir/governance/processhealth"
)

// What the process says about its health is told, and it stays registered.
func TestHealthIsAdvertised(t *testing.T) {
	deploy(t, func(d *deployment) {
		calm := processhealth.DefaultSettings()
		calm.Enter, calm.Leave, calm.Smoothing = 1, 1, 1
		calm.Memory = processhealth.Thresholds{Warning: 0.98, Danger: 0.99}
		stressed := calm
		stressed.Memory = processhealth.Thresholds{Warning: 1e-9, Danger: 2e-9}
		var err error
		if d.monitor, err = processhealth.New(calm); err != nil {
			t.Fatal(err)
		}
		d.monitor.Start()
		defer d.monitor.Stop()
		d.reload(func(r *Registration) { r.Weight = 4 })
		want := func(when string, weight float64, draining bool, health string) {
			t.Helper()
			time.Sleep(8 * time.Second)
			s := d.running.snapshot()
			if got := d.only(); got.Weight != weight || got.Draining != draining {
				t.Errorf("%s: weight %v, draining %t", when, got.Weight, got.Draining)
			}
			if s.Health != health || s.Registrations != 1 || s.Instance.Weight != weight || s.ConfiguredWeight != 4 {
				t.Errorf("%s: shown is %+v", when, s)
			}
		}
		want("at first", 4, false, "")
		configure := func(s processhealth.Settings) {
			t.Helper()
			if err := d.monitor.Configure(s); err != nil {
				t.Fatal(err)
			}
		}
		configure(stressed)
		want("overloaded", 2, false, "overloaded")
		if got := d.only(); got.Load < 0.5 {
			t.Errorf("the load is %v", got.Load)
		}
		d.monitor.Decide(processhealth.Decision{Kind: processhealth.NotReady})
		want("and not ready", 2, true, "overloaded, operator: not_ready")
		configure(calm)
		want("not ready", 4, true, "operator: not_ready")
		d.reload(func(r *Registration) { r.Weight, r.TTL = 4, 20e9 }) // a new lease says so from the start
		if got := d.only(); !got.Draining {
			t.Errorf("the new lease has %+v", got)
		}
		time.Sleep(time.Minute)
		d.monitor.Decide(processhealth.Decision{})
		time.Sleep(8 * time.Second)
		if got := d.only(); got.Weight != 4 || got.Draining {
			t.Errorf("in the end there is %+v", got)
		}
		if n := d.log.count("the health of the process changes"); n != 4 {
			t.Errorf("%d lines about 4 changes: %s", n, &d.log.buf)
		}
	})
}

// The event waits until the registration is gone, only when the process exits, and not
// for ever.
func TestExit(t *testing.T) {
	for name, test := range map[string]struct {
		fault func(http.ResponseWriter, *http.Request) bool
		least time.Duration
		most  time.Duration
	}{
		"well":    {nil, 5 * time.Second, 5500 * time.Millisecond},
		"hanging": {func(_ http.ResponseWriter, r *http.Request) bool { <-r.Context().Done(); return true }, 5 * time.Second, 10 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			deploy(t, func(d *deployment) {
				r := d.reload(nil)
				d.only()
				stopping := onStopping{&Consul{registrars: []*registrar{r}}}
				handle := func() time.Duration {
					start := time.Now()
					if err := stopping.Handle(t.Context(), caddy.Event{}); err != nil {
						t.Error(err)
					}
					return time.Since(start)
				}
				if took := handle(); took != 0 || d.only().Draining {
					t.Errorf("a reload took %s", took)
				}
				exiting = func() bool { return true }
				defer func() { exiting = caddy.Exiting }()
				d.consul.setFault(test.fault)
				if took := handle(); took < test.least || took > test.most {
					t.Errorf("it took %s, want %s to %s", took, test.least, test.most)
				}
				if all := d.consul.instances(t); test.fault == nil && len(all) != 0 {
					t.Errorf("in the end there are %v", all)
				}
				r.Lead() // too late
				d.consul.setFault(nil)
				d.stop()
				time.Sleep(time.Minute)
				if len(d.consul.requests("PUT", "/v1/session/create")) != 1 {
					t.Error("it began anew")
				}
				for id := range d.consul.sessions {
					d.consul.destroy(id) // it would have expired
				}
			})
		})
	}
}

// exit has the process exit, and returns how long that waits.
func (d *deployment) exit() time.Duration {
	d.t.Helper()
	exiting = func() bool { return true }
	defer func() { exiting = caddy.Exiting }()
	start := time.Now()
	if err := (onStopping{&Consul{registrars: []*registrar{d.running}}}).Handle(d.t.Context(), caddy.Event{}); err != nil {
		d.t.Error(err)
	}
	return time.Since(start)
}

// While another lease is about to take over, that of before is the one that drains.
func TestEndWhileAnotherLeaseBegins(t *testing.T) {
	for name, end := range map[string]func(*deployment){"exit": func(d *deployment) { go d.exit() }, "removed": (*deployment).stop} {
		t.Run(name, func(t *testing.T) {
			deploy(t, func(d *deployment) {
				d.reload(nil)
				d.only()
				d.reload(nil, func(r *registrar) {
					r.terms.consul = "another"
					r.client = fakeClient(t, roundTripper(func(*http.Request) (*http.Response, error) { return nil, errors.New("refused") }))
				})
				time.Sleep(time.Second)
				end(d)
				time.Sleep(4 * time.Second)
				if got := d.only(); !got.Draining {
					t.Errorf("while it drains there is %+v", got)
				}
				time.Sleep(1100 * time.Millisecond)
				if all := d.consul.instances(t); len(all) != 0 {
					t.Errorf("in the end there are %v", all)
				}
			})
		})
	}
}

// A process whose registration is lost has nothing to drain, however long that may take.
func TestExitWhileConsulIsAway(t *testing.T) {
	deploy(t, func(d *deployment) {
		d.reload(func(r *Registration) { r.Drain = 60e9 })
		d.only()
		d.consul.setFault(func(_ http.ResponseWriter, r *http.Request) bool { <-r.Context().Done(); return true })
		time.Sleep(time.Minute)
		if took := d.exit(); took > 5*time.Second {
			t.Errorf("it took %s", took)
		}
		time.Sleep(time.Minute) // what is tried in the background
		d.consul.setFault(nil)
		for id := range d.consul.sessions {
			d.consul.destroy(id) // it would have expired
		}
	})
}
