package consul

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/weirproxy/weir/governance/livestate"
)

// Whoever asks without any option has the settings of the environment.
func TestModuleOfTheEnvironment(t *testing.T) {
	cleanEnvironment(t, "CONSUL_HTTP_ADDR=10.9.8.7:1")
	for name, config := range map[string]string{
		"without the app": `{"admin":{"disabled":true},"apps":{"weir_test_consul":{}}}`,
		"with the app":    `{"admin":{"disabled":true},"apps":{"weir_test_consul":{},"governance":{}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			asker.modules = nil
			var c caddy.Config
			if err := json.Unmarshal([]byte(config), &c); err != nil {
				t.Fatal(err)
			}
			if err := caddy.Validate(&c); err != nil {
				t.Fatal(err)
			}
			_, identity, err := Settings{}.connect()
			if err != nil {
				t.Fatal(err)
			}
			if m := asker.modules; len(m) != 2 || m[0] != m[1] || m[0].identity != identity || m[0].client == nil {
				t.Errorf("got %v", m)
			}
		})
	}
}

// asker is an app that asks for the module twice when it is provisioned.
var asker = new(askerApp)

type askerApp struct{ modules []*Consul }

func init() { caddy.RegisterModule(asker) }

func (*askerApp) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "weir_test_consul", New: func() caddy.Module { return asker }}
}

func (a *askerApp) Provision(ctx caddy.Context) error {
	for range 2 {
		c, err := moduleOf(ctx)
		if err != nil {
			return err
		}
		a.modules = append(a.modules, c)
	}
	return nil
}

func (*askerApp) Start() error { return nil }
func (*askerApp) Stop() error  { return nil }

// One id is for one instance of a service, and for one of another service or prefix.
func TestClash(t *testing.T) {
	one := Registration{Service: "a", Address: "a:1", ID: "i"}
	for want, others := range map[bool][]Registration{
		true: {{Service: "a", Address: "a:1"}, {Service: "a", Address: "a:2", ID: "i"}, {Service: "a", Address: "a:2", ID: "i", Prefix: "weir/services"}},
		false: {
			{Service: "a", Address: "a:2"}, {Service: "a", Address: "a:2", ID: "j"}, {Service: "b", Address: "a:1", ID: "i"},
			{Service: "a", Address: "a:2", ID: "i", Prefix: "other"},
		},
	} {
		for _, other := range others {
			if err := one.clash(other); (err != nil) != want {
				t.Errorf("with %+v: %v", other, err)
			}
		}
	}
	if err := (&Registration{Service: "a", Address: "a:1"}).clash(Registration{Service: "a", Address: "a:2"}); err != nil {
		t.Errorf("without an id: %v", err)
	}
}

// JSON says what is wrong, too.
func TestBadJSON(t *testing.T) {
	cleanEnvironment(t)
	for config, want := range map[string]string{
		`{"token":"{env.NOT_THERE}"}`:                                 "consul: token: a placeholder in it is unknown or has no value",
		`{"registrations":[{"address":"a:1"}]}`:                       "service is missing",
		`{"registrations":[{"service":"a"}]}`:                         "address is missing",
		`{"registrations":[null]}`:                                    "service is missing",
		`{"registrations":[{"service":"a","address":"a:1","ttl":1}]}`: "register a a:1: ttl 1ns is not between 10s",
		`{"registrations":[{"service":"a","address":"a:1"},{"service":"a","address":"a:1","weight":2}]}`:        "register a a:1: it is given twice",
		`{"registrations":[{"service":"a","address":"a:1","id":"i"},{"service":"a","address":"a:2","id":"i"}]}`: "register a a:2: id i is also that of a:1",
	} {
		err := caddy.Load([]byte(`{"admin":{"disabled":true},"apps":{"governance":{"consul":`+config+`}}}`), true)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want one with %q", err, want)
		}
	}
	if left := livestate.Default.List(); len(left) != 0 {
		t.Errorf("left in the registry: %v", left)
	}
}
