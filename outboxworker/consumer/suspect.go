package consumer

// suspect.go holds what keeps a message that ends the process of whoever handles it from
// taking others along.
//
// Whatever consumers had in hand when they vanished is counted to have made them vanish, as
// nobody knows which of it did. What was in hand suspectFrom times is a suspect. A consumer, or
// those with the same Options.Suspects, has one in hand at a time; the others stay in Redis,
// where nothing is counted. So
// from then on the count grows of the one that is to blame, and of what is new beside it,
// until that is a suspect too.

import (
	"context"
	"time"
)

// Suspects lets consumers of one process have one suspect in hand at a time, see
// Options.MaxTakeovers. Make it with NewSuspects.
type Suspects struct{ turn alone }

// NewSuspects returns what all consumers of a process have in common.
func NewSuspects() *Suspects { return &Suspects{make(alone, 1)} }

// suspectFrom is how often consumers must have vanished with a message for it to be a
// suspect: more often than by mere chance.
const suspectFrom = 3

// suspectFrom is that, or less if messages die earlier.
func (o *Options) suspectFrom() int { return min(suspectFrom, o.MaxTakeovers) }

// alone has an element while a consumer has a suspect in hand, or asks for one.
type alone chan struct{}

// try tells whether the consumer may ask for a suspect. If so, keep or leave follows.
func (a alone) try() bool {
	select {
	case a <- struct{}{}:
		return true
	default:
		return false
	}
}

// leave ends what try has begun.
func (a alone) leave() { <-a }

// keep leaves it to the suspect among the jobs to leave, when that ends; if there is one.
func (a alone) keep(jobs []*job, from int) {
	for _, j := range jobs {
		if j.takeovers() >= from {
			j.alone = a
			return
		}
	}
	a.leave()
}

// wait waits until a suspect may be asked for, ctx is done or that time has passed.
func (a alone) wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case a <- struct{}{}:
		a.leave()
	case <-timer.C:
	case <-ctx.Done():
	}
}

// flag is how scripts are told yes and no.
func flag(yes bool) int {
	if yes {
		return 1
	}
	return 0
}
