package consul

// watch.go is the watch that all sources of a name share, and that outlives them.

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weirproxy/weir/governance/discovery"
)

// endWithin is how long the end of a watch is waited for.
const endWithin = time.Second

// watch is the live state of a source of upstreams.
type watch struct {
	current atomic.Pointer[discovery.Watcher] // nil until one begins
	began   chan struct{}                     // closed when one has
	log     *slog.Logger                      // which follows the source that leads

	mu      sync.Mutex
	target  *logTarget
	holders []*source
	runs    string             // the fingerprint of the source that current is for
	cancel  context.CancelFunc // ends current; nil if it has ended
	earlier discovery.Status   // of those before current
}

func newWatch() *watch {
	w := &watch{began: make(chan struct{}), target: new(logTarget)}
	w.log = slog.New(w.target.handler())
	return w
}

// set returns the set to use now, or nil if none is known yet.
func (w *watch) set() *discovery.Set {
	if current := w.current.Load(); current != nil {
		return current.Snapshot()
	}
	return nil
}

// first waits for the first set, until a time or the end of ctx.
func (w *watch) first(ctx context.Context, until time.Time) *discovery.Set {
	left := time.Until(until)
	if left <= 0 {
		return nil
	}
	timer := time.NewTimer(left)
	defer timer.Stop()
	wait := func(ready <-chan struct{}) bool {
		select {
		case <-ready:
			return true
		case <-timer.C:
		case <-ctx.Done():
		}
		return false
	}
	if wait(w.began) {
		wait(w.current.Load().Ready())
	}
	return w.set()
}

func (w *watch) join(s *source) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.holders = append(w.holders, s)
}

// leave ends the watch with its last holder.
func (w *watch) leave(s *source) {
	w.mu.Lock()
	if i := slices.Index(w.holders, s); i >= 0 {
		w.holders = slices.Delete(w.holders, i, i+1)
	}
	if len(w.holders) > 0 || w.cancel == nil {
		w.mu.Unlock()
		return
	}
	w.cancel()
	w.cancel = nil
	ended := w.current.Load().Done()
	w.mu.Unlock()
	// the process may be about to exit, and what was heard last not be in the cache file
	select {
	case <-ended:
	case <-time.After(endWithin):
	}
}

// lead has the watch be as a source has it. If it is another one then, it begins with
// the set of the one before: a reload while Consul is down must not lose it.
func (w *watch) lead(s *source) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !slices.Contains(w.holders, s) {
		return // it has left: its configuration ended in the meantime
	}
	w.target.set(s.log)
	if w.cancel != nil && w.runs == s.fingerprint {
		return
	}
	settings, asks := s.settings, s.asks
	settings.Logger = w.log
	before := w.current.Load()
	if before != nil {
		settings.Initial, asks = before.Snapshot(), after{s.asks, before.Done()}
	}
	ctx, cancel := context.WithCancel(context.Background())
	next, err := discovery.Watch(ctx, asks, settings)
	if err != nil { // the settings were checked
		cancel()
		w.log.Error("the watch cannot begin", slog.String("source", s.name), slog.Any("error", err))
		return
	}
	w.runs = s.fingerprint
	if w.cancel != nil {
		w.cancel()
	}
	w.cancel = cancel
	w.earlier = w.total()
	w.current.Store(next)
	if before == nil {
		close(w.began)
	}
}

// status tells how the watch is doing.
func (w *watch) status() discovery.Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.total()
}

// total is the status of current, in which what is counted goes on where the watch before
// it ended. The caller holds mu.
func (w *watch) total() (s discovery.Status) {
	if current := w.current.Load(); current != nil {
		s = current.Status()
	}
	if s.Answers == 0 { // what was heard is what the one before did
		s.FromCache = s.FromCache || w.earlier.FromCache
		s.AnsweredAt = w.earlier.AnsweredAt
	}
	s.Answers += w.earlier.Answers
	s.Errors += w.earlier.Errors
	s.HeldTotal += w.earlier.HeldTotal
	s.EmptyDoubted += w.earlier.EmptyDoubted
	s.EmptyBelieved += w.earlier.EmptyBelieved
	return s
}
