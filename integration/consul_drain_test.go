package integration

// consul_drain_test.go has instances stopped under load, one and one after the other, and
// a gateway.

import (
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/weirproxy/weir/governance/lease"
	"github.com/weirproxy/weir/internal/consulserver"
)

// instanceDrain is how long what stops drains. A gateway hears of a change within a second
// or so, on a busy machine a little later.
const instanceDrain = 3 * time.Second

// working returns lines for instances' routes: requests to /1s take a second, to /4s four.
func working(t *testing.T) []string {
	t.Helper()
	worker := NewBackend(t, "worker")
	for _, takes := range []time.Duration{time.Second, 4 * time.Second} {
		worker.Handle(fmt.Sprintf("/%ds", int(takes.Seconds())), func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(takes) // the work
			_, _ = io.WriteString(w, "done\n")
		})
	}
	return []string{"reverse_proxy /1s " + worker.Address, "reverse_proxy /4s " + worker.Address}
}

// Whoever is told to stop drains first: nothing is sent to it any more when it stops.
func TestConsulAnInstanceThatIsStoppedFailsNothing(t *testing.T) {
	t.Parallel()
	consul := consulserver.Start(t)
	lines := working(t)
	var instances []*instance
	for _, name := range []string{"one", "two", "three"} {
		i := newInstanceAt(t, consulOption(consul.Address(), ""), name, lines, "drain "+instanceDrain.String())
		i.awaitRegistered(t)
		instances = append(instances, i)
	}
	s := newFollowingSite(t, consul)
	s.NoRetries = true
	g := follow(t, s)
	g.awaitUse(t, consulPatience, addressesOf(instances...)...)

	quick := sustain(t, s.URL(), instanceRate)
	work := sustain(t, s.URL()+"1s", 20)
	long := sustain(t, s.URL()+"4s", 5) // longer than it drains
	time.Sleep(5 * time.Second)         // until all kinds are under way
	began := time.Now()
	instances[1].Stop()
	t.Logf("the instance has stopped after %.1f s", time.Since(began).Seconds())
	g.awaitUse(t, consulSoon, instances[0].Address, instances[2].Address)
	time.Sleep(time.Second) // of load without it
	wantNoFailure(t, "quick requests", quick())
	for takes, r := range map[time.Duration]*Result{time.Second: work(), 4 * time.Second: long()} {
		wantNoFailure(t, "requests that take "+takes.String(), r)
		if r.Latency(0) < takes {
			t.Errorf("one took %v", r.Latency(0))
		}
	}
}

// restartInTurn restarts three instances one after the other, as many rounds as told.
func restartInTurn(t *testing.T, rounds int) {
	t.Helper()
	consul := consulserver.Start(t)
	instances := threeInstances(t, consul, "drain "+instanceDrain.String())
	s := newFollowingSite(t, consul)
	s.NoRetries = true
	g := follow(t, s)
	g.awaitUse(t, consulPatience, addressesOf(instances...)...)
	stop := sustain(t, s.URL(), instanceRate)
	for range rounds {
		for _, i := range instances {
			began := time.Now()
			i.Stop()
			stopped := time.Now()
			i.StartAgain()
			started := time.Now()
			seen := g.awaitUse(t, consulPatience, addressesOf(instances...)...)
			t.Logf("%s: stopped in %.1f s, started in %.1f s, used again %.1f s later", i.Name,
				stopped.Sub(began).Seconds(), started.Sub(stopped).Seconds(), seen.Seconds())
		}
	}
	time.Sleep(time.Second) // of load with all of them
	wantNoFailure(t, fmt.Sprintf("%d rolling restarts", rounds), stop())
	f, err := g.followed()
	if err != nil || f.Held != 0 || f.HeldTotal != 0 || f.EmptyDoubted != 0 {
		t.Errorf("after it the gateway has %+v, %v", f, err)
	}
}

func TestConsulARollingRestartFailsNothing(t *testing.T) {
	t.Parallel()
	restartInTurn(t, 1)
}

func TestSoakConsulARollingRestartFailsNothing(t *testing.T) {
	Soak(t)
	restartInTurn(t, 5)
}

// gatewayDrain is how long the gateway drains: longer than it is asked meanwhile, also by a
// machine that is late.
const gatewayDrain = 2 * instanceDrain

// A gateway that is told to stop says so before it stops, and answers meanwhile.
func TestConsulAGatewayDrainsBeforeItStops(t *testing.T) {
	t.Parallel()
	consul := consulserver.Start(t)
	s := newSite(t, NewBackend(t, "one"))
	s.Global = []string{globalGovernance(consulOption(consul.Address(), ""),
		fmt.Sprintf("register gateway %s {\n\t\t\tdrain %s\n\t\t}", s.Address, gatewayDrain))}
	g := startWeir(t, s)
	client := consul.Client()
	instance := func() (i lease.Instance) {
		if keys, _ := keysOf(client, "gateway"); len(keys) == 1 {
			i = keys[0]
		}
		return i
	}
	for _, what := range []string{"stopped", "started again and stopped"} {
		if !Eventually(consulPatience, func() bool { i := instance(); return i.ID != "" && !i.Draining }) {
			t.Fatalf("%s: the gateway is not registered", what)
		}
		id := instance().ID
		stopped := make(chan struct{})
		began := time.Now()
		go func() { defer close(stopped); g.Stop() }()
		if !Eventually(consulSoon, func() bool { return instance().Draining }) {
			t.Errorf("%s: the key does not show that it drains: %+v", what, instance())
		}
		seen := time.Since(began)
		answered := Open(t.Context(), s.URL(), 8, instanceRate, int(instanceRate*(instanceDrain/2).Seconds()))
		wantNoFailure(t, what+", while it drains", answered)
		if i := instance(); !i.Draining || i.ID != id {
			t.Errorf("%s: in the midst of it the key tells %+v", what, i)
		}
		<-stopped
		t.Logf("%s: draining seen after %.2f s, stopped after %.2f s", what, seen.Seconds(), time.Since(began).Seconds())
		if took := time.Since(began); took < gatewayDrain {
			t.Errorf("%s: it stopped after %v, before it had drained", what, took)
		}
		if keys, err := keysOf(client, "gateway"); err != nil || len(keys) != 0 {
			t.Errorf("%s: it leaves the keys %v, %v", what, keys, err)
		}
		if what == "stopped" {
			g.Run(s.Caddyfile())
		}
	}
}
