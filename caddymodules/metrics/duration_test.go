package metrics

// duration_test.go checks durations, which no table can know.

import (
	"strconv"
	"strings"
	"time"
)

// wantDurationAtMost checks the one GET request of a series. Its duration begins
// after the client sent it: one that ends with the headers is less than the time
// until the client had them, and one that ends with the stream is more.
func (g *gateway) wantDurationAtMost(route, status string, most time.Duration) {
	g.t.Helper()
	series := `gateway_http_request_duration_seconds_sum{method="GET",route="` + route + `",status="` + status + `"} `
	_, text := g.do("GET", "metrics.test/", nil)
	_, rest, _ := strings.Cut(text, series)
	value, _, _ := strings.Cut(rest, "\n")
	if seconds, err := strconv.ParseFloat(value, 64); err != nil || seconds > most.Seconds() {
		g.t.Errorf("%s is %q, want at most %v", series, value, most.Seconds())
	}
}
