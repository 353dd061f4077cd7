package consul

import (
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/hashicorp/consul/api"

	"github.com/weirproxy/weir/governance/lease"
	"github.com/weirproxy/weir/governance/livestate"
	"github.com/weirproxy/weir/internal/adapttest"
)

func TestServe(t *testing.T) {
	g := newGateway(t)
	a := g.instance("a", nil)
	g.instance("b", func(i *lease.Instance) { i.Weight = 3 })
	g.serve("dynamic consul_kv web {\nempty_after 200ms\nmax_removal 100%\n}\nlb_policy success_weighted {\nname web\n}")
	// the first request waits for the first answer, and weights reach the balancer
	if got := g.get(); got != "a" && got != "b" {
		t.Errorf("the first request was answered by %s", got)
	}
	g.wantShares("at first", 8, map[string]int{"a": 2, "b": 6})

	g.instance("c", func(i *lease.Instance) { i.Weight = 4 })
	g.wantShares("with another one", 8, map[string]int{"a": 1, "b": 3, "c": 4})
	g.gone("b")
	a.Weight = 2
	g.update(a)
	g.wantShares("with one gone and one heavier", 6, map[string]int{"a": 2, "c": 4})
	a.Draining = true
	g.update(a)
	g.wantShares("with one that drains", 6, map[string]int{"c": 6})
	var s discoveryDetail
	g.eventually(func() bool { s = g.shown("consul_kv:web"); return s.Idle == 1 }, func() string { return "nobody drains" })
	if s.Used != 1 || len(s.Members) != 2 || s.Members[0].Unused != "it drains" || !s.Up || s.Source != "kv weir/services/web/" {
		t.Errorf("the admin API shows %+v", s)
	}
	g.gone("a")
	g.gone("c")
	g.wantShares("when nobody is left", 2, map[string]int{"503": 2})
	if s = g.shown("consul_kv:web"); s.EmptyDoubted != 1 || s.EmptyBelieved != 1 || s.Used != 0 {
		t.Errorf("the admin API shows %+v, want that nobody was doubted, and then believed", s)
	}
}

// A restart behind the same address is another instance, which success_weighted starts
// slowly.
func TestARestartReachesTheBalancer(t *testing.T) {
	g := newGateway(t)
	a := g.instance("a", nil)
	g.instance("b", nil)
	g.serve("dynamic consul_kv web\nlb_policy success_weighted {\nname web\nslow_start 1h 10%\n}")
	g.wantShares("at first", 4, map[string]int{"a": 2, "b": 2})
	restarted := a
	restarted.ID, restarted.StartedAt = "restarted", time.Now()
	g.update(restarted)
	g.gone("a")
	g.wantShares("after the restart", 11, map[string]int{"a": 1, "b": 10})
}

// Which reload it is makes no difference: the set stays, and with it the traffic.
func TestReloadWhileConsulIsDown(t *testing.T) {
	g := newGateway(t)
	g.instance("a", nil)
	g.instance("b", nil)
	proxy := func(option string) string {
		return "dynamic consul_kv web {\nempty_after 10s\n" + option + "\n}\nlb_policy round_robin"
	}
	g.serve(proxy(""))
	g.wantShares("at first", 4, map[string]int{"a": 2, "b": 2})
	g.down(true)
	reload := func(when, option string, again bool) {
		t.Helper()
		before := g.shown("consul_kv:web").Status
		held, err := livestate.Default.Get(livestate.Key{Kind: discoveryKind, Name: "consul_kv:web"})
		if err != nil {
			t.Fatal(err)
		}
		w := held.State.(*watch)
		runs := w.current.Load()
		g.serve(proxy(option))
		if got := g.shares(20); got["a"]+got["b"] != 20 {
			t.Errorf("%s the requests went to %v", when, got)
		}
		if again {
			g.eventually(func() bool { return w.current.Load() != runs }, func() string { return when + " the watch is the same" })
		} else {
			time.Sleep(3 * inForceWithin) // for what should not happen
			if w.current.Load() != runs {
				t.Errorf("%s there is another watch", when)
			}
		}
		if got := g.shares(20); got["a"]+got["b"] != 20 {
			t.Errorf("%s, and when it leads, the requests went to %v", when, got)
		}
		if s := g.shown("consul_kv:web").Status; s.Answers < before.Answers || s.Errors < before.Errors || s.Instances != 2 {
			t.Errorf("%s the status was %+v and is %+v", when, before, s)
		}
	}
	reload("after a reload that changes nothing", "", false)
	reload("with the defaults spelled out", "max_removal 50% 10s", false)
	reload("with another option", "max_removal 100%", true)
	t.Setenv("CONSUL_HTTP_TOKEN", "a-secret-token")
	reload("with another token", "max_removal 100%", true)
	if err := g.load("dynamic consul_kv web\nlb_policy success_weighted"); err == nil || !strings.Contains(err.Error(), "a name is needed") {
		t.Errorf("a configuration that must fail: %v", err)
	}
	if got := g.shares(20); got["a"]+got["b"] != 20 {
		t.Errorf("after a reload that failed the requests went to %v", got)
	}

	g.down(false)
	g.instance("c", nil)
	g.wantShares("when Consul is back", 6, map[string]int{"a": 2, "b": 2, "c": 2})
	last := g.requests(http.MethodGet, "/v1/kv/")
	if got := last[len(last)-1].token; got != "a-secret-token" {
		t.Errorf("the latest question has the token %q, want the new one", got)
	}
}

// inForceWithin is how long a configuration takes to be known to be in force.
const inForceWithin = 100 * time.Millisecond

func TestOnlyWhatRunsAsks(t *testing.T) {
	g := newGateway(t)
	const proxy = "dynamic consul_kv web {\nstage a\n}\n"
	var config caddy.Config
	if err := json.Unmarshal(g.config(proxy), &config); err != nil {
		t.Fatal(err)
	}
	if err := caddy.Validate(&config); err != nil {
		t.Fatal(err)
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	listen := g.listen
	g.listen = taken.Addr().String()
	if err := g.load(proxy); err == nil {
		t.Fatal("it listens where somebody else does")
	}
	time.Sleep(3 * inForceWithin) // for what should not happen
	if asked := g.requests("", ""); len(asked) != 0 {
		t.Errorf("asked %v, want nothing", asked)
	}
	// beside one that runs too
	g.listen = listen
	g.instance("a", func(i *lease.Instance) { i.Stage = "a" })
	g.serve(proxy)
	g.wantShares("where one runs", 1, map[string]int{"a": 1})
	g.listen = taken.Addr().String()
	if err := g.load("dynamic consul_kv other"); err == nil {
		t.Fatal("it listens where somebody else does")
	}
	g.listen = listen
	time.Sleep(3 * inForceWithin)
	for _, asked := range g.requests("", "") {
		if !strings.Contains(asked.path, "/web/") {
			t.Errorf("asked for %s, want nothing of a configuration that failed", asked.path)
		}
	}
}

func TestFallBackToStaticUpstreams(t *testing.T) {
	g := newGateway(t)
	static := httptest.NewServer(says("static"))
	t.Cleanup(static.Close)
	g.serve("to " + static.Listener.Addr().String() + "\ndynamic consul_kv web {\nempty_after 50ms\n}")
	g.wantShares("when there are none", 2, map[string]int{"static": 2})
	g.instance("a", nil)
	g.wantShares("when there is one", 2, map[string]int{"a": 2})
}

// A transport speaks TLS to all upstreams or to none.
func TestOnlyInstancesThatTheTransportSpeaksTo(t *testing.T) {
	g := newGateway(t)
	g.instance("plain", nil)
	server := httptest.NewTLSServer(says("secure"))
	g.register("secure", server, func(i *lease.Instance) { i.Scheme = "https" })
	const policy = "\nlb_policy success_weighted {\nname web\n}"
	for _, policy := range []string{"\nlb_policy round_robin", policy} {
		g.serve("dynamic consul_kv web\ntransport http {\ntls_insecure_skip_verify\n}" + policy)
		g.wantShares("with TLS", 4, map[string]int{"secure": 4})
		g.serve("dynamic consul_kv web" + policy)
		g.wantShares("without TLS", 4, map[string]int{"plain": 4})
	}
	if s := g.shown("consul_kv:web"); s.WrongScheme != 1 || s.Used != 1 {
		t.Errorf("the admin API shows %+v, want one with the wrong scheme", s)
	}
}

func TestACacheFileServesAtTheStart(t *testing.T) {
	g := newGateway(t)
	g.instance("a", nil)
	proxy := "dynamic consul_kv web {\ncache_file " + filepath.Join(t.TempDir(), "web.json") + "\n}"
	g.serve(proxy)
	g.wantShares("at first", 1, map[string]int{"a": 1})
	g.eventually(func() bool { return g.shown("consul_kv:web").Answers > 0 }, func() string { return "there is no answer" })
	adapttest.Stop(t)
	g.down(true)
	g.serve(proxy)
	g.wantShares("from the cache", 5, map[string]int{"a": 5})
	if s := g.shown("consul_kv:web"); !s.FromCache || s.Up {
		t.Errorf("the admin API shows %+v, want the cache's", s)
	}
}

func TestServeFromTheCatalogue(t *testing.T) {
	g := newGateway(t)
	entry := func(id, status string, weight int) *api.ServiceEntry {
		i := g.instance(id, nil)
		return &api.ServiceEntry{
			Node:    &api.Node{Node: "node-" + id, Address: i.Address},
			Service: &api.AgentService{ID: id, Service: "web", Port: i.Port, Weights: api.AgentWeights{Passing: weight, Warning: 1}},
			Checks:  api.HealthChecks{{Status: status}},
		}
	}
	entries := []*api.ServiceEntry{entry("a", "passing", 3), entry("b", "warning", 5), entry("c", "critical", 1)}
	asked := make(chan string, 1000)
	g.setFault(func(w http.ResponseWriter, r *http.Request) bool {
		asked <- r.URL.String()
		if r.URL.Query().Has("index") {
			<-r.Context().Done()
			return true
		}
		shown := entries
		if r.URL.Query().Has("passing") {
			shown = entries[:1]
		}
		w.Header().Set("X-Consul-Index", "7")
		if err := json.NewEncoder(w).Encode(shown); err != nil {
			t.Error(err)
		}
		return true
	})
	const policy = "\nlb_policy success_weighted {\nname web\n}"
	g.serve("dynamic consul_service web {\ntag blue\n}" + policy)
	g.wantShares("with a warning", 8, map[string]int{"a": 6, "b": 2})
	if question := <-asked; !strings.HasPrefix(question, "/v1/health/service/web?") || !strings.Contains(question, "tag=blue") {
		t.Errorf("asked %s", question)
	}
	g.serve("dynamic consul_service web {\ntag blue\npassing\n}" + policy)
	g.wantShares("where only passing ones are wanted", 4, map[string]int{"a": 4})
	if s := g.shown("consul_service:web,tag=blue,passing"); s.Members[0].ID != "a@node-a" {
		t.Errorf("the admin API shows %+v", s)
	}
}
