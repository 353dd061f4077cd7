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

// JSON says what is wrong, too.
func TestBadJSON(t *testing.T) {
	cleanEnvironment(t)
	for config, want := range map[string]string{
		`{"token":"{env.NOT_THERE}"}`:                                 "consul: token: a placeholder in it is unknown or has no value",
		`{"registrations":[{"address":"a:1"}]}`:                       "service is missing",
		`{"registrations":[{"service":"a"}]}`:                         "address is missing",
		`{"registrations":[null]}`:                                    "service is missing",
		`{"registrations":[{"service":"a","address":"a:1","ttl":1}]}`: "register a a:1: ttl 1ns is not between 10s",
		`{"registrations":[{"service":"a","address":"a:1"},{"service":"a","address":"a:1","weight":2}]}`: "register a a:1: it is given twice",
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
