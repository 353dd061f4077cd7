package retryafter

import (
	"math"
	"net/http"
	"testing"
	"time"
)

func TestOf(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"":                              0,
		"7":                             7 * time.Second,
		"0":                             0,
		"-1":                            0,
		"1.5":                           0,
		"99999999999999999999":          math.MaxInt32 * time.Second,
		"soon":                          0,
		"Sun, 01 Mar 2026 12:00:30 GMT": 30 * time.Second,
		"Sun, 01 Mar 2026 11:00:00 GMT": 0,
	} {
		if got := Of(http.Header{"Retry-After": {value}}, now); got != want {
			t.Errorf("%q is %v, want %v", value, got, want)
		}
	}
}

func FuzzOf(f *testing.F) {
	for _, seed := range []string{"120", "-1", "Sun, 01 Mar 2026 12:00:30 GMT", "2147483648", " 1", "Sunday, 06-Nov-94 08:49:37 GMT"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		if got := Of(http.Header{"Retry-After": {value}}, time.Unix(0, 0)); got < 0 {
			t.Errorf("%q asks to be left alone for %v", value, got)
		}
	})
}
