package client

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Many callers, endpoints that come, go, fail and break, and nothing is left behind.
func TestManyCallers(t *testing.T) {
	before := runtime.NumGoroutine()
	var n atomic.Int64
	handlers := []http.HandlerFunc{
		func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) },
		func(w http.ResponseWriter, r *http.Request) {
			if n.Add(1)%3 == 0 {
				w.WriteHeader(503)
			}
			io.Copy(w, r.Body)
		},
		raw(""),
	}
	servers := make([]*httptest.Server, len(handlers))
	var all List
	for i, handler := range handlers {
		servers[i] = httptest.NewServer(handler)
		all = append(all, Endpoint{Address: servers[i].Listener.Addr().String(), Weight: float64(i + 1)})
	}
	var polls atomic.Int64
	transport := newTransport(t, Settings{
		Endpoints: SourceFunc(func(context.Context) ([]Endpoint, error) {
			turn := int(polls.Add(1)) % len(all)
			return append(List{all[0]}, all[turn:]...), nil
		}),
		PollEvery: time.Millisecond, Retries: 3,
	})
	var failed atomic.Int64
	var callers sync.WaitGroup
	for range 8 {
		callers.Go(func() {
			for range 100 {
				if !echoed(transport) {
					failed.Add(1)
				}
			}
		})
	}
	callers.Wait()
	if failed.Load() > 80 {
		t.Errorf("%d of 800 requests failed, want few: one endpoint is well", failed.Load())
	}
	for _, u := range transport.Snapshot().Upstreams {
		if u.InFlight != 0 {
			t.Errorf("%d are in flight at %s", u.InFlight, u.Address)
		}
	}
	transport.Close()
	for _, server := range servers {
		server.Close()
	}
	for deadline := time.Now().Add(30 * time.Second); runtime.NumGoroutine() > before; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<16)
			t.Fatalf("%d goroutines more than before:\n%s", runtime.NumGoroutine()-before, stacks[:runtime.Stack(stacks, true)])
		}
	}
}

// echoed sends a body and reports whether it came back.
func echoed(transport *Transport) bool {
	req, _ := http.NewRequest(http.MethodPut, "http://orders/", strings.NewReader("hello"))
	res, err := transport.RoundTrip(req)
	if err != nil {
		return false
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return res.StatusCode == 200 && string(body) == "hello" && err == nil
}
