package consul

// watch_fixture_test.go has sources without a Caddy, and what they ask.

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirproxy/weir/governance/discovery"
	"github.com/weirproxy/weir/governance/lease"
)

// registry is what a test's sources ask: one list, told once and at each change.
type registry struct {
	mu      sync.Mutex
	index   uint64
	list    []lease.Instance
	changed chan struct{}
	down    bool
	asking  int
	most    int // of asking
	asked   int
}

func newRegistry(list ...lease.Instance) *registry {
	return &registry{index: 1, list: list, changed: make(chan struct{})}
}

func (r *registry) change(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.index++
	f()
	close(r.changed)
	r.changed = make(chan struct{})
}

// is sets whether it is down; who waits for an answer is disconnected.
func (r *registry) is(down bool) { r.change(func() { r.down = down }) }

// questions tells how many there were, and how many at the same time at most.
func (r *registry) questions() (asked, most int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.asked, r.most
}

func (r *registry) Name() string { return "registry" }

func (r *registry) Ask(ctx context.Context, index uint64, wait time.Duration) (discovery.Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, max(wait, time.Second))
	defer cancel()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked++
	r.asking++
	r.most = max(r.most, r.asking)
	defer func() { r.asking-- }()
	for index > 0 && r.index <= index && ctx.Err() == nil {
		changed := r.changed
		r.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
		}
		r.mu.Lock()
	}
	if r.down {
		return discovery.Answer{}, errors.New("connection refused")
	}
	return discovery.Answer{Instances: r.list, Index: r.index}, nil
}

// newSource returns a source as it is when it has been provisioned.
func newSource(w *watch, asks discovery.Source, fingerprint string) *source {
	s := &source{
		name: "consul_kv:web", asks: asks, settings: discovery.Settings{}.WithDefaults(), fingerprint: fingerprint,
		log: slog.New(slog.DiscardHandler), until: time.Now().Add(firstWithin), watch: w,
	}
	w.join(s)
	return s
}

func wantUpstreams(t *testing.T, when string, s *source, want int) {
	t.Helper()
	synctest.Wait()
	upstreams, err := s.GetUpstreams(httptest.NewRequest(http.MethodGet, "/", nil))
	if err != nil || len(upstreams) != want {
		t.Errorf("%s there are %d upstreams, %v; want %d", when, len(upstreams), err, want)
	}
}
