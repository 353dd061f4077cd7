package consul

// registration_test.go has registrations of a Consul in memory, in a bubble whose time
// passes by itself. Registries and configurations are as Caddy would use them.

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirproxy/weir/governance/lease"
	"github.com/weirproxy/weir/governance/livestate"
	"github.com/weirproxy/weir/governance/processhealth"
)

// logText is what a log holds.
type logText struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logText) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.buf.String(), text)
}

// deployment is a process whose configurations each register gateway at 10.0.0.1:80.
type deployment struct {
	t       *testing.T
	consul  *fakeConsul
	log     logText
	monitor *processhealth.Monitor
	running *registrar
}

// provision makes the registrar of another configuration.
func (d *deployment) provision(change func(*Registration), more ...func(*registrar)) *registrar {
	d.t.Helper()
	registration := Registration{Service: "gateway", Address: "10.0.0.1:80"}
	if change != nil {
		change(&registration)
	}
	if err := registration.Validate(); err != nil {
		d.t.Fatal(err)
	}
	instance, err := registration.instance()
	if err != nil {
		d.t.Fatal(err)
	}
	r := &registrar{
		Registration: registration, terms: registration.terms("consul"), instance: instance, client: fakeClient(d.t, d.consul),
		slog: slog.New(slog.NewTextHandler(&d.log, nil)), monitor: d.monitor, inForce: func(f func()) { f() },
	}
	for _, f := range more {
		f(r)
	}
	if err := r.hold(new(int)); err != nil {
		d.t.Fatal(err)
	}
	return r
}

// reload has another configuration run in place of the one that does.
func (d *deployment) reload(change func(*Registration), more ...func(*registrar)) *registrar {
	d.t.Helper()
	next := d.provision(change, more...)
	next.handle.Show(next)
	d.stop()
	d.running = next
	return next
}

func (d *deployment) stop() {
	if d.running != nil {
		d.running.release()
		d.running = nil
	}
}

// deploy runs f with a process in a bubble, and checks that nothing is left of it.
func deploy(t *testing.T, f func(d *deployment)) {
	synctest.Test(t, func(t *testing.T) {
		d := &deployment{t: t, consul: newFakeConsul()}
		defer func() {
			d.stop()
			time.Sleep(time.Minute)
			if all := d.consul.instances(t); len(all) != 0 || len(d.consul.sessions) != 0 || len(livestate.Default.List()) != 0 {
				t.Errorf("left are %v, sessions %v, states %v", all, d.consul.sessions, livestate.Default.List())
			}
		}()
		f(d)
	})
}

// only returns the only instance that is registered.
func (d *deployment) only() lease.Instance {
	d.t.Helper()
	synctest.Wait()
	all := d.consul.instances(d.t)
	if len(all) != 1 {
		d.t.Fatalf("registered are %v, want one", all)
	}
	for _, i := range all {
		return i
	}
	return lease.Instance{}
}

func TestOneLeaseThroughReloads(t *testing.T) {
	deploy(t, func(d *deployment) {
		d.reload(nil)
		first := d.only()
		if !strings.HasPrefix(first.ID, "10.0.0.1:80~") || len(first.ID) != len("10.0.0.1:80~01234567") || first.HostPort() != "10.0.0.1:80" || first.Weight != 1 {
			t.Errorf("the first has %+v", first)
		}
		for range 20 {
			d.reload(func(r *Registration) { r.Prefix, r.TTL, r.Drain = "weir/services", 10e9, 5e9 }) // as the defaults
			time.Sleep(100 * time.Millisecond)
		}
		if d.only() != first || len(d.consul.requests("PUT", "/v1/session/create")) != 1 || len(d.consul.requests("PUT", "/v1/kv/")) != 1 {
			t.Errorf("it became %+v, with %v", d.only(), d.consul.log)
		}
		d.reload(func(r *Registration) { r.Weight, r.Stage, r.Zone, r.Version, r.Scheme = 3, "canary", "b", "2", "https" })
		time.Sleep(6 * time.Second)
		want := first
		want.Weight, want.Stage, want.Zone, want.Version, want.Scheme = 3, "canary", "b", "2", "https"
		if got := d.only(); got != want {
			t.Errorf("after the change there is %+v, want %+v", got, want)
		}
		if s := d.running.snapshot(); s.Registrations != 1 || s.Updates != 1 || !s.Registered || s.ConfiguredWeight != 3 || s.Phase != lease.Registered {
			t.Errorf("shown is %+v", s)
		}
	})
}

// A lease with another TTL begins before the old one ends, and nobody sees the process
// drain or start.
func TestOtherTermsMakeAnotherLease(t *testing.T) {
	for name, change := range map[string]func(*Registration){
		"ttl":    func(r *Registration) { r.TTL = 20e9 },
		"drain":  func(r *Registration) { r.Drain = -1 },
		"prefix": func(r *Registration) { r.Prefix = "other" },
		"id":     func(r *Registration) { r.ID = "a" },
	} {
		t.Run(name, func(t *testing.T) {
			deploy(t, func(d *deployment) {
				d.reload(nil)
				before := d.only()
				time.Sleep(time.Minute)
				seen := d.running.snapshot()
				var draining, none atomic.Bool
				d.consul.setFault(func(_ http.ResponseWriter, r *http.Request) bool {
					all := d.consul.instances(t)
					if len(all) == 0 {
						none.Store(true)
					}
					for _, i := range all {
						if i.Draining {
							draining.Store(true)
						}
					}
					return false
				})
				d.reload(change)
				time.Sleep(time.Minute)
				after := d.only()
				if none.Load() || draining.Load() || after.ID == before.ID || !after.StartedAt.Equal(before.StartedAt) {
					t.Errorf("%+v became %+v; there was none: %t, one that drains: %t", before, after, none.Load(), draining.Load())
				}
				if s := d.running.snapshot(); s.Registrations != 2 || s.Renewals <= seen.Renewals || !s.Registered {
					t.Errorf("counts went from %+v to %+v", seen, s)
				}
				d.consul.setFault(nil)
			})
		})
	}
}

// Two leases cannot hold one key: the first ends before the second begins.
func TestOtherTermsWithTheSameID(t *testing.T) {
	deploy(t, func(d *deployment) {
		d.reload(func(r *Registration) { r.ID = "a" })
		before := d.only()
		d.reload(func(r *Registration) { r.ID, r.TTL = "a", 20e9 })
		time.Sleep(time.Second)
		if after := d.only(); after != before || len(d.consul.requests("PUT", "/v1/session/create")) != 2 {
			t.Errorf("%+v became %+v", before, after)
		}
		if s := d.running.snapshot(); s.Registrations != 2 || s.Losses[lease.KeyTaken] != 0 {
			t.Errorf("shown is %+v", s)
		}
	})
}

// A configuration that names a Consul which is not there gets its will in the end.
func TestOtherConsulThatIsNotThere(t *testing.T) {
	deploy(t, func(d *deployment) {
		d.reload(nil)
		d.only()
		d.reload(nil, func(r *registrar) {
			r.terms.consul = "another"
			r.client = fakeClient(t, roundTripper(func(*http.Request) (*http.Response, error) { return nil, errors.New("refused") }))
		})
		time.Sleep(19 * time.Second)
		d.only()
		if s := d.running.snapshot(); s.Phase != lease.Connecting || !s.Registered || s.Error == "" {
			t.Errorf("shown is %+v", s)
		}
		time.Sleep(2 * time.Second)
		if all := d.consul.instances(t); len(all) != 0 {
			t.Errorf("after two TTLs there is %v", all)
		}
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestRemovedIsReleased(t *testing.T) {
	deploy(t, func(d *deployment) {
		d.reload(nil)
		d.only()
		d.stop()
		time.Sleep(4 * time.Second)
		if got := d.only(); !got.Draining {
			t.Errorf("while it drains there is %+v", got)
		}
		time.Sleep(1100 * time.Millisecond)
		if all := d.consul.instances(t); len(all) != 0 {
			t.Errorf("in the end there are %v", all)
		}
		if d.log.count("the lease is released") != 1 {
			t.Errorf("logged is %s", &d.log.buf)
		}
		// and it comes back anew
		d.reload(nil)
		d.only()
	})
}

// A configuration that fails to load changes nothing, whenever it is told that it leads.
func TestFailedConfigurationChangesNothing(t *testing.T) {
	deploy(t, func(d *deployment) {
		late := make([]func(), 0)
		never := func(r *registrar) { r.inForce = func(f func()) { late = append(late, f) } }
		alone := d.provision(nil, never) // the first one, which leads at once
		alone.handle.Show(alone)
		alone.release()
		d.reload(nil)
		before := d.only()
		failed := d.provision(func(r *Registration) { r.Weight, r.TTL = 9, 30e9 }, never)
		failed.handle.Show(failed)
		failed.release()
		failed.release() // as a second Cleanup would
		if len(late) != 1 {
			t.Errorf("%d were told that they lead, want the one that was alone", len(late))
		}
		late = append(late, failed.Lead)
		for _, f := range late {
			f()
		}
		time.Sleep(time.Minute)
		if got := d.only(); got != before || len(d.consul.requests("PUT", "/v1/session/create")) != 1 {
			t.Errorf("%+v became %+v", before, got)
		}
	})
}
