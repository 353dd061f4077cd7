package canary

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// trusting is a handler that trusts 10.0.0.0/8 and fd00::/8, and its log.
func trusting(t *testing.T) (*Handler, *observer.ObservedLogs) {
	t.Helper()
	core, logs := observer.New(zap.WarnLevel)
	return &Handler{
		Name: "checkout", header: "X-Release-Stage", logger: zap.New(core),
		trust: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")},
	}, logs
}

// requestFrom is a request as Caddy has it after it has looked for the client.
func requestFrom(server *caddyhttp.Server, client string, viaTrusted bool, header http.Header) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header = header
	ctx := context.WithValue(r.Context(), caddyhttp.ServerCtxKey, server)
	return r.WithContext(context.WithValue(ctx, caddyhttp.VarsCtxKey, map[string]any{
		caddyhttp.ClientIPVarKey: client, caddyhttp.TrustedProxyVarKey: viaTrusted,
	}))
}

func TestWhoIsTrusted(t *testing.T) {
	lenient := &caddyhttp.Server{ClientIPHeaders: []string{"X-Forwarded-For"}}
	other := &caddyhttp.Server{ClientIPHeaders: []string{"Cf-Connecting-Ip", "X-Forwarded-For"}}
	strict := &caddyhttp.Server{ClientIPHeaders: []string{"X-Forwarded-For"}, TrustedProxiesStrict: 1}
	forwarded := func(value string) http.Header { return http.Header{"X-Forwarded-For": {value}} }
	for _, c := range []struct {
		name       string
		server     *caddyhttp.Server
		client     string
		viaTrusted bool
		header     http.Header
		want       bool
	}{
		{"itself", lenient, "10.1.2.3", false, nil, true},
		{"IPv6", lenient, "fd00::1", false, nil, true},
		{"IPv6 with a zone", lenient, "fd00::1%eth0", false, nil, true},
		{"IPv4 in IPv6", lenient, "::ffff:10.1.2.3", false, nil, true},
		{"another", lenient, "203.0.113.5", false, nil, false},
		{"a Unix socket", lenient, "@", false, nil, false},
		{"nobody", lenient, "", false, nil, false},
		{"behind an unknown proxy", lenient, "10.1.2.3", false, forwarded("10.9.9.9"), false},
		{"behind one that says Forwarded", lenient, "10.1.2.3", false, http.Header{"Forwarded": {"for=10.9.9.9"}}, false},
		{"behind one that says X-Real-IP", lenient, "10.1.2.3", false, http.Header{"X-Real-Ip": {"10.9.9.9"}}, false},
		{"behind one that says Via", lenient, "10.1.2.3", false, http.Header{"Via": {"1.1 proxy"}}, false},
		{"behind a known one that does not say who it is", lenient, "10.1.2.3", true, http.Header{"X-Real-Ip": {"203.0.113.5"}}, false},
		{"or says so elsewhere", lenient, "10.1.2.3", true, http.Header{"Forwarded": {"for=203.0.113.5"}}, false},
		{"or says that it does not know", strict, "10.1.2.3", true, forwarded("unknown"), false},
		{"or says it where Caddy looks", &caddyhttp.Server{ClientIPHeaders: []string{"X-Real-Ip"}}, "10.9.9.9", true, http.Header{"X-Real-Ip": {"10.9.9.9"}}, true},
		{"a known proxy itself", lenient, "10.1.2.3", true, nil, true},
		{"behind a known proxy", lenient, "10.1.2.3", true, forwarded("10.1.2.3"), true},
		{"several addresses, all trusted", lenient, "10.1.2.3", true, forwarded("10.1.2.3, 10.4.5.6:80"), true},
		{"with ports and IPv6", lenient, "fd00::1", true, forwarded("[fd00::1]:80,fd00::2"), true},
		{"an address that the client has put there", lenient, "10.1.2.3", true, forwarded("10.1.2.3, 203.0.113.5"), false},
		{"in a header of its own", lenient, "10.1.2.3", true, http.Header{"X-Forwarded-For": {"10.1.2.3", "203.0.113.5"}}, false},
		{"or no address", lenient, "10.1.2.3", true, forwarded("10.1.2.3, unknown"), false},
		{"in another header", other, "10.1.2.3", true, http.Header{"Cf-Connecting-Ip": {"10.1.2.3"}, "X-Forwarded-For": {"203.0.113.5"}}, false},
		{"where Caddy reads from the other end", strict, "10.1.2.3", true, forwarded("203.0.113.5, 10.1.2.3, 192.0.2.1"), true},
		{"where it does and finds another", strict, "203.0.113.5", true, forwarded("10.1.2.3, 203.0.113.5"), false},
		{"without a server", nil, "10.1.2.3", true, forwarded("10.1.2.3, 203.0.113.5"), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			h, _ := trusting(t)
			if got := h.trusts(requestFrom(c.server, c.client, c.viaTrusted, c.header)); got != c.want {
				t.Errorf("trusted: %v, want %v", got, c.want)
			}
		})
	}
}

func TestWarnsOfAnUnknownProxyOnce(t *testing.T) {
	h, logs := trusting(t)
	for range 3 {
		h.trusts(requestFrom(new(caddyhttp.Server), "10.1.2.3", false, http.Header{"X-Forwarded-For": {"10.9.9.9"}}))
	}
	entries := logs.TakeAll()
	if len(entries) != 1 || !strings.Contains(entries[0].Message, "trusted_proxies") {
		t.Errorf("logged %v, want one warning about trusted_proxies", entries)
	}
	h.trust = nil
	h.warned.Store(false)
	h.trusts(requestFrom(new(caddyhttp.Server), "10.1.2.3", false, http.Header{"X-Forwarded-For": {"10.9.9.9"}}))
	if entries := logs.TakeAll(); len(entries) != 0 {
		t.Errorf("logged %v, but nobody is trusted anyway", entries)
	}
}

// The gateway tells the client's address to Caddy's own rules, too: what the unit test
// takes for granted about Caddy, here it is.
func TestSpoofedAddressesThroughTheGateway(t *testing.T) {
	const options = "header {\n\t\t\ttrust 10.0.0.0/8 127.0.0.0/8 ::1\n\t\t}\n\t\tstage stable\n\t\tstage canary 0%"
	const known = "trusted_proxies static 127.0.0.1/32 ::1/128"
	for _, c := range []struct{ name, settings, forwarded, reason string }{
		{"directly", "", "", "header"},
		{"a client that says it is behind a proxy", "", "X-Forwarded-For: 10.1.2.3", "random"},
		{"through a known proxy", known, "X-Forwarded-For: 10.1.2.3", "header"},
		{"with an address put before", known, "X-Forwarded-For: 10.1.2.3, 203.0.113.5", "random"},
		{"strictly", behindProxy, "X-Forwarded-For: 203.0.113.5, 10.1.2.3", "header"},
		{"with an address put before, strictly", behindProxy, "X-Forwarded-For: 10.1.2.3, 203.0.113.5", "random"},
		{"through a known proxy that tells who it is where nobody looks", known, "X-Real-Ip: 203.0.113.5", "random"},
		{"and strictly", behindProxy, "X-Real-Ip: 203.0.113.5", "random"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := startGateway(t, c.settings, deciding(options))
			headers := []string{"X-Release-Stage: canary"}
			stage := "stable"
			if c.forwarded != "" {
				headers = append(headers, c.forwarded)
			}
			if c.reason == "header" {
				stage = "canary"
			}
			g.ask(t, "/", headers...).want(t, stage, c.reason)
		})
	}
}

// Of two releases that a request passes, the second does not take for the client's what the
// first has told the upstream.
func TestTwoReleasesOfOneHeader(t *testing.T) {
	const trust = "header {\n\t\t\ttrust 127.0.0.0/8 ::1\n\t\t}\n\t\tstage stable\n\t\t"
	g := startGateway(t, "", "route {\ncanary_route first {\n"+trust+"stage canary 100%\n}\n"+deciding(trust+"stage canary 0%")+"\n}")
	g.ask(t, "/").want(t, "stable", "random")
	g.ask(t, "/", "X-Release-Stage: canary").want(t, "stable", "random")
}

// What clients say about the headers that tell the upstream the stage, the upstream does not
// get to know, and it gets them whatever the client wants.
func TestForgetsWhatClientsSay(t *testing.T) {
	h := &Handler{header: "X-Stage"}
	for connection, want := range map[string]string{
		"keep-alive, Upgrade": "keep-alive, Upgrade",
		"x-stage":             "",
		"close, X-STAGE ,x-release-stage-fallback": "close",
		"X-Stage-Not, X-Stage":                     "X-Stage-Not",
	} {
		header := http.Header{"X-Stage": {"a", "b"}, "X-Release-Stage-Fallback": {"a"}, "Connection": {connection}, "X-Other": {"c"}}
		h.forgetClients(header)
		if got := header.Get("Connection"); got != want {
			t.Errorf("Connection: %s becomes %q, want %q", connection, got, want)
		}
		if len(header) != 2 || header.Get("X-Other") != "c" {
			t.Errorf("left are %v", header)
		}
	}
}
