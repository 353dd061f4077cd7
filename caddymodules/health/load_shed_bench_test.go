package health

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/weirproxy/weir/internal/exchange"
)

func TestLoadShedAllocatesNothingWithoutALimit(t *testing.T) {
	h, _ := newShed(t, new(LoadShed), 0)
	r, w := shedRequest("/"), httptest.NewRecorder()
	exchange.From(r)
	next := caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error { return nil })
	outer := caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		if n := testing.AllocsPerRun(1000, func() { _ = h.ServeHTTP(w, r, next) }); n != 0 {
			t.Errorf("%v allocations a request", n)
		}
		return nil
	})
	_ = exchange.From(r).Serve(w, r, outer)
}

func BenchmarkLoadShed(b *testing.B) {
	for name, h := range map[string]*LoadShed{"no limit": {}, "fixed": {MaxInFlight: 100}, "automatic": {Auto: new(AutoLimit)}} {
		b.Run(name, func(b *testing.B) {
			h, _ := newShed(b, h, 0)
			h.critical, h.low, h.exempt = nil, nil, nil // what they cost is theirs
			next := caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error { return nil })
			r, w := shedRequest("/"), httptest.NewRecorder()
			b.ReportAllocs()
			_ = exchange.From(r).Serve(w, r, caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
				for b.Loop() {
					_ = h.ServeHTTP(w, r, next)
				}
				return nil
			}))
		})
	}
}
