package health

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

func TestLoadShedDryRunRefusesNothing(t *testing.T) {
	h, logs := newShed(t, &LoadShed{DryRun: true}, 1)
	for range 100 {
		if err := h.ServeHTTP(httptest.NewRecorder(), shedRequest("/"), shedNext); err != nil {
			t.Fatal(err)
		}
	}
	if got := h.snapshot().Requests["normal"]; got["would_shed"] != 95 || got["admitted"] != 5 || got["shed"] != 0 {
		t.Errorf("counted are %v, want 95 that would be shed and 5 admitted", got)
	}
	if n := logs.FilterMessage("requests would be refused").Len(); n != 1 {
		t.Errorf("%d lines are logged in a moment, want one", n)
	}
}

func TestLoadShedDryRunCountsWhatIsInFlight(t *testing.T) {
	for name, h := range map[string]*LoadShed{"fixed": {MaxInFlight: 2}, "automatic": {Auto: &AutoLimit{2, 2}}} {
		h.DryRun, h.Floor = true, new(float64)
		h, _ := newShed(t, h, 0)
		depth := 0
		var next caddyhttp.HandlerFunc
		next = func(w http.ResponseWriter, _ *http.Request) error {
			if depth++; depth == 5 {
				return nil
			}
			if got := *h.snapshot().InFlight; got != depth {
				t.Errorf("%s: with %d in flight %d are shown", name, depth, got)
			}
			return h.ServeHTTP(httptest.NewRecorder(), shedRequest("/"), next)
		}
		for range 2 {
			depth = 0
			if err := h.ServeHTTP(httptest.NewRecorder(), shedRequest("/"), next); err != nil {
				t.Fatal(err)
			}
		}
		s := h.snapshot()
		if got := s.Requests["normal"]; *s.InFlight != 0 || got["admitted"] != 4 || got["would_shed"] != 6 {
			t.Errorf("%s: in the end %d are in flight; counted are %v", name, *s.InFlight, got)
		}
	}
}
