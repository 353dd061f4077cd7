package metrics

// wait_test.go waits for what happens in a running Caddy a moment later.

import (
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
)

// awaitOldListener waits until a reload has closed the socket of the configuration
// before, and with it the connections that wait there: Caddy does that a moment
// after the new one runs.
func (g *gateway) awaitOldListener() {
	g.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); caddy.ListenerUsage("tcp", g.addr) != 1; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			g.t.Fatalf("%d configurations listen on %s, want one", caddy.ListenerUsage("tcp", g.addr), g.addr)
		}
	}
}

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
