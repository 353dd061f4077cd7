package integration

// backend.go is a back end that does what a test tells it to.

import (
	"context"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirproxy/weir/internal/freeport"
)

// Backend is an HTTP server. It answers 200 with its name until told otherwise; a
// failure is a 503. What it is told holds at once.
type Backend struct {
	// Name is what it answers with.
	Name string
	// Address is host:port; it stays the same when the back end dies and revives.
	Address string

	t        testing.TB
	requests atomic.Int64
	failures atomic.Int64
	mood     atomic.Pointer[mood]
	mux      *http.ServeMux

	mu     sync.Mutex
	server *http.Server
}

// mood is how requests are answered.
type mood struct {
	fails func(n int64) bool // whether the nth request fails
	stall chan struct{}      // if not nil, requests wait until it is closed
}

// NewBackend starts a back end that ends with the test.
func NewBackend(t testing.TB, name string) *Backend {
	t.Helper()
	b := &Backend{Name: name, Address: freeport.Address(t), t: t, mux: http.NewServeMux()}
	b.mux.HandleFunc("/", b.serve)
	b.Answer()
	b.Revive()
	t.Cleanup(func() {
		b.Answer() // lets go what is stalled
		b.Die()
	})
	return b
}

// Handle has requests for a path answered by h.
func (b *Backend) Handle(path string, h http.HandlerFunc) { b.mux.HandleFunc(path, h) }

func (b *Backend) serve(w http.ResponseWriter, r *http.Request) {
	n := b.requests.Add(1)
	m := b.mood.Load()
	if m.stall != nil {
		select {
		case <-m.stall:
		case <-r.Context().Done():
			return
		}
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if m.fails(n) {
		b.failures.Add(1)
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, b.Name+" failed\n")
		return
	}
	_, _ = io.WriteString(w, "hello from "+b.Name+"\n")
}

// be changes the mood and lets go what the last one stalled.
func (b *Backend) be(m *mood) {
	if last := b.mood.Swap(m); last != nil && last.stall != nil {
		close(last.stall)
	}
}

// Answer makes every request succeed.
func (b *Backend) Answer() { b.be(&mood{fails: func(int64) bool { return false }}) }

// Fail makes every request fail.
func (b *Backend) Fail() { b.be(&mood{fails: func(int64) bool { return true }}) }

// FailEvery makes every nth request fail, so never two in a row if n is over 1.
func (b *Backend) FailEvery(n int64) {
	b.be(&mood{fails: func(i int64) bool { return i%n == 0 }})
}

// FailRandomly makes this share of requests fail.
func (b *Backend) FailRandomly(share float64) {
	b.be(&mood{fails: func(int64) bool { return rand.Float64() < share }})
}

// Stall makes requests wait until the back end is told something else.
func (b *Backend) Stall() {
	b.be(&mood{fails: func(int64) bool { return false }, stall: make(chan struct{})})
}

// Die closes the listener and all connections, so that connections are refused.
func (b *Backend) Die() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.server != nil {
		_ = b.server.Close()
		b.server = nil
	}
}

// Revive has a dead back end listen again, at the same address.
func (b *Backend) Revive() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.server != nil {
		return
	}
	var listener net.Listener
	var err error
	if !Eventually(10*time.Second, func() bool {
		listener, err = new(net.ListenConfig).Listen(context.Background(), "tcp", b.Address)
		return err == nil
	}) {
		b.t.Fatal(err)
	}
	b.server = &http.Server{Handler: b.mux, ReadHeaderTimeout: time.Minute}
	go func(s *http.Server) { _ = s.Serve(listener) }(b.server)
}

// Requests is how many requests it got.
func (b *Backend) Requests() int64 { return b.requests.Load() }

// Failures is how many of them it failed.
func (b *Backend) Failures() int64 { return b.failures.Load() }

// Addresses returns the addresses of back ends.
func Addresses(backends []*Backend) []string {
	addresses := make([]string, len(backends))
	for i, b := range backends {
		addresses[i] = b.Address
	}
	return addresses
}
