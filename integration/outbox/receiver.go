package outbox

// receiver.go is a receiver of webhooks that journals what it gets before it answers,
// and can be told to misbehave.

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirproxy/weir/internal/freeport"
)

// mode is how a receiver behaves.
type mode int32

const (
	healthy     mode = iota
	slow             // accepts after two seconds
	hanging          // answers nothing until the client gives up
	resetting        // resets the connection
	garbage          // answers 500 with a body that is no text
	throttling       // answers 429, with Retry-After
	unavailable      // answers 503, without
)

func (m mode) String() string {
	return [...]string{"healthy", "slow", "hanging", "resetting", "garbage", "throttling", "unavailable"}[m]
}

// slowness is how long a slow receiver takes.
const slowness = 2 * time.Second

// noText is what no column of text takes and no log should be harmed by.
var noText = bytes.Repeat([]byte{0, 0xff, 'x', '\n'}, 250)

// receiver is an HTTP server.
type receiver struct {
	t       testing.TB
	address string
	timeout time.Duration // of the worker's requests
	mode    atomic.Int32
	// refuse returns the status for a message that has come so many times, or 0 to
	// accept it; may be nil.
	refuse func(m message, attempt int) int
	got    arrivals

	mu       sync.Mutex
	server   *http.Server
	problems []string
}

// newReceiver starts a healthy receiver, whom workers give timeout to answer.
func newReceiver(t testing.TB, timeout time.Duration) *receiver {
	t.Helper()
	r := &receiver{t: t, address: freeport.Address(t), timeout: timeout}
	r.open()
	t.Cleanup(func() {
		r.close()
		for _, problem := range r.problems {
			t.Error(problem)
		}
	})
	return r
}

func (r *receiver) sink() string {
	return fmt.Sprintf("webhook: {url: %q, timeout: %s, concurrency: 16}", "http://"+r.address+"/in", r.timeout)
}

func (r *receiver) journal() []arrival { return r.got.messages() }

func (r *receiver) set(m mode) { r.mode.Store(int32(m)) }

// open listens again; close ends the listener and all connections.
func (r *receiver) open() {
	r.t.Helper()
	var listener net.Listener
	var err error
	for until := time.Now().Add(10 * time.Second); time.Now().Before(until); time.Sleep(20 * time.Millisecond) {
		if listener, err = net.Listen("tcp", r.address); err == nil {
			break
		}
	}
	if err != nil {
		r.t.Fatal(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.server = &http.Server{Handler: r, ReadHeaderTimeout: time.Minute}
	go func(s *http.Server) { _ = s.Serve(listener) }(r.server)
}

func (r *receiver) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	_ = r.server.Close()
}

// ServeHTTP journals a message and answers as told.
func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	payload, err := io.ReadAll(request.Body)
	if err != nil {
		return // the worker died while it sent
	}
	m, err := parsePayload(payload)
	if err != nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.problems = append(r.problems, err.Error())
		return
	}
	place, attempt := r.got.arrived(m)
	if r.misbehave(w, request) {
		return
	}
	if r.refuse != nil {
		if status := r.refuse(m, attempt); status != 0 {
			w.WriteHeader(status)
			_, _ = w.Write(noText)
			return
		}
	}
	if request.Context().Err() == nil {
		r.got.accept(place)
	}
	w.WriteHeader(http.StatusNoContent)
}

// misbehave tells whether the request has been dealt with.
func (r *receiver) misbehave(w http.ResponseWriter, request *http.Request) bool {
	switch mode(r.mode.Load()) {
	case slow:
		time.Sleep(slowness)
		return false
	case hanging:
		select {
		case <-request.Context().Done():
		case <-time.After(time.Minute):
		}
	case resetting:
		if err := reset(w); err != nil {
			r.t.Error(err)
		}
	case garbage:
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = w.Write(noText)
	case throttling:
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusTooManyRequests)
	case unavailable:
		w.WriteHeader(http.StatusServiceUnavailable)
	default:
		return false
	}
	return true
}

// reset ends the connection so that the other side sees a reset.
func reset(w http.ResponseWriter) error {
	hijacker, ok := w.(http.Hijacker)
	if !ok {
		return errors.New("resetting a connection: it cannot be taken over")
	}
	conn, _, err := hijacker.Hijack()
	if err != nil {
		return fmt.Errorf("resetting a connection: %w", err)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	return conn.Close()
}
