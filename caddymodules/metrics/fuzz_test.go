package metrics

import (
	"encoding/json"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// Whatever a Caddyfile says, it is refused or becomes a configuration that JSON can
// say and that holds what the options promise.
func FuzzUnmarshalCaddyfile(f *testing.F) {
	for _, seed := range []string{
		"request_metrics",
		"request_metrics api",
		"request_metrics api {\n\tbuckets 0.1 1 10\n}",
		"request_metrics {path}",
		"request_metrics a b",
		"request_metrics \"\" {\n}",
		"request_metrics api {\n\tbuckets 1 {\n\t\tx\n\t}\n}",
		"request_metrics {\n\tbuckets NaN Inf -1 1e999 0x1p-2\n}",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		h := new(Handler)
		if h.UnmarshalCaddyfile(caddyfile.NewTestDispenser(text)) != nil {
			return
		}
		if err := checkRoute(h.Route); err != nil {
			t.Error(err)
		}
		if h.Buckets != nil {
			if err := checkBuckets(h.Buckets); err != nil {
				t.Error(err)
			}
		}
		if _, err := json.Marshal(h); err != nil {
			t.Error(err)
		}
	})
}
