package warmup

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"

	"github.com/weirproxy/weir/internal/adapttest"
)

func TestCaddyfile(t *testing.T) { adapttest.Run(t, "testdata") }

func TestDocumentation(t *testing.T) { adapttest.Page(t, "../../docs/modules/warm_up.md") }

// Whatever a Caddyfile says, it is refused or becomes a configuration that JSON can
// say and that is valid there, too.
func FuzzParseCaddyfile(f *testing.F) {
	for _, seed := range []string{
		"warm_up x",
		"warm_up x {\n\tramp\n}",
		"warm_up x {\n\tramp 5% 80% {\n\t\tfactor 1.5\n\t\tinterval 30s\n\t\tcomplete 99%\n\t}\n\tdry_run\n}",
		"warm_up x {\n\tready http://a/health {\n\t\tinterval 1s\n\t\ttimeout 1s\n\t}\n\thold 30s\n\tprobe 60s 1 10\n\tclimb 210s 10 200\n\tcache_hit 60% 70% X-Cache\n}",
		"warm_up {a} {\n\tramp NaN 1e999\n}",
		"warm_up x {\n\tprobe 1ns 1e-300 1e15\n}",
		"warm_up x {\n\tready ://\n\tramp {\n\t\tfactor 1e15\n\t\t{\n\t}\n}",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "fallback") {
			return // its directives are Caddy's own affair
		}
		handler, err := parseCaddyfile(httpcaddyfile.Helper{Dispenser: caddyfile.NewTestDispenser(text)})
		if err != nil {
			return
		}
		encoded, err := json.Marshal(handler)
		if err != nil {
			t.Fatal(err)
		}
		h := new(Handler)
		if err := json.Unmarshal(encoded, h); err != nil {
			t.Fatal(err)
		}
		if err := h.configure(); err != nil {
			t.Errorf("the Caddyfile is accepted, but what it says is not: %v", err)
		}
	})
}
