package consul

import (
	"encoding/json"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	_ "github.com/weirproxy/weir/caddymodules/balance" // for the golden files that name its policy
	_ "github.com/weirproxy/weir/caddymodules/governance"
	"github.com/weirproxy/weir/internal/adapttest"
)

func TestDocumentation(t *testing.T) { adapttest.Page(t, "../../docs/modules/consul.md") }

// Whatever a Caddyfile says, it is refused or becomes a configuration that JSON can say
// and that is valid there, too.
func FuzzRegisterCaddyfile(f *testing.F) {
	for _, seed := range []string{
		"consul",
		"consul https://a:1 {\n\ttoken {env.A}\n\tdatacenter b\n\ttls_ca c\n\ttls_cert d\n\ttls_key e\n\ttls_server_name f\n}",
		"consul unix:///a {\n\ttoken_file b\n\tnamespace c\n\tpartition d\n}",
		"consul http://a:b@c/d?e#f",
		"register web 10.0.1.5:8080",
		"register web [::1]:8080 {\n\tid a\n\tttl 10s\n\tweight 1\n\tdrain 0\n\tscheme h2c\n\tstage b\n\tversion c\n\tzone d\n\tprefix e/f\n}",
		"register {a} 127.1:0 {\n\tweight NaN\n\tdrain -0s\n\tttl 1e9h\n}",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d := caddyfile.NewTestDispenser(text)
		if !d.Next() {
			return
		}
		c := new(Consul)
		if c.UnmarshalCaddyfile(d) != nil {
			return
		}
		encoded, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		c = new(Consul)
		if err := json.Unmarshal(encoded, c); err != nil {
			t.Fatal(err)
		}
		if err := c.Settings.Validate(); err != nil {
			t.Errorf("the Caddyfile is accepted, but what it says is not: %v", err)
		}
		for _, r := range c.Registrations {
			if err := r.Validate(); err != nil {
				t.Errorf("the Caddyfile is accepted, but what it says is not: %v", err)
			}
		}
	})
}
