package trace

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/weirproxy/weir/internal/adapttest"
)

func TestAdapt(t *testing.T) { adapttest.Run(t, "testdata") }

// What the Caddyfile says survives JSON, field by field.
func TestCaddyfileAndJSONSayTheSame(t *testing.T) {
	h := new(Handler)
	err := h.UnmarshalCaddyfile(caddyfile.NewTestDispenser(`trace_context {
		accept b3 w3c
		emit w3c b3 b3multi
		trust private_ranges 192.0.2.7 2001:db8::/32
		response_header X-Trace-Id
	}`))
	if err != nil {
		t.Fatal(err)
	}
	want := &Handler{
		Accept:         []string{"b3", "w3c"},
		Emit:           []string{"w3c", "b3", "b3multi"},
		Trust:          []string{"private_ranges", "192.0.2.7", "2001:db8::/32"},
		ResponseHeader: "X-Trace-Id",
	}
	if !reflect.DeepEqual(h, want) {
		t.Fatalf("got %+v, want %+v", h, want)
	}
	encoded, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	back := new(Handler)
	if err := json.Unmarshal(encoded, back); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(back, want) {
		t.Errorf("%s reads as %+v", encoded, back)
	}
}

func FuzzUnmarshalCaddyfile(f *testing.F) {
	f.Add("trace_context {\n\taccept w3c b3\n\temit w3c\n\ttrust any\n\tresponse_header X-Trace-Id\n}")
	f.Add("trace_context {\n\ttrust 10.0.0.0/8 fe80::1%eth0\n}")
	f.Add("trace_context x {\n\taccept {\n\t}\n}")
	f.Fuzz(func(t *testing.T, input string) {
		h := new(Handler)
		if h.UnmarshalCaddyfile(caddyfile.NewTestDispenser(input)) != nil {
			return
		}
		if err := h.Provision(newContext(t)); err != nil {
			t.Fatalf("%q is accepted, but not provisioned: %v", input, err)
		}
	})
}
