package webhook

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

func asking(value string) http.Header { return http.Header{"Retry-After": {value}} }

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 600_000_000, time.UTC)
	date := func(after time.Duration) string { return now.Add(after).Format(http.TimeFormat) }
	for value, want := range map[string]time.Duration{
		"7": 7 * time.Second, "007": 7 * time.Second, "0": time.Second, "1": time.Second,
		"3600": time.Hour, "3601": time.Hour, "99999999999999999999999999999999": time.Hour,
		"": time.Second, "-7": time.Second, "+7": time.Second, "1.5": time.Second, "0x10": time.Second, "soon": time.Second, "７": time.Second,
		date(90 * time.Second): 90*time.Second - 600*time.Millisecond, date(-time.Hour): time.Second, date(0): time.Second,
		date(48 * time.Hour): time.Hour, "Friday, 02-Jan-26 03:05:05 GMT": 60*time.Second - 600*time.Millisecond,
		"2026-01-02T03:05:05Z": time.Second,
	} {
		if got := retryAfter(asking(value), now); got != want {
			t.Errorf("%q: %s, want %s", value, got, want)
		}
	}
}

func FuzzRetryAfter(f *testing.F) {
	for _, seed := range []string{"7", "-1", "9223372036854775807", "Fri, 02 Jan 2026 03:04:05 GMT", "Friday, 02-Jan-26 03:05:05 GMT", "\x00"} {
		f.Add(seed, int64(1_767_323_045))
	}
	f.Fuzz(func(t *testing.T, value string, now int64) {
		got := retryAfter(asking(value), time.Unix(now, 0))
		if got < time.Second || got > time.Hour {
			t.Fatalf("%q: %s", value, got)
		}
		// Digits alone are seconds, whatever there is before them.
		if digits := strings.TrimLeft(value, "0"); digits != "" && strings.Trim(digits, "0123456789") == "" {
			want := time.Hour
			if len(digits) <= 4 {
				want = min(retryAfter(asking(digits), time.Time{}), time.Hour)
			}
			if got != want {
				t.Fatalf("%q: %s, want %s", value, got, want)
			}
		}
	})
}
