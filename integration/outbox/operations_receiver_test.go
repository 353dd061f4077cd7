package outbox

// operations_receiver_test.go is the receiver of the day: it says to each message what it
// is told to.

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirproxy/weir/internal/freeport"
)

// document is what a message holds.
type document struct{ ID, Customer string }

// answer is what a receiver says. Without a status it takes the message.
type answer struct {
	status           int
	text, retryAfter string
}

// billing is the receiver.
type billing struct {
	*testing.T
	address string
	mu      sync.Mutex
	server  *http.Server
	answers func(topic string, doc document) answer // nil: takes all
	taken   map[string]int
}

func newBilling(t *testing.T) *billing {
	b := &billing{T: t, address: freeport.Address(t), taken: make(map[string]int)}
	b.open()
	t.Cleanup(b.close)
	return b
}

func (b *billing) behave(answers func(string, document) answer) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.answers = answers
}

func (b *billing) open() {
	b.Helper()
	listener, err := net.Listen("tcp", b.address)
	if err != nil {
		b.Fatal(err)
	}
	b.server = &http.Server{Handler: b, ReadHeaderTimeout: time.Minute}
	go func(s *http.Server) { _ = s.Serve(listener) }(b.server)
}

func (b *billing) close() { _ = b.server.Close() }

func (b *billing) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var doc document
	if err != nil || json.Unmarshal(body, &doc) != nil {
		b.Errorf("a message that nobody wrote: %q, %v", body, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	var a answer
	if b.answers != nil {
		a = b.answers(strings.TrimPrefix(r.URL.Path, "/events/"), doc)
	}
	if a.status == 0 {
		b.taken[doc.ID]++
		w.WriteHeader(http.StatusNoContent)
		return
	}
	if a.retryAfter != "" {
		w.Header().Set("Retry-After", a.retryAfter)
	}
	w.WriteHeader(a.status)
	_, _ = io.WriteString(w, a.text)
}
