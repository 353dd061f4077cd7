package warmup

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/weirproxy/weir/governance/ramp"
)

func TestCacheOf(t *testing.T) {
	for _, tc := range []struct {
		name   string // of the header that is configured
		values []string
		want   ramp.Cache
	}{
		{"", nil, ramp.NoCache},
		{"", []string{"ExampleCache; hit"}, ramp.Hit},
		{"", []string{"ExampleCache; hit; ttl=376"}, ramp.Hit},
		{"", []string{"OriginCache; hit; ttl=1100", `"CDN Company Here"; fwd=uri-miss`}, ramp.Hit},
		{"", []string{"OriginCache; fwd=stale, CDN; hit"}, ramp.Hit},
		{"", []string{"ExampleCache; fwd=uri-miss; stored"}, ramp.Miss},
		{"", []string{"ExampleCache"}, ramp.Miss},
		{"", []string{"ExampleCache; hit=?0"}, ramp.Miss},
		{"", []string{"ExampleCache; hit=1"}, ramp.Miss},
		{"", []string{"(a b); hit"}, ramp.Miss}, // no cache is an inner list
		{"", []string{""}, ramp.NoCache},
		{"", []string{"; hit"}, ramp.NoCache},
		{"", []string{"ExampleCache; hit,"}, ramp.NoCache},
		{"X-Cache", nil, ramp.NoCache},
		{"x-cache", []string{"HIT"}, ramp.Hit},
		{"X-Cache", []string{"Hit from cloudfront"}, ramp.Hit},
		{"X-Cache", []string{"TCP_HIT"}, ramp.Hit},
		{"X-Cache", []string{"MISS, HIT"}, ramp.Hit},
		{"X-Cache", []string{"MISS", "HIT"}, ramp.Hit},
		{"X-Cache", []string{"MISS from proxy:3128"}, ramp.Miss},
		{"X-Cache", []string{"white"}, ramp.Miss},
		{"X-Cache", []string{""}, ramp.Miss},
	} {
		header := http.Header{"Cache-Status": tc.values}
		if tc.name != "" {
			header = http.Header{"X-Cache": tc.values}
		}
		if got := cacheOf(header, tc.name); got != tc.want {
			t.Errorf("%s %q: %v, want %v", tc.name, tc.values, got, tc.want)
		}
	}
}

// An outer handler that takes the header away before it goes out, as Caddy's header
// directive does, does not hide it.
func TestCacheHeaderIsSeenBeforeItIsRemoved(t *testing.T) {
	h := newHandler(t, &Handler{Probe: &Slope{hour, 1000, 1000}, Climb: &Slope{hour, 1000, 1000}, CacheHit: &CacheHit{Grow: 0.6, Steady: 0.7}})
	w := removing{httptest.NewRecorder()}
	err := h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil), nextFunc(func(w http.ResponseWriter, _ *http.Request) error {
		w.Header().Set("Cache-Status", "ExampleCache; hit")
		w.WriteHeader(200)
		return nil
	}))
	if s := h.live.ramp.Snapshot(time.Now()).CacheHit; err != nil || s.Samples != 1 || s.Rate != 1 {
		t.Errorf("error %v, cache-hit rate %+v, want one hit", err, s)
	}
}

type removing struct{ *httptest.ResponseRecorder }

func (w removing) WriteHeader(status int) {
	w.Header().Del("Cache-Status")
	w.ResponseRecorder.WriteHeader(status)
}

func FuzzCacheOf(f *testing.F) {
	for _, seed := range []string{"ExampleCache; hit; ttl=376", `"CDN"; fwd=uri-miss; detail="x"`, "(a b);hit", ";", "HIT", "a;hit=?1,b;hit=?0", "a;b=:AAAA:"} {
		f.Add(seed, seed)
	}
	f.Fuzz(func(t *testing.T, one, two string) {
		h := http.Header{"Cache-Status": {one, two}, "X-Cache": {one, two}}
		cacheOf(h, "")
		if cacheOf(h, "X-Cache") == ramp.NoCache {
			t.Error("a header that is there tells nothing")
		}
	})
}
