package openapi

// track_run.go looks at a source again and again: when its files change, when it is time, and, of a lazy one, when the
// first request comes.

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/weirproxy/weir/internal/backoff"
)

const (
	// debounce is how long files must be left alone before they are read.
	debounce = 250 * time.Millisecond
	// maxDebounce is how long they are waited for at most.
	maxDebounce = 2 * time.Second
	// lazyWait is how long a request waits for a document.
	lazyWait = 5 * time.Second
	// longestPause is that between tries of a source that fails and has no refresh.
	longestPause = 5 * time.Minute
	// forever is how long a timer waits that is not needed.
	forever = time.Duration(math.MaxInt64)
)

// begin starts the loop, once. A lazy track has none before its first load.
func (t *track) begin() {
	t.begun.Do(func() { go t.run() })
}

// soon has the loop look after a debounce.
func (t *track) soon() {
	select {
	case t.again <- struct{}{}:
	default:
	}
}

// run looks at the source until the track ends.
func (t *track) run() {
	due := time.NewTimer(t.pause())
	defer due.Stop()
	quiet := time.NewTimer(forever)
	defer quiet.Stop()
	var first time.Time // of the changes that are waited for
	changed := func() {
		now := time.Now()
		if first.IsZero() {
			first = now
		}
		quiet.Reset(min(debounce, max(0, maxDebounce-now.Sub(first))))
	}
	for {
		select {
		case <-t.ctx.Done():
			return
		case <-t.again:
			changed()
			continue
		case event, open := <-t.watch.events():
			if open && t.watch.concerns(event) {
				changed()
			}
			continue
		case <-t.watch.errors(): // events may be lost
			changed()
			continue
		case <-quiet.C:
		case <-due.C:
		}
		first = time.Time{}
		quiet.Reset(forever)
		t.working.Lock()
		if t.ctx.Err() == nil {
			_ = t.look(t.ctx, false) // which tells
		}
		t.working.Unlock()
		due.Reset(t.pause())
	}
}

// pause is the time to the next look: refresh, give or take a tenth, so that gateways that started together do not stay
// in step; or, while looks fail, less in the beginning.
func (t *track) pause() time.Duration {
	t.mu.Lock()
	failures := t.failures
	t.mu.Unlock()
	refresh := t.settings.Refresh
	if failures > 0 {
		longest := refresh
		if longest == 0 {
			longest = longestPause
		}
		return backoff.Policy{Base: min(time.Second, longest), Cap: longest}.Wait(failures - 1)
	}
	if refresh == 0 {
		return forever
	}
	return time.Duration((0.9 + 0.2*rand.Float64()) * float64(refresh))
}

// lazy is the first load of a lazy track.
type lazy struct {
	mu    sync.Mutex
	done  chan struct{} // closed when the load under way ends; nil if none is
	err   error         // of the last one
	next  time.Time     // of the next try
	tries int
}

// errLoading is for requests that do not wait any longer.
var errLoading = errors.New("the document is still being loaded")

// wait is generation for a request: it begins the load of a lazy track and waits for it, for 5 seconds at most. The
// load goes on when nobody waits any more. While loads fail, the error comes at once, until the time of the next try.
func (t *track) wait(ctx context.Context) (*generation, error) {
	if g := t.current.Load(); g != nil {
		return g, nil
	}
	done, err := t.load()
	if err != nil {
		return nil, err
	}
	late := time.NewTimer(lazyWait)
	defer late.Stop()
	select {
	case <-done:
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-late.C:
		return nil, errLoading
	}
	if g := t.current.Load(); g != nil {
		return g, nil
	}
	t.lazy.mu.Lock()
	defer t.lazy.mu.Unlock()
	return nil, t.lazy.err
}

// load begins the first load unless it is under way, and returns what is closed at its end; or the error of the last
// try, while it is not time for the next.
func (t *track) load() (<-chan struct{}, error) {
	l := &t.lazy
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.done == nil {
		if time.Now().Before(l.next) {
			return nil, l.err
		}
		l.done = make(chan struct{})
		go t.loadFirst()
	}
	return l.done, nil
}

// loadFirst is one try of the first load.
func (t *track) loadFirst() {
	t.working.Lock()
	var err error
	if t.current.Load() == nil { // nothing was pushed meanwhile
		err = t.look(t.ctx, false)
	}
	loaded := t.current.Load() != nil
	if loaded {
		if t.inForce {
			t.settlePush()
			t.saveCopy()
		}
		t.begin()
	}
	t.working.Unlock()

	l := &t.lazy
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err = err
	if !loaded {
		l.next = time.Now().Add(backoff.Policy{Base: time.Second, Cap: max(time.Second, t.settings.Refresh)}.Wait(l.tries))
		l.tries++
	}
	close(l.done)
	l.done = nil
}
