package openapi

// standalone_test.go holds what judges requests without a running Caddy: allocations, benchmarks and fuzzing.

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/weirproxy/weir/governance/contract"
	"github.com/weirproxy/weir/governance/contract/document"
	"github.com/weirproxy/weir/governance/contract/schema"
	"github.com/weirproxy/weir/internal/exchange"
)

// standalone is a handler for a document, with options as in a Caddyfile.
func standalone(t testing.TB, text, options string) *Handler {
	t.Helper()
	h := new(Handler)
	if err := h.UnmarshalCaddyfile(caddyfile.NewTestDispenser(contractOf("pets.yaml", options))); err != nil {
		t.Fatal(err)
	}
	if err := h.configure(); err != nil {
		t.Fatal(err)
	}
	doc, err := document.Load(t.Context(), document.Source{Location: "file:///pets.yaml", Data: []byte(text)})
	if err != nil {
		t.Fatal(err)
	}
	compiled, err := contract.Compile(doc, h.trackSettings().Compile)
	if err != nil {
		t.Fatal(err)
	}
	h.logger, h.by = zap.NewNop(), "openapi_contract pets"
	h.plans, h.live, h.track = new(plans), newLive("pets"), new(track)
	h.track.current.Store(&generation{revision: revision{number: 1}, contract: compiled})
	return h
}

// nothing is a writer that costs nothing.
type nothing struct{ header http.Header }

func (n nothing) Header() http.Header         { return n.header }
func (n nothing) Write(p []byte) (int, error) { return len(p), nil }
func (n nothing) WriteHeader(int)             {}

func (n nothing) SetReadDeadline(time.Time) error { return nil }

// inside calls do with a request that another handler of weir has been at already.
func inside(r *http.Request, do func(w http.ResponseWriter, r *http.Request)) {
	w := nothing{make(http.Header)}
	r = caddyhttp.PrepareRequest(r, caddy.NewReplacer(), w, new(caddyhttp.Server))
	_ = exchange.From(r).Serve(w, r, caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		do(w, r)
		return nil
	}))
}

var next = caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error { w.WriteHeader(200); return nil })

// rewound is a request's body that can be read again.
type rewound struct{ *strings.Reader }

func (rewound) Close() error { return nil }

const rex = `{"name":"Rex","age":3}`

// again makes r a request that comes in, with a body if it has one.
func again(r *http.Request, body rewound) {
	if r.Method == http.MethodPost {
		body.Seek(0, io.SeekStart)
		r.Body, r.ContentLength = body, int64(len(rex))
	}
}

// What judging costs is the contract's affair; the handler adds little to it.
func TestAllocations(t *testing.T) {
	for _, tt := range []struct {
		name, options, method, target string
		most                          float64 // besides those of the contract
	}{
		{"unknown path", "", "GET", "/cats", 0},
		{"skipped", "skip getPet", "GET", "/pets/7", 0},
		{"no parameters", "", "GET", "/live", 0},
		// with the race detector, which empties pools now and then, there are a few more than without
		{"a path parameter", "", "GET", "/pets/7", 1},
		{"a body", "", "POST", "/pets", 6},                     // 2: its text, and what replays it
		{"an answer", "responses report", "PUT", "/pets/7", 2}, // 1: its writer
	} {
		h := standalone(t, petsDocument, tt.options)
		inside(httptest.NewRequest(tt.method, tt.target, nil), func(w http.ResponseWriter, r *http.Request) {
			r.Header.Set("Content-Type", "application/json")
			body := rewound{strings.NewReader(rex)}
			var m contract.Match
			rep := new(schema.Report)
			alone := testing.AllocsPerRun(500, func() {
				again(r, body)
				h.track.generation().contract.Match(r.Method, r.URL.EscapedPath(), &m)
				if m.Operation == nil || tt.options == "skip getPet" {
					return
				}
				m.Head(r, rep)
				if check, verdict := m.Operation.RequestBody(r); verdict == contract.Check {
					check.Check([]byte(rex), r.Header, rep)
				}
			})
			whole := testing.AllocsPerRun(500, func() {
				again(r, body)
				if err := h.ServeHTTP(w, r, next); err != nil {
					t.Fatal(err)
				}
			})
			if whole > alone+tt.most {
				t.Errorf("%s: %v allocations, %v of them the contract's; want at most %v besides", tt.name, whole, alone, tt.most)
			}
		})
	}
}

func BenchmarkHandler(b *testing.B) {
	for _, bench := range []struct{ name, options, method, target string }{
		{"unknown_path", "", "GET", "/cats"},
		{"no_parameters", "", "GET", "/live"},
		{"parameters", "", "GET", "/pets?limit=7"},
		{"body", "", "POST", "/pets"},
		{"responses=report", "responses report", "GET", "/live"},
	} {
		b.Run(bench.name, func(b *testing.B) {
			h := standalone(b, petsDocument, bench.options)
			r := httptest.NewRequest(bench.method, bench.target, nil)
			r.Header.Set("Content-Type", "application/json")
			body := rewound{strings.NewReader(rex)}
			inside(r, func(w http.ResponseWriter, r *http.Request) {
				b.ReportAllocs()
				for b.Loop() {
					again(r, body)
					_ = h.ServeHTTP(w, r, next)
				}
			})
		})
	}
}

// Nothing that a client can send makes the handler panic, and what passes is what was sent.
func FuzzHandler(f *testing.F) {
	f.Add("POST", "/pets", "limit=1", "application/json", "", []byte(rex))
	f.Add("PUT", "/pets/%37", "", "application/x-www-form-urlencoded", "gzip", []byte("name=Rex"))
	f.Add("GET", "/pets//..", "a[b]=c&a", "multipart/form-data; boundary=x", "br", []byte("--x"))
	f.Add("OPTIONS", "/live", "%zz", "text/event-stream", "zstd, gzip", []byte{})
	handlers := []*Handler{
		standalone(f, petsDocument, "unknown_path 404\nunknown_method 405\nstrict_query\nstrict_headers\nmax_body 1KiB\nresponses enforce"),
		standalone(f, petsDocument, "mode report\necho_values\nresponses report\nmax_body 100B"),
	}
	f.Fuzz(func(t *testing.T, method, path, query, contentType, coding string, body []byte) {
		for _, h := range handlers {
			r := &http.Request{
				Method: method, URL: &url.URL{Path: path, RawQuery: query}, ProtoMajor: 1, ProtoMinor: 1,
				Header: http.Header{"Content-Type": {contentType}, "Content-Encoding": {coding}},
				Body:   io.NopCloser(strings.NewReader(string(body))), ContentLength: -1,
			}
			if unescaped, err := url.PathUnescape(path); err == nil {
				r.URL.Path, r.URL.RawPath = unescaped, path
			}
			inside(r, func(w http.ResponseWriter, r *http.Request) {
				_ = h.ServeHTTP(w, r, caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
					if got, err := io.ReadAll(r.Body); err != nil || string(got) != string(body) {
						t.Errorf("%q became %q, %v", body, got, err)
					}
					w.Header().Set("Content-Type", contentType)
					w.Header().Set("Content-Encoding", coding)
					_, err := w.Write(body)
					return err
				}))
			})
		}
	})
}

func FuzzCaddyfile(f *testing.F) {
	for _, seed := range []string{"mode report\nresponses report 5%", "max_body 1MiB listPets", "limits {\n depth 3\n}", "lenient_json duplicate_keys", "refresh off\nlazy"} {
		f.Add("pets", "https://example.com/pets.yaml", seed)
	}
	f.Fuzz(func(t *testing.T, name, source, options string) {
		h := new(Handler)
		d := caddyfile.NewTestDispenser(fmt.Sprintf("openapi_contract %s %s {\n%s\n}", name, source, options))
		if h.UnmarshalCaddyfile(d) != nil {
			return
		}
		if err := h.configure(); err != nil {
			t.Errorf("what the Caddyfile takes is refused later: %v", err)
		}
	})
}
