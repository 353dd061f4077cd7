package lease

import (
	"strings"
	"testing"
	"time"
)

func TestDefaults(t *testing.T) {
	s := Settings{Service: "web"}.withDefaults()
	if s.Prefix != "weir/services" || s.TTL != 10*time.Second || s.Drain != 5*time.Second || s.UpdateEvery != 5*time.Second || s.NodeChecks != nil || s.Logger == nil {
		t.Errorf("the defaults are %+v", s)
	}
	s.Logger.Error("goes nowhere")
}

func TestValidate(t *testing.T) {
	for _, good := range []Settings{
		{Service: "web"}, {Service: "web", Prefix: "a"}, {Service: "web.v2", Prefix: "a/b/c"}, {Service: "web", TTL: 24 * time.Hour},
		{Service: "web", Drain: -1}, {Service: "web", UpdateEvery: 100 * time.Millisecond},
	} {
		if err := good.Validate(); err != nil {
			t.Errorf("%+v: %v", good, err)
		}
	}
	for _, test := range []struct {
		Settings
		fault string
	}{
		{Settings{}, "service"},
		{Settings{Service: "a/b"}, "service"},
		{Settings{Service: ".."}, "service"},
		{Settings{Service: "a b"}, "service"},
		{Settings{Service: strings.Repeat("a", 129)}, "service"},
		{Settings{Service: "web", Prefix: "/a"}, "prefix"},
		{Settings{Service: "web", Prefix: "a/"}, "prefix"},
		{Settings{Service: "web", Prefix: "a//b"}, "prefix"},
		{Settings{Service: "web", Prefix: "a/../b"}, "prefix"},
		{Settings{Service: "web", TTL: 9 * time.Second}, "ttl"},
		{Settings{Service: "web", TTL: -1}, "ttl"},
		{Settings{Service: "web", TTL: 25 * time.Hour}, "ttl"},
		{Settings{Service: "web", Drain: 2 * time.Hour}, "drain"},
		{Settings{Service: "web", UpdateEvery: time.Millisecond}, "update"},
		{Settings{Service: "web", UpdateEvery: -1}, "update"},
	} {
		if err := test.Validate(); err == nil || !strings.Contains(err.Error(), test.fault) {
			t.Errorf("%+v: %v; its %s is wrong", test.Settings, err, test.fault)
		}
	}
}
