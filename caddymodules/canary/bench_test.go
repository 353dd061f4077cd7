package canary

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// nobody is a writer that costs nothing.
type nobody struct{ header http.Header }

func (n nobody) Header() http.Header         { return n.header }
func (n nobody) Write(p []byte) (int, error) { return len(p), nil }
func (n nobody) WriteHeader(int)             {}

// arrived is a request as Caddy hands it to handlers, with the headers that browsers send.
func arrived(change func(http.Header)) (*http.Request, *caddy.Replacer) {
	r := httptest.NewRequest(http.MethodGet, "/checkout/cart", nil)
	r.Header = http.Header{
		"Accept": {"text/html"}, "Accept-Encoding": {"gzip, br"}, "Accept-Language": {"en"}, "User-Agent": {"Mozilla/5.0"},
		"Cookie": {"session=0123456789abcdef; consent=yes"},
	}
	change(r.Header)
	repl := caddy.NewReplacer()
	r = caddyhttp.PrepareRequest(r, repl, nobody{make(http.Header)}, new(caddyhttp.Server))
	caddyhttp.SetVar(r.Context(), caddyhttp.ClientIPVarKey, "10.1.2.3")
	return r, repl
}

// ways are requests that are decided each in another way, and the handler that does.
func ways(t testing.TB) (h *Handler, by map[string]func(http.Header)) {
	t.Helper()
	h = kept(t, func(h *Handler) {
		h.Header = &Header{Trust: []string{"10.0.0.0/8"}}
		h.Key = []string{"{http.request.header.X-User-Id}"}
	})
	now := time.Now()
	token := h.signer.Seal(low, now, now.Add(time.Hour))
	return h, map[string]func(http.Header){
		reasonHeader: func(header http.Header) { header["X-Release-Stage"] = []string{"canary"} },
		reasonKey:    func(header http.Header) { header["X-User-Id"] = []string{userOf(t, true)} },
		reasonCookie: func(header http.Header) { header["Cookie"][0] += "; weir=" + token },
	}
}

func TestAllocationsOfADecision(t *testing.T) {
	h, by := ways(t)
	for reason, most := range map[string]float64{reasonHeader: 0, reasonKey: 0, reasonCookie: 4} {
		r, repl := arrived(by[reason])
		if d, err := h.decide(r, repl); err != nil || d.reason != reason || d.stage != 1 {
			t.Fatalf("by %s: got %+v, %v", reason, d, err)
		}
		// The least of many, as the pool of the signer forgets at random under the race
		// detector.
		least := testing.AllocsPerRun(1, func() { _, _ = h.decide(r, repl) })
		for range 100 {
			least = min(least, testing.AllocsPerRun(1, func() { _, _ = h.decide(r, repl) }))
		}
		if least > most {
			t.Errorf("by %s: %v allocations, want at most %v", reason, least, most)
		}
	}
	// that it announces it costs the upstream's header
	r, repl := arrived(by[reasonKey])
	if n := testing.AllocsPerRun(1000, func() { h.announce(r, repl, 1, reasonKey) }); n > 1 {
		t.Errorf("announcing takes %v allocations, want at most 1", n)
	}
}

// BenchmarkDecision compares finding the stage in each way, and telling it to everybody, with
// a route of plain Caddy that has a header matcher.
func BenchmarkDecision(b *testing.B) {
	h, by := ways(b)
	for _, reason := range []string{reasonHeader, reasonCookie, reasonKey} {
		r, repl := arrived(by[reason])
		b.Run(reason, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = h.decide(r, repl)
			}
		})
		b.Run(reason+"/announced", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				d, _ := h.decide(r, repl)
				h.announce(r, repl, d.stage, d.reason)
				// the next one is another request, which asks for the stage or for nothing
				caddyhttp.SetVar(r.Context(), h.announcer.toldVariable, nil)
				if reason != reasonHeader {
					delete(r.Header, h.header)
				}
			}
		})
	}
	b.Run("plain matcher", func(b *testing.B) {
		matcher := caddyhttp.MatchHeader{"X-Release-Stage": {"canary"}}
		r, _ := arrived(by[reasonHeader])
		b.ReportAllocs()
		for b.Loop() {
			_, _ = matcher.MatchWithError(r)
		}
	})
	b.Run("plain route", func(b *testing.B) {
		handler := plainRoute(b)
		r, _ := arrived(by[reasonHeader])
		w := nobody{make(http.Header)}
		b.ReportAllocs()
		for b.Loop() {
			_ = handler.ServeHTTP(w, r, caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error { return nil }))
		}
	})
}

// plainRoute is a subroute of Caddy with a header matcher and a handler that does nothing.
func plainRoute(b *testing.B) *caddyhttp.Subroute {
	b.Helper()
	ctx, cancel := caddy.NewContext(caddy.Context{Context: b.Context()})
	b.Cleanup(cancel)
	route := new(caddyhttp.Subroute)
	config := `{"routes": [{"match": [{"header": {"X-Release-Stage": ["canary"]}}], "handle": [{"handler": "vars"}]}]}`
	if err := json.Unmarshal([]byte(config), route); err != nil {
		b.Fatal(err)
	}
	if err := route.Provision(ctx); err != nil {
		b.Fatal(err)
	}
	return route
}
