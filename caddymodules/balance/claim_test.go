package balance

import (
	"fmt"
	"testing"

	"github.com/weirproxy/weir/internal/freeport"
)

// twoSites is a Caddyfile for two sites that proxy to the same upstream.
func twoSites(t *testing.T, one, two string) string {
	t.Helper()
	of := func(options string) string {
		return fmt.Sprintf("http://%s {\n reverse_proxy 127.0.0.1:9 127.0.0.1:10 {\n lb_policy success_weighted %s\n}\n}\n", freeport.Address(t), options)
	}
	return of(one) + of(two)
}

func TestSameSettingsWrittenDifferentlyShareAPool(t *testing.T) {
	for _, tc := range []struct{ one, two string }{
		{"{\n name x\n}", "{\n name x\n alpha 0.1\n floor 5%\n half_life 30s\n eject_after 5\n eject_for 1s 30s\n max_ejected 50%\n retry_budget 20%\n}"},
		{"{\n name x\n}", "1 1 {\n name x\n}"},
		{"{\n name x\n}", "{\n name x\n failure_status 504 503 502 500 500\n}"},
		{"{\n name x\n slow_start 30s\n}", "{\n name x\n slow_start 30s 10%\n}"},
		{"{\n name x\n breaker\n}", "{\n name x\n breaker {\n window 10s\n min_calls 20\n failure_status 504 503 502 500\n open_for 5s 5m\n}\n}"},
		{"", "{\n floor 5%\n}"}, // without names both are named after their upstreams
	} {
		serve(t, twoSites(t, tc.one, tc.two))
	}
}

func TestDifferentSettingsAreRefused(t *testing.T) {
	for _, tc := range []struct {
		one, two string
		names    []string
	}{
		{"{\n name x\n alpha 0.2\n}", "{\n name x\n}", []string{`"x" is the name of`, `"alpha":0.2`}},
		{"1 2 {\n name x\n}", "2 1 {\n name x\n}", []string{`"weights":[1,2]`, `"weights":[2,1]`}},
		{"{\n name x\n failure_status 5xx\n}", "{\n name x\n}", []string{`"failure_status":[5]`}},
		{"{\n name x\n breaker\n}", "{\n name x\n}", []string{`"breaker":{}`}},
		{"{\n name x\n breaker\n}", "{\n name x\n breaker {\n consecutive 7\n}\n}", []string{`"breaker":{"consecutive":7}`}},
		{"{\n name x\n breaker\n}", "{\n name x\n breaker {\n failure_status 404\n}\n}", []string{`"breaker":{"failure_status":[404]}`}},
		{"", "{\n floor 7%\n}", []string{`"127.0.0.1:9,127.0.0.1:10" is the name of`, `"floor":0.07`, "another name"}},
	} {
		err := load(t, t.TempDir(), twoSites(t, tc.one, tc.two))
		if !contains(err, append(tc.names, "the reverse_proxy to 127.0.0.1:9, 127.0.0.1:10 with")...) {
			t.Errorf("%q and %q: error is %v, want one with %q", tc.one, tc.two, err, tc.names)
		}
	}
}
