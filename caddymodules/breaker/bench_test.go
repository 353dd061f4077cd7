package breaker

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/weirproxy/weir/governance/circuit"
	"github.com/weirproxy/weir/internal/exchange"
)

// nothing is a writer that costs nothing.
type nothing struct{ header http.Header }

func (n nothing) Header() http.Header         { return n.header }
func (n nothing) Write(p []byte) (int, error) { return len(p), nil }
func (n nothing) WriteHeader(int)             {}

// inside calls do with a request that another handler of weir has been at already.
func inside(do func(w http.ResponseWriter, r *http.Request)) {
	w := nothing{make(http.Header)}
	r := caddyhttp.PrepareRequest(httptest.NewRequest(http.MethodGet, "/", nil), caddy.NewReplacer(), w, new(caddyhttp.Server))
	_ = exchange.From(r).Serve(w, r, caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		do(w, r)
		return nil
	}))
}

var ok = caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error { w.WriteHeader(200); return nil })

// disabled is a breaker that counts nothing.
func disabled() *Handler {
	h := standalone(nil)
	h.live.Decide(circuit.Decision{Mode: circuit.Disabled})
	return h
}

// The one allocation is the guard; the others are gobreaker's, for counting.
func TestAllocations(t *testing.T) {
	for name, c := range map[string]struct {
		handler *Handler
		most    float64
	}{
		"disabled":       {disabled(), 1},
		"closed":         {standalone(nil), 2},
		"slow calls":     {standalone(func(h *Handler) { h.SlowCall = caddy.Duration(time.Hour) }), 2},
		"max concurrent": {standalone(func(h *Handler) { h.MaxConcurrent = 10 }), 2},
	} {
		inside(func(w http.ResponseWriter, r *http.Request) {
			if n := testing.AllocsPerRun(1000, func() { _ = c.handler.ServeHTTP(w, r, ok) }); n > c.most {
				t.Errorf("%s: %v allocations, want at most %v", name, n, c.most)
			}
		})
	}
}

func BenchmarkClosed(b *testing.B) {
	for _, slow := range []time.Duration{0, time.Minute} {
		b.Run(fmt.Sprintf("slow_call=%v", slow), func(b *testing.B) {
			h := standalone(func(h *Handler) { h.SlowCall = caddy.Duration(slow) })
			inside(func(w http.ResponseWriter, r *http.Request) {
				b.ReportAllocs()
				for b.Loop() {
					_ = h.ServeHTTP(w, r, ok)
				}
			})
		})
	}
}

// What fallback_on_failure adds for requests that do not fail, with the headers that browsers
// send.
func BenchmarkFallbackOnFailure(b *testing.B) {
	for name, second := range map[string]*FallbackOnFailure{"off": nil, "on": {}} {
		b.Run(name, func(b *testing.B) {
			h := standalone(func(h *Handler) { h.FallbackRaw, h.FallbackOnFailure = []byte("{}"), second })
			inside(func(w http.ResponseWriter, r *http.Request) {
				for n := range 12 {
					r.Header.Set(fmt.Sprint("X-Field-", n), "value")
				}
				was := *r
				b.ReportAllocs()
				for b.Loop() {
					*r = was
					_ = h.ServeHTTP(w, r, ok)
				}
			})
		})
	}
}

// What the engine's part in Closed costs.
func BenchmarkEngine(b *testing.B) {
	h := standalone(nil)
	b.ReportAllocs()
	for b.Loop() {
		call, _ := h.breaker.Enter()
		call.End(circuit.Success, 0)
	}
}
