// Package circuit stops calls to somebody who does not answer, and finds out when
// he does again.
//
// sony/gobreaker is the engine: it counts, opens and lets one probe through. Around
// it stands what it lacks: open times that grow while probes keep failing.
//
// The package depends on sony/gobreaker and the standard library.
package circuit

import (
	"errors"
	"sync"
	"time"

	"github.com/sony/gobreaker/v2"
)

// Settings are what a breaker can be told.
type Settings struct {
	// Failures is how many failures in a row open the breaker. Default: 1.
	Failures int
	// OpenFor is how long the breaker stays open after it opened for the nth time
	// in a row, from 0 on. Required.
	OpenFor func(n int) time.Duration
}

// Outcome is how a call ended, as far as the breaker is concerned.
type Outcome uint8

const (
	// Neutral says nothing about who was called, or there was no call after all.
	Neutral Outcome = iota
	// Success and Failure count.
	Success
	Failure
)

var (
	errFailure = errors.New("failure")
	errNeutral = errors.New("neutral")
)

// Breaker is closed at first: calls pass. After enough failures it is open and none
// do; after a while it is half-open and one does, which closes it or opens it again.
// Its methods may be called concurrently.
type Breaker struct {
	settings Settings
	engine   *gobreaker.TwoStepCircuitBreaker[struct{}]

	mu     sync.Mutex
	opened int // how often in a row
	until  time.Time
	turn   int // how often it opened or closed; what began before says nothing new
}

// New returns a closed breaker.
func New(settings Settings) *Breaker {
	failures := uint32(max(settings.Failures, 1))
	return &Breaker{
		settings: settings,
		engine: gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
			MaxRequests: 1,
			// its open time cannot change: the breaker's own is waited for first
			Timeout:     time.Nanosecond,
			ReadyToTrip: func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= failures },
			IsExcluded:  func(err error) bool { return errors.Is(err, errNeutral) },
		}),
	}
}

// Allow asks for a call. If it may be made, done must be called when it is over,
// with how it ended. If not, done is nil and wait is for how long to leave it; 0
// while a probe is under way.
func (b *Breaker) Allow() (done func(Outcome), wait time.Duration) {
	if wait := b.Open(); wait > 0 {
		return nil, wait
	}
	b.mu.Lock()
	turn := b.turn
	b.mu.Unlock()
	finish, err := b.engine.Allow()
	if err != nil {
		return nil, 0
	}
	return func(o Outcome) { b.finish(finish, o, turn) }, 0
}

// finish reports to the engine under the lock, so that the open time is known
// before anybody sees that the engine's has passed.
func (b *Breaker) finish(done func(error), o Outcome, turn int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch o {
	case Success:
		done(nil)
		if b.opened > 0 && turn == b.turn && b.engine.State() == gobreaker.StateClosed {
			b.opened, b.until = 0, time.Time{}
			b.turn++
		}
	case Failure:
		done(errFailure)
		// calls that were under way when it opened fail too, and must not open it for longer
		if turn == b.turn && b.engine.State() != gobreaker.StateClosed {
			b.until = time.Now().Add(b.settings.OpenFor(b.opened))
			b.opened++
			b.turn++
		}
	default:
		done(errNeutral)
	}
}

// Open returns for how long no call is allowed; 0 if one may be, or if it is
// closed.
func (b *Breaker) Open() time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	return max(0, time.Until(b.until))
}

// Closed reports whether all calls are allowed.
func (b *Breaker) Closed() bool { return b.engine.State() == gobreaker.StateClosed }
