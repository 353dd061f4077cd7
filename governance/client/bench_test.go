package client

import (
	"io"
	"net/http"
	"testing"

	"github.com/weirproxy/weir/governance/balance"
	"github.com/weirproxy/weir/governance/circuit"
)

// nobody is an answer without a body, which can be given again and again.
func nobody(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: 204, Body: http.NoBody}, nil
}

func withBreaker() balance.Settings {
	settings := balance.DefaultSettings()
	breaker := circuit.DefaultSettings()
	settings.Breaker = &breaker
	return settings
}

// BenchmarkRoundTrip compares net/http's transport with and without a Transport around
// it, over a connection, and shows what is added alone, without one.
func BenchmarkRoundTrip(b *testing.B) {
	address := backend(b, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") })
	plain := newHTTPTransport()
	b.Cleanup(plain.CloseIdleConnections)
	for _, bench := range []struct {
		name string
		next http.RoundTripper
		url  string
	}{
		{"net_http", plain, "http://" + address + "/"},
		{"client", newTransport(b, Settings{Endpoints: Static(address), Retries: 1}), "http://orders/"},
		{"added", newTransport(b, Settings{Endpoints: Static("a:1", "b:1"), Retries: 1, Transport: roundTripper(nobody)}), "http://orders/"},
		{"added_breaker", newTransport(b, Settings{
			Endpoints: Static("a:1", "b:1"), Balance: withBreaker(), Retries: 1,
			Transport: roundTripper(nobody),
		}), "http://orders/"},
	} {
		b.Run(bench.name, func(b *testing.B) {
			req, _ := http.NewRequest(http.MethodGet, bench.url, nil)
			b.ReportAllocs()
			for b.Loop() {
				res, err := bench.next.RoundTrip(req)
				if err != nil {
					b.Fatal(err)
				}
				io.Copy(io.Discard, res.Body)
				res.Body.Close()
			}
		})
	}
}

// A request costs its copy and its URL's, besides what the transport does; an answer's
// body costs one more.
func TestAllocations(t *testing.T) {
	var next http.RoundTripper = roundTripper(nobody)
	transport := newTransport(t, Settings{Endpoints: Static("a:1", "b:1"), Retries: 1, Transport: next})
	req, _ := http.NewRequest(http.MethodGet, "http://orders/", nil)
	count := func(by http.RoundTripper) float64 {
		return testing.AllocsPerRun(1000, func() {
			if _, err := by.RoundTrip(req); err != nil {
				t.Fatal(err)
			}
		})
	}
	if got, bare := count(transport), count(next); got > bare+2 {
		t.Errorf("a request allocates %v times, %v of them in the transport; want at most 2 more", got, bare)
	}
}
