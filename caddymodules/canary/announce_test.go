package canary

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"go.uber.org/zap/zapcore"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

func TestAnnouncement(t *testing.T) {
	h := kept(t, nil)
	repl := caddy.NewReplacer()
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r = caddyhttp.PrepareRequest(r, repl, httptest.NewRecorder(), &caddyhttp.Server{Logs: new(caddyhttp.ServerLogConfig)})
	r.Header["X-Release-Stage"] = []string{"stable", "forged"}
	for _, c := range []struct {
		stage  int
		reason string
	}{{1, reasonCookie}, {0, reasonFallback}} {
		h.announce(r, repl, c.stage, c.reason)
		name := h.Stages[c.stage].Name
		if got := repl.ReplaceAll("{http.canary.checkout.stage} {http.canary.checkout.reason}", ""); got != name+" "+c.reason {
			t.Errorf("placeholders say %q", got)
		}
		if got := r.Header["X-Release-Stage"]; !slices.Equal(got, []string{name}) {
			t.Errorf("the upstream is told %q", got)
		}
	}
	// another request's header is another slice: handlers change it in place
	other := r.Clone(context.Background())
	other.Header = make(http.Header)
	h.announce(other, repl, 0, reasonFallback)
	other.Header["X-Release-Stage"][0] = "changed"
	if got := r.Header.Get("X-Release-Stage"); got != "stable" {
		t.Errorf("one request's header changed that of another to %q", got)
	}
}

func TestAccessLog(t *testing.T) {
	h := kept(t, nil)
	field := h.announcer.told[1][reasonKey].field
	enc := zapcore.NewMapObjectEncoder()
	field.AddTo(enc)
	logged, _ := enc.Fields["canary_checkout"].(map[string]any)
	if logged["stage"] != "canary" || logged["reason"] != "key" {
		t.Errorf("the access log has %v", enc.Fields)
	}
}
