package breaker

import (
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// Whatever a Caddyfile says, it is refused or makes a handler that can be provisioned.
func FuzzUnmarshalCaddyfile(f *testing.F) {
	for _, seed := range []string{
		"breaker checkout",
		"breaker a b",
		"breaker a {\n\twindow 10s\n\tmin_calls 20\n\tfailure_ratio 50%\n\tconsecutive off\n}",
		"breaker a {\n\tslow_call 2s 80%\n\topen_for 5s 5m\n\tprobes 3\n\tprobe_timeout 10s\n\trecover_over off\n}",
		"breaker a {\n\tmax_concurrent 100\n\tfailure_status 5xx 429 4\n\tdry_run\n}",
		"breaker a {\n\tfallback {\n\t\trespond x\n\t}\n\tfallback_on_failure {\n\t\tmax_body 64KiB\n\t\tnon_idempotent\n\t}\n}",
		"breaker a {\n\twindow 1ns\n\tslow_call 1ns\n\topen_for 1ns\n}",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		h := new(Handler)
		fallback, err := h.unmarshal(caddyfile.NewTestDispenser(text))
		if err != nil {
			return
		}
		if fallback != nil {
			h.FallbackRaw = []byte("{}")
		}
		if err := h.check(); err != nil {
			t.Errorf("%q is accepted, but not provisioned: %v", text, err)
		}
	})
}
