package inforce

import (
	"encoding/json"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
)

// app calls Then when it is provisioned.
type app struct {
	// Fails has Start fail after Then had time to call too early.
	Fails bool `json:"fails"`
}

var called atomic.Int64

func init() { caddy.RegisterModule(new(app)) }

func (*app) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "weir_test_inforce", New: func() caddy.Module { return new(app) }}
}

func (*app) Provision(ctx caddy.Context) error {
	Then(ctx, func() { called.Add(1) })
	return nil
}

func (a *app) Start() error {
	if a.Fails {
		time.Sleep(3 * look)
		return errors.New("it will not start")
	}
	return nil
}

func (*app) Stop() error { return nil }

func config(fails string) []byte {
	return []byte(`{"admin":{"disabled":true,"config":{"persist":false}},"apps":{"weir_test_inforce":{"fails":` + fails + `}}}`)
}

func want(t *testing.T, when string, n int64) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); called.Load() < n && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(2 * look) // for what should not happen
	if got := called.Load(); got != n {
		t.Errorf("%s: called %d times, want %d", when, got, n)
	}
}

func TestThen(t *testing.T) {
	var validated caddy.Config
	if err := json.Unmarshal(config("false"), &validated); err != nil {
		t.Fatal(err)
	}
	if err := caddy.Validate(&validated); err != nil {
		t.Fatal(err)
	}
	want(t, "validated", 0)
	if err := caddy.Load(config("true"), true); err == nil {
		t.Fatal("it has loaded")
	}
	want(t, "failed", 0)
	t.Cleanup(func() { _ = caddy.Stop() })
	for n := range int64(2) {
		if err := caddy.Load(config("false"), true); err != nil {
			t.Fatal(err)
		}
		want(t, "loaded", n+1)
		if err := caddy.Load(config("true"), true); err == nil {
			t.Fatal("it has loaded")
		}
		want(t, "failed after one that runs", n+1)
	}
}
