package consul

import (
	"encoding/json"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/weirproxy/weir/internal/adapttest"
)

func TestSourcesCaddyfile(t *testing.T) { adapttest.Run(t, "testdata") }

func TestSourcesDocumentation(t *testing.T) {
	adapttest.Page(t, "../../docs/modules/consul_kv.md")
	adapttest.Page(t, "../../docs/modules/consul_service.md")
}

// What the Caddyfile accepts, the JSON that it becomes must be accepted too.
func FuzzSourcesCaddyfile(f *testing.F) {
	for _, seed := range []string{
		"consul_kv web",
		"consul_kv web {\n\tprefix a/b\n\tstage a\n\tversion b\n\tzone c\n\tallow 10.0.0.0/8 ::1\n\tempty_after 1m\n\tmax_removal 30% 20s\n\tcache_file f\n\tcache_max_age 2d\n}",
		"consul_kv web {\n\tmax_removal NaN 1e9h\n}",
		"consul_kv \xff {\n\tallow fe80::1%eth0/64\n}",
		"consul_service web {\n\ttag \"a b\"\n\tpassing\n\tstage \"\"\n}",
		"consul_service a%2fb {\n\ttag {a}\n\t{\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, kind := range []func() sourceModule{
			func() sourceModule { return new(KVUpstreams) },
			func() sourceModule { return new(ServiceUpstreams) },
		} {
			parsed := kind()
			if parsed.UnmarshalCaddyfile(caddyfile.NewTestDispenser(text)) != nil {
				continue
			}
			encoded, err := json.Marshal(parsed)
			if err != nil {
				t.Fatal(err)
			}
			again := kind()
			if err := json.Unmarshal(encoded, again); err != nil {
				t.Fatal(err)
			}
			if err := check(again); err != nil {
				t.Errorf("the Caddyfile is accepted, but what it says is not: %v", err)
			}
			if parsed.label() != again.label() {
				t.Errorf("the name is %q and, as JSON, %q", parsed.label(), again.label())
			}
		}
	})
}

type sourceModule interface {
	query
	caddyfile.Unmarshaler
}
