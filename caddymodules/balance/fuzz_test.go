package balance

import (
	"encoding/json"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// Whatever a Caddyfile says, it is refused or becomes a configuration that JSON can
// say and whose settings are valid.
func FuzzUnmarshalCaddyfile(f *testing.F) {
	for _, seed := range []string{
		"success_weighted",
		"success_weighted 3 5",
		"success_weighted -1 NaN Inf 1e999",
		"success_weighted 1 {\n\tname shop\n\talpha 0.1\n\tfloor 5%\n\thalf_life 30s\n}",
		"success_weighted {\n\tslow_start 30s 10%\n\tfailure_status 5xx 429\n\tmax_ejected 0%\n}",
		"success_weighted {\n\teject_after off\n\teject_for 1s 30s\n\tretry_budget off\n}",
		"success_weighted {\n\tname {path}\n}",
		"success_weighted {\n\talpha {\n\t\tx\n\t}\n}",
		"success_weighted {\n\tbreaker {\n\t\twindow 10s\n\t\tslow_call 2s 80%\n\t\topen_for 5s 5m\n\t\tfailure_status 5xx 429\n\t\tdry_run\n\t}\n}",
		"success_weighted {\n\tbreaker {\n\t\tconsecutive off\n\t\tfailure_ratio off\n\t}\n\tbreaker x\n}",
		"success_weighted {\n\teject_for 30s 1s\n\tslow_start -1s 200%\n}",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p := new(Policy)
		if p.UnmarshalCaddyfile(caddyfile.NewTestDispenser(text)) != nil {
			return
		}
		for _, weight := range p.Weights {
			if !(weight >= 0) {
				t.Errorf("the weight %v is accepted", weight)
			}
		}
		if _, err := json.Marshal(p); err != nil {
			t.Error(err)
		}
		if _, err := p.settings(); err != nil {
			t.Errorf("the Caddyfile is accepted, but its settings are not: %v", err)
		}
	})
}
