package trace

// server_test.go runs Caddy itself, on Unix sockets.

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/weirproxy/weir/internal/adapttest"
)

// withSite runs the site while do uses its client.
func withSite(t *testing.T, site string, do func(client *http.Client)) {
	t.Helper()
	// The path of a Unix socket is limited to about a hundred bytes.
	dir, err := os.MkdirTemp("", "trace")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	socket := filepath.Join(dir, "s")
	config, err := adapttest.Adapt("{\n\tadmin off\n\tpersist_config off\n}\nhttp:// {\n\tbind unix/" + socket + "\n" + site + "\n}\n")
	if err != nil {
		t.Fatal(err)
	}
	if err := caddy.Load([]byte(config), true); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := caddy.Stop(); err != nil {
			t.Error(err)
		}
	}()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}
	defer transport.CloseIdleConnections()
	do(&http.Client{Transport: transport})
}

// One id reaches the upstream, the client, the access log and an error's answer.
func TestThroughCaddy(t *testing.T) {
	t.Setenv("OTEL_TRACES_EXPORTER", "none")
	t.Setenv("OTEL_PROPAGATORS", "")
	received := make(chan http.Header, 1)
	upstream := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		received <- r.Header.Clone()
	}))
	defer upstream.Close()
	for _, tracing := range []bool{false, true} {
		log := filepath.Join(t.TempDir(), "access.log")
		site := `	log {
		output file ` + log + `
	}
	trace_context {
		emit w3c b3
		response_header X-Trace-Id
	}
	handle /refused {
		error 403
	}
	handle {
		reverse_proxy ` + upstream.Listener.Addr().String() + `
	}`
		if tracing {
			site += "\n\ttracing"
		}
		var ids []string
		withSite(t, site, func(client *http.Client) {
			for _, in := range []http.Header{{}, {"Traceparent": {inParent}}} {
				id := send(t, client, "/", in)
				if len(in) > 0 && id != inTraceID {
					t.Errorf("tracing %t: trace id %s, sent %s", tracing, id, inTraceID)
				}
				if got := upstreamIDs(<-received); got["traceparent"] != id || got["b3"] != id {
					t.Errorf("tracing %t: the client is told %s, the upstream %v", tracing, id, got)
				}
				ids = append(ids, id, send(t, client, "/refused", in))
			}
		})
		requireLogged(t, log, ids)
	}
}

// Weir behind weir: the upstream sends the header too, and the client gets it once;
// and a client that names trace headers in Connection does not keep them from the
// upstream.
func TestThroughReverseProxy(t *testing.T) {
	received := make(chan http.Header, 1)
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		received <- r.Header.Clone()
		w.Header().Set("X-Trace-Id", "the upstream's own")
		if r.Header.Get("Upgrade") != "" {
			w.Header().Set("Connection", "Upgrade")
			w.Header().Set("Upgrade", "echo")
			w.WriteHeader(http.StatusSwitchingProtocols)
			return
		}
		if r.URL.Path == "/hints" {
			w.WriteHeader(http.StatusEarlyHints)
		}
		w.WriteHeader(http.StatusTeapot)
	}))
	defer upstream.Close()
	site := `	trace_context {
		emit w3c b3 b3multi
		response_header X-Trace-Id
	}
	reverse_proxy ` + upstream.Listener.Addr().String()
	withSite(t, site, func(client *http.Client) {
		for _, tt := range []struct {
			path   string
			header http.Header
			status int
		}{
			{"/", nil, http.StatusTeapot},
			{"/hints", nil, http.StatusTeapot},
			{"/", http.Header{"Connection": {"Upgrade"}, "Upgrade": {"echo"}}, http.StatusSwitchingProtocols},
			{"/", http.Header{"Connection": {"traceparent, b3", "X-B3-TraceId"}}, http.StatusTeapot},
		} {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://example.com"+tt.path, nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header = tt.header
			response, err := client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
			ids := upstreamIDs(<-received)
			if got := response.Header["X-Trace-Id"]; response.StatusCode != tt.status || len(got) != 1 || got[0] != ids["traceparent"] {
				t.Errorf("%s %v: status %d, the client is told %q, the upstream %v", tt.path, tt.header, response.StatusCode, got, ids)
			}
			if len(ids) != 3 || ids["b3"] != ids["traceparent"] || ids["b3multi"] != ids["traceparent"] {
				t.Errorf("%s %v: the upstream gets %v", tt.path, tt.header, ids)
			}
		}
	})
}

// A site that answers nothing leaves it to net/http, which sends the header too.
func TestResponseHeaderOfAnEmptySite(t *testing.T) {
	withSite(t, "\ttrace_context {\n\t\tresponse_header X-Trace-Id\n\t}", func(client *http.Client) {
		response, err := client.Get("http://example.com/")
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if got := response.Header["X-Trace-Id"]; len(got) != 1 {
			t.Errorf("got %q", got)
		}
	})
}

// send returns the trace id that the client is told, which problem details repeat.
func send(t *testing.T, client *http.Client, path string, header http.Header) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://example.com"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header = header.Clone()
	response, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	id := response.Header.Get("X-Trace-Id")
	if response.StatusCode >= 400 {
		var problem struct {
			TraceID string `json:"trace_id"`
		}
		if err := json.Unmarshal(body, &problem); err != nil || problem.TraceID != id || id == "" {
			t.Errorf("status %d, trace id %q, answer %s (%v)", response.StatusCode, id, body, err)
		}
	}
	return id
}

// requireLogged checks the access log, which is complete once the server stopped.
func requireLogged(t *testing.T, log string, ids []string) {
	t.Helper()
	content, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	var logged []string
	for line := range strings.Lines(string(content)) {
		var entry struct {
			TraceID string `json:"trace_id"`
		}
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		logged = append(logged, entry.TraceID)
	}
	if !slices.Equal(logged, ids) {
		t.Errorf("logged %q, want %q", logged, ids)
	}
}
