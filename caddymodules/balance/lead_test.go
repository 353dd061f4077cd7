package balance

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/weirproxy/weir/governance/balance"
	"github.com/weirproxy/weir/governance/circuit"
	"github.com/weirproxy/weir/governance/livestate"
	"github.com/weirproxy/weir/internal/freeport"
)

// What an operator decided before a restart is no news after it, least of all while the
// configuration is provisioned, where Caddy does not allow events.
func TestRestoredBreakerDecisionsAreNotTold(t *testing.T) {
	storage, listen := t.TempDir(), freeport.Address(t)
	a, b := "127.0.0.1:7", "127.0.0.1:9"
	must := func() {
		t.Helper()
		err := loadWith(t, "events {\non breaker_opened weir_test\non breaker_closed weir_test\n}", storage, guardedSite(listen, a+" "+b, "open_for 1h 1h", ""))
		if err != nil {
			t.Fatal(err)
		}
	}
	decide := func(address, state string) {
		t.Helper()
		if _, err := policyOf(t).Control([]string{"upstreams", address}, []byte(`{"breaker":{"state":"`+state+`"}}`)); err != nil {
			t.Fatal(err)
		}
	}
	must()
	t.Cleanup(func() { stop(t) })
	decide(a, "open")
	wantEvents(t, a, "breaker_opened")
	stop(t)
	must()
	wantState(t, a, "open")
	if n := upstreamOf(t, "test", a).BreakerChanges["open"]; n != 0 {
		t.Errorf("after a restart %d changes are counted", n)
	}
	decide(b, "open")
	wantEvents(t, b, "breaker_opened") // the first since
	decide(a, "closed")
	wantEvents(t, a, "breaker_closed")
}

// Of proxies that share a pool, any can have the health checks.
func TestHealthChecksOfTheSecondProxy(t *testing.T) {
	listen := freeport.Address(t)
	var well atomic.Bool
	a := backend(t, func(w http.ResponseWriter, _ *http.Request) {
		if !well.Load() {
			w.WriteHeader(500)
		}
		io.WriteString(w, "a")
	})
	b, _ := moody(t, "b")
	proxy := func(path, options string) string {
		return fmt.Sprintf("reverse_proxy %s %s %s {\nlb_policy success_weighted {\nname test\nbreaker {\nconsecutive 2\nopen_for 1h 1h\n}\n}\n%s\n}\n", path, a, b, options)
	}
	// in one server, which provisions them in this order; servers come in any
	serve(t, "http://"+listen+" {\nroute {\n"+proxy("/first", "")+
		proxy("/second", "health_uri /health\nhealth_interval 20ms\nhealth_fails 1000000")+"}\n}\n")
	sharesOf(t, "http://"+listen+"/second", 6)
	wantState(t, a, "open")
	well.Store(true)
	wantState(t, a, "half_open")
}

// After a reload an upstream that joins follows the new configuration, whichever of the
// proxies that share the pool meets it first.
func TestWhoJoinsFollowsTheNewConfiguration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &reverseproxy.Upstream{Host: new(reverseproxy.Host), Dial: "a:80"}
		z := &reverseproxy.Upstream{Host: new(reverseproxy.Host), Dial: "z:80"}
		registry := new(livestate.Registry)
		var told []string
		proxy := func(configuration string, consecutive int) *Policy {
			live, handle, err := livestate.Acquire(registry, livestate.Claim{
				Key: livestate.Key{Kind: kind, Name: "test"}, Configuration: configuration,
			}, func() (*livePool, error) { return newLivePool(), nil })
			if err != nil {
				t.Fatal(err)
			}
			breaker, settings := circuit.DefaultSettings(), balance.DefaultSettings()
			breaker.Consecutive, settings.Breaker = consecutive, &breaker
			p := healthy(nil, nil)
			p.dynamic, p.live, p.handle, p.balancer = true, live, handle, balance.NewBalancer(live.Pool, settings)
			p.balancer.Watch(func(address string, c circuit.Change) {
				told = append(told, configuration+": "+address+" "+c.To.String())
			})
			p.balancer.Adopt()
			handle.Show(p)
			return p
		}
		request := func(p *Policy, upstreams ...*reverseproxy.Upstream) {
			p.Select(upstreams, httptest.NewRequest(http.MethodGet, "/", nil), nil)
			time.Sleep(time.Minute)
		}
		before := proxy("old", 5)
		request(before, a, z)
		request(before, a) // z has left
		proxy("new", 2)
		second := proxy("new", 2)
		if err := before.Cleanup(); err != nil {
			t.Fatal(err)
		}
		request(second, a, z)
		for range 2 {
			attempt := second.balancer.Begin(second.live.Upstream("z:80"))
			attempt.Answered(balance.FailedStatus)
			attempt.End()
		}
		if !slices.Equal(told, []string{"new: z:80 open"}) {
			t.Errorf("told %v, want the new configuration of a breaker that follows it", told)
		}
	})
}
