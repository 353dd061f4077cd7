package consul

// source_fixture_test.go runs configurations with sources of upstreams in a Caddy inside
// the test process, in front of a fake Consul and of servers that say who they are.

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/weirproxy/weir/caddymodules/balance"
	"github.com/weirproxy/weir/governance/lease"
	"github.com/weirproxy/weir/governance/livestate"
	"github.com/weirproxy/weir/internal/adapttest"
	"github.com/weirproxy/weir/internal/freeport"
)

// gateway is a Caddy whose Consul is a fake one.
type gateway struct {
	*fakeConsul
	t      *testing.T
	server *httptest.Server
	listen string
}

func newGateway(t *testing.T) *gateway {
	t.Helper()
	g := &gateway{fakeConsul: newFakeConsul(), t: t, listen: freeport.Address(t)}
	g.server = httptest.NewServer(g.fakeConsul)
	t.Cleanup(func() { g.server.CloseClientConnections(); g.server.Close() })
	t.Setenv("CONSUL_HTTP_ADDR", g.server.Listener.Addr().String())
	t.Setenv("CONSUL_HTTP_TOKEN", "")
	return g
}

// down makes Consul hang up on all questions, those that wait too; false mends it.
func (g *gateway) down(is bool) {
	if !is {
		g.setFault(nil)
		return
	}
	g.setFault(func(w http.ResponseWriter, _ *http.Request) bool {
		if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
			conn.Close()
		}
		return true
	})
	g.server.CloseClientConnections()
}

// config is the JSON for one site with a proxy of these options.
func (g *gateway) config(proxy string) []byte {
	g.t.Helper()
	adapted, err := adapttest.Adapt(fmt.Sprintf("{\nadmin off\npersist_config off\nauto_https off\n}\nhttp://%s {\nreverse_proxy {\n%s\n}\n}\n", g.listen, proxy))
	if err != nil {
		g.t.Fatalf("adapting: %v", err)
	}
	return []byte(adapted)
}

// load has Caddy run a proxy of these options until the test ends.
func (g *gateway) load(proxy string) error {
	g.t.Helper()
	err := adapttest.Load(g.config(proxy))
	g.t.Cleanup(func() {
		adapttest.Stop(g.t)
	})
	return err
}

func (g *gateway) serve(proxy string) {
	g.t.Helper()
	if err := g.load(proxy); err != nil {
		g.t.Fatalf("loading: %v", err)
	}
}

// instance is a server that answers with its id, registered as changed by change.
func (g *gateway) instance(id string, change func(*lease.Instance)) lease.Instance {
	g.t.Helper()
	return g.register(id, httptest.NewServer(says(id)), change)
}

func (g *gateway) register(id string, server *httptest.Server, change func(*lease.Instance)) lease.Instance {
	g.t.Helper()
	g.t.Cleanup(server.Close)
	host, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		g.t.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		g.t.Fatal(err)
	}
	i := lease.Instance{ID: id, Address: host, Port: number, Weight: 1, StartedAt: time.Now().Add(-2 * time.Hour)}
	if change != nil {
		change(&i)
	}
	g.putInstance(g.t, lease.DefaultPrefix, "web", i)
	return i
}

func says(id string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, id) })
}

func (g *gateway) update(i lease.Instance) { g.putInstance(g.t, lease.DefaultPrefix, "web", i) }

func (g *gateway) gone(id string) { g.remove(lease.DefaultPrefix + "/web/" + id) }

var proxyClient = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}

// get returns who answers, or the status if it is not 200.
func (g *gateway) get() string {
	g.t.Helper()
	response, err := proxyClient.Get("http://" + g.listen)
	// After a reload, the listener of the old configuration accepts for a moment what it
	// then drops, before anyone has seen a request.
	for deadline := time.Now().Add(30 * time.Second); err != nil && time.Now().Before(deadline); {
		response, err = proxyClient.Get("http://" + g.listen)
	}
	if err != nil {
		g.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		g.t.Fatal(err)
	}
	if response.StatusCode != http.StatusOK {
		return strconv.Itoa(response.StatusCode)
	}
	return string(body)
}

// shares returns how often who answered, of n requests.
func (g *gateway) shares(n int) map[string]int {
	g.t.Helper()
	count := make(map[string]int)
	for range n {
		count[g.get()]++
	}
	return count
}

// wantShares waits until of n requests as many are answered by each as are wanted.
func (g *gateway) wantShares(when string, n int, want map[string]int) {
	g.t.Helper()
	var got map[string]int
	g.eventually(func() bool {
		got = g.shares(n)
		return fmt.Sprint(got) == fmt.Sprint(want)
	}, func() string { return fmt.Sprintf("%s the requests went to %v, want %v", when, got, want) })
}

func (g *gateway) eventually(is func() bool, told func() string) {
	g.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			g.t.Fatal(told())
		}
	}
}

// shown returns what the admin API tells of a source.
func (g *gateway) shown(name string) discoveryDetail {
	g.t.Helper()
	var held livestate.Held
	var err error
	g.eventually(func() bool {
		held, err = livestate.Default.Get(livestate.Key{Kind: discoveryKind, Name: name})
		return err == nil
	}, func() string { return err.Error() })
	detail := held.View.(livestate.Detailed).Detail()
	if text, err := json.Marshal(detail); err != nil || strings.Contains(string(text), "secret") {
		g.t.Errorf("the admin API shows %s, %v", text, err)
	}
	return detail.(discoveryDetail)
}
