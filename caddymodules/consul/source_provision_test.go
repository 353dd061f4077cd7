package consul

// source_provision_test.go has what is decided before anything is asked.

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/weirproxy/weir/governance/lease"
	"github.com/weirproxy/weir/governance/livestate"
)

func TestSourcesInConflict(t *testing.T) {
	g := newGateway(t)
	t.Chdir(t.TempDir())
	for _, test := range []struct{ first, second, want string }{
		{"cache_file web.json", "cache_file web.json", ""}, // one source
		{"", "empty_after 1m", `what those are chosen by: same name with different settings: "consul_kv:web" is the name of`},
		{"cache_file web.json", "stage a\ncache_file ./web.json", "web.json is also that of another source"},
	} {
		first := g.config("dynamic consul_kv web {\n" + test.first + "\n}")
		second := g.config("dynamic consul_kv web {\n" + test.second + "\n}")
		merged := strings.Replace(string(first), `"routes": [`, `"routes": [`+routeOf(t, second)+`,`, 1)
		err := caddy.Load([]byte(merged), true)
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%q and %q: the error is %v, want %q", test.first, test.second, err, test.want)
		}
		if err := caddy.Stop(); err != nil {
			t.Fatal(err)
		}
	}
	if left := livestate.Default.List(); len(left) != 0 {
		t.Errorf("left in the registry: %v", left)
	}
}

// A tag that reads like an option must not have two sources of others share a watch.
func TestTagsThatLookLikeOptions(t *testing.T) {
	g := newGateway(t)
	first, second := g.config("dynamic consul_service web {\ntag a,passing\n}"), g.config("dynamic consul_service web {\ntag a\npassing\n}")
	merged := strings.Replace(string(first), `"routes": [`, `"routes": [`+routeOf(t, second)+`,`, 1)
	err := caddy.Load([]byte(merged), true)
	if err == nil || !strings.Contains(err.Error(), `"consul_service:web,tag=a,passing" is the name of`) {
		t.Errorf("the error is %v", err)
	}
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
}

// routeOf returns the only route of a configuration.
func routeOf(t *testing.T, config []byte) string {
	t.Helper()
	var decoded struct {
		Apps struct {
			HTTP struct {
				Servers map[string]struct{ Routes []json.RawMessage }
			}
		}
	}
	if err := json.Unmarshal(config, &decoded); err != nil {
		t.Fatal(err)
	}
	return string(decoded.Apps.HTTP.Servers["srv0"].Routes[0])
}

// The names of sources are labels of metrics and parts of URLs.
func TestNames(t *testing.T) {
	full := Discovery{Stage: "s", Version: "v", Zone: "z", EmptyAfter: 1}
	for want, q := range map[string]query{
		"consul_kv:web": &KVUpstreams{Service: "web", Prefix: lease.DefaultPrefix},
		"consul_kv:web,prefix=a/b,stage=s,version=v,zone=z": &KVUpstreams{Service: "web", Prefix: "a/b", Discovery: full},
		"consul_service:web": &ServiceUpstreams{Service: "web"},
		"consul_service:web,tag=t,passing,stage=s,version=v,zone=z": &ServiceUpstreams{Service: "web", Tag: "t", Passing: true, Discovery: full},
	} {
		if got := q.label(); got != want {
			t.Errorf("the name is %q, want %q", got, want)
		}
		if where, err := place(q); err != nil || !strings.HasPrefix(where, "the dynamic consul_") || !strings.Contains(where, `"service":"web"`) {
			t.Errorf("the place is %s, %v", where, err)
		}
	}
}

func TestTheSourcesNeedNoProxy(t *testing.T) {
	if tls, static := proxyOf(caddy.Context{}); tls || static {
		t.Error("without a proxy there is TLS, or an upstream to fall back to")
	}
	if err := new(KVUpstreams).Cleanup(); err != nil {
		t.Errorf("cleaning up what was not provisioned: %v", err)
	}
}

// What the Caddyfile refuses, JSON must not slip in.
func TestProvisionChecksTheSettings(t *testing.T) {
	ctx, cancel := caddy.NewContext(caddy.Context{Context: t.Context()})
	defer cancel()
	u := &ServiceUpstreams{Service: "web", Discovery: Discovery{MaxRemoval: 2}}
	if err := u.Provision(ctx); err == nil || !strings.Contains(err.Error(), "dynamic consul_service:web: max_removal") {
		t.Errorf("the error is %v", err)
	}
}
