// Package discovery follows the instances of a service in Consul and keeps the last
// good set of them ready to be read without I/O.
//
// A Watcher asks one Source, which is the leases that package lease holds (KV) or the
// catalogue with its health checks (Catalogue), by blocking queries: one connection per
// service however many instances it has. What it is told is not believed blindly. A
// Consul that is down, or answers nonsense, changes nothing; one that says there is
// nobody any more must say so for a while; and never more than a part of the set goes
// at a time, unless the instances themselves say that they leave. The set is kept on
// disk too, for a process that starts while Consul is down.
//
// The package depends on the package lease and on github.com/hashicorp/consul/api, the
// client of the same Consul that lease registers with. It has a Source for what comes
// from there; everything else is the standard library.
package discovery

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// answerWithin is how long a question may take beyond the time that Consul is asked to
// wait for a change.
const answerWithin = 10 * time.Second

// Watcher follows the instances of one service. Its methods may be called concurrently.
type Watcher struct {
	source   Source
	settings Settings
	log      *slog.Logger
	set      atomic.Pointer[Set]
	ready    chan struct{}
	done     chan struct{}

	mu     sync.Mutex
	status Status

	// what follows belongs to run
	pace  pace
	guard guard
	cache cache
	heard Answer // the latest that may have had something new
	told  state
}

// Watch begins to ask the source, and goes on in the background until ctx is done. It
// does not wait for an answer: with an initial set or a cache file there may be a Snapshot
// at once, else there is one when Ready is closed. It fails if settings make no sense.
func Watch(ctx context.Context, source Source, settings Settings) (*Watcher, error) {
	if source == nil {
		return nil, errors.New("discovery: there is no source")
	}
	if err := settings.Validate(); err != nil {
		return nil, err
	}
	settings = settings.WithDefaults()
	now := time.Now()
	w := &Watcher{
		source:   source,
		settings: settings,
		log:      settings.Logger.With(slog.String("source", source.Name())),
		ready:    make(chan struct{}),
		done:     make(chan struct{}),
		status:   Status{Since: now},
		pace:     newPace(now),
		guard:    guard{settings: settings},
		cache:    cache{file: settings.CacheFile, source: source.Name(), maxAge: settings.CacheMaxAge},
	}
	w.recall(now)
	go w.run(ctx)
	return w, nil
}

// Snapshot returns the set to use now; it is one atomic load. It is nil until the first
// answer, unless there is one to begin with, and never again. The same pointer is returned
// until the set changes.
func (w *Watcher) Snapshot() *Set { return w.set.Load() }

// Ready is closed as soon as there is a Snapshot.
func (w *Watcher) Ready() <-chan struct{} { return w.ready }

// Done is closed when the watch has ended after its context is done. The last Snapshot
// stands.
func (w *Watcher) Done() <-chan struct{} { return w.done }

// run asks until ctx is done.
func (w *Watcher) run(ctx context.Context) {
	defer close(w.done)
	// what was heard shortly before the end is not on disk yet
	defer func() { w.keep(time.Now(), true) }()
	pause := w.pace.due(time.Now(), 0)
	for sleep(ctx, pause) {
		wait := w.wait(time.Now())
		began := time.Now()
		answer, err := w.ask(ctx, wait)
		if ctx.Err() != nil {
			return
		}
		now := time.Now()
		if err != nil {
			w.fail(err, now)
			pause = w.pace.due(now, w.pace.failed())
			continue
		}
		changed := w.pace.answered(answer.Index, now.Sub(began), wait)
		if changed {
			w.heard = answer
		}
		w.succeed(answer.Index, changed, now)
		w.keep(now, false)
		pause = w.pace.due(now, max(w.settings.Debounce, w.pace.rest()))
	}
}

// wait is how long the next question may be left without an answer. It is less than
// usual while something is due meanwhile: the answer that there is still no other then
// confirms what was heard before.
func (w *Watcher) wait(now time.Time) time.Duration {
	if w.pace.index == 0 {
		return 0
	}
	wait := w.settings.Wait
	for _, due := range []time.Time{w.guard.due(), w.cache.due()} {
		if !due.IsZero() {
			wait = min(wait, max(due.Sub(now), time.Second))
		}
	}
	return wait
}

func (w *Watcher) ask(ctx context.Context, wait time.Duration) (Answer, error) {
	// Consul adds up to a sixteenth to the wait, so that not all come back at once
	asking, cancel := context.WithTimeout(ctx, wait+wait/16+answerWithin)
	defer cancel()
	answer, err := w.source.Ask(asking, w.pace.index, wait)
	if err == nil {
		return answer, nil
	}
	if errors.Is(asking.Err(), context.DeadlineExceeded) {
		err = errors.New("there is no answer in time")
	}
	return Answer{}, err
}

// sleep waits and reports whether ctx is still on.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// publish makes a set the one to use, unless it is the same.
func (w *Watcher) publish(next *Set) {
	before := w.set.Load()
	if before != nil && before.same(next) {
		return
	}
	w.set.Store(next)
	if before == nil {
		close(w.ready)
	}
}
