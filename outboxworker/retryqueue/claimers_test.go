package retryqueue

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

// ledger checks what claimers get. Its clock is the server's, as both are on one machine.
type ledger struct {
	mu   sync.Mutex
	held map[int64]holding
	done map[int64]int
	// abandoned is how many leases nobody ended, and slowest the longest time from
	// the end of one to the next claim.
	abandoned int
	slowest   time.Duration
	twice     int
}

// holding is a lease: it ends between these times.
type holding struct{ earliest, latest time.Time }

func (l *ledger) claimed(claims []Claim, asked, answered time.Time, lease time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range claims {
		if before, held := l.held[c.ID]; held {
			if answered.Before(before.earliest) {
				l.twice++
			}
			l.abandoned++
			l.slowest = max(l.slowest, answered.Sub(before.latest))
		}
		l.held[c.ID] = holding{asked.Add(lease), answered.Add(lease)}
	}
}

// ending forgets leases that their owners are about to end.
func (l *ledger) ending(claims []Claim) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range claims {
		delete(l.held, c.ID)
	}
}

func (l *ledger) ended(c Claim) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.done[c.ID]++
}

func (l *ledger) finished() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.done)
}

// Eight claimers of which one dies every few milliseconds, wherever it is: no id is lost,
// none is claimed by two at once, and what the dead held is claimed within a second
// of the end of the lease.
func TestClaimersDie(t *testing.T) {
	q, _, _ := open(t)
	listen(t, q)
	const (
		claimers = 8
		count    = 2000
		lease    = 500 * time.Millisecond
		dying    = 3 * time.Second
	)
	l := &ledger{held: make(map[int64]holding), done: make(map[int64]int)}
	var all sync.WaitGroup
	kill := make([]context.CancelFunc, claimers)
	begin := func(i int) {
		ctx, cancel := context.WithCancel(t.Context())
		kill[i] = cancel
		all.Go(func() { work(ctx, t, q, l, lease) })
	}
	for i := range kill {
		begin(i)
	}
	began := time.Now()
	for i := range count / 10 {
		timers := make([]Timer, 10)
		for k := range timers {
			timers[k] = Timer{int64(i*10 + k + 1), rand.N(2 * time.Second)}
		}
		schedule(t, q, timers...)
	}
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(time.Minute); l.finished() < count && time.Now().Before(deadline); {
		<-ticker.C
		if time.Since(began) < dying {
			victim := rand.IntN(claimers)
			kill[victim]()
			begin(victim)
		}
	}
	for _, stop := range kill {
		stop()
	}
	all.Wait()

	if l.finished() != count {
		t.Errorf("%d of %d ids are done", l.finished(), count)
	}
	for id, times := range l.done {
		if times != 1 {
			t.Errorf("%d was done %d times by the owner of its lease", id, times)
		}
	}
	t.Logf("%d leases were abandoned; the slowest came back %s after its end", l.abandoned, l.slowest)
	if l.twice > 0 {
		t.Errorf("%d claims of ids that others held", l.twice)
	}
	if l.abandoned == 0 || l.slowest > time.Second {
		t.Errorf("%d leases were abandoned; the slowest came back %s after its end", l.abandoned, l.slowest)
	}
	assertStats(t, q, 0, 0, 0)
}

// work is a claimer. When ctx is done it stops wherever it is and ends nothing.
func work(ctx context.Context, t *testing.T, q *Queue, l *ledger, lease time.Duration) {
	for ctx.Err() == nil {
		asked := time.Now()
		claimed, err := q.Claim(ctx, 1+rand.IntN(20), lease)
		if err != nil {
			if ctx.Err() == nil {
				t.Error(err)
			}
			return
		}
		l.claimed(claimed.Claims, asked, time.Now(), lease)
		for _, c := range claimed.Claims {
			select {
			case <-time.After(rand.N(2 * time.Millisecond)): // the work
			case <-ctx.Done():
				return
			}
			settleOne(ctx, t, q, l, c)
		}
		if q.Wait(ctx, claimed) != nil {
			return
		}
	}
}

// settleOne is done with a claim, or one time in four lets it wait a little more.
func settleOne(ctx context.Context, t *testing.T, q *Queue, l *ledger, c Claim) {
	ctx = context.WithoutCancel(ctx) // or nobody would know what happened
	l.ending([]Claim{c})
	if rand.IntN(4) == 0 {
		if _, err := q.Return(ctx, Returned{c, rand.N(50 * time.Millisecond)}); err != nil {
			t.Error(err)
		}
		return
	}
	lost, err := q.Done(ctx, c)
	if err != nil {
		t.Error(err)
	}
	if lost == 0 {
		l.ended(c)
	}
}
