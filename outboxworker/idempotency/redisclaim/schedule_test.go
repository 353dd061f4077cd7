package redisclaim

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/weirproxy/weir/internal/testserver"
	"github.com/weirproxy/weir/outboxworker/idempotency"
)

// schedules is how many random ones are run: WEIR_SOAK=1 makes it a run of minutes.
func schedules() int {
	if os.Getenv("WEIR_SOAK") != "" {
		return 10_000
	}
	return 300
}

// fate is what becomes of a handler.
type fate int

const (
	succeeds fate = iota
	fails
	diesBefore    // its effect
	diesAfter     // its effect, before Done
	diesDone      // before the message is acknowledged
	overrunBefore // held up for longer than the lease, before it looks and has its effect
	overrunAfter  // between its effect and Done
	fates         // how many there are
)

// message is a schedule: what becomes of one message that is delivered until it is done.
type message struct {
	t      *testing.T
	id     string
	store  *Store
	client *redis.Client

	effects atomic.Int64
	// died and overran are the reasons for which there may be more than one effect:
	// handlers that died after theirs, and those that Done told they had overrun.
	died, overran atomic.Int64
	met           [fates]atomic.Int64
}

// The promise of the package: never no effect, and for each one too many a handler that
// was killed, or held up, after it had had its effect.
func TestSoakRandomSchedules(t *testing.T) {
	client := connect(t, testserver.Redis(t).URL(), func(o *redis.Options) { o.PoolSize = 40 })
	store := open(t, client, func(s *Settings) { s.Lease = 40 * time.Millisecond })
	all := make([]*message, schedules())
	var running sync.WaitGroup
	slots := make(chan struct{}, 16)
	for i := range all {
		m := &message{t: t, id: fmt.Sprint(i), store: store, client: client}
		all[i] = m
		slots <- struct{}{}
		running.Go(func() {
			defer func() { <-slots }()
			m.run(rand.New(rand.NewPCG(1, uint64(i))))
		})
	}
	running.Wait()

	var repeated, died, overran int64
	var met [fates]int64
	for _, m := range all {
		extra, reasons := m.effects.Load()-1, m.died.Load()+m.overran.Load()
		if extra < 0 || extra > reasons {
			t.Errorf("message %s: %d effects, %d handlers died and %d overran after theirs", m.id, extra+1, m.died.Load(), m.overran.Load())
		}
		repeated, died, overran = repeated+extra, died+m.died.Load(), overran+m.overran.Load()
		for f := range met {
			met[f] += m.met[f].Load()
		}
	}
	t.Logf("%d messages, %d effects too many: %d handlers died after their effect, %d overran; fates %v", len(all), repeated, died, overran, met)
	for f, n := range met {
		if n == 0 {
			t.Errorf("no handler met fate %d", f)
		}
	}
	if repeated == 0 {
		t.Error("no effect was repeated: the schedules test nothing")
	}
}

// run delivers the message to two consumers at once, and to each again until it says
// that the message is done.
func (m *message) run(random *rand.Rand) {
	var consumers sync.WaitGroup
	for range 2 {
		var ahead []fate
		for range random.IntN(3) {
			ahead = append(ahead, fate(random.IntN(int(fates))))
		}
		ahead = append(ahead, succeeds)
		consumers.Go(func() { m.consume(ahead) })
	}
	consumers.Wait()
}

func (m *message) consume(ahead []fate) {
	ctx, cancel := context.WithTimeout(m.t.Context(), within)
	defer cancel()
	for {
		claim, state, err := m.store.Begin(ctx, "g", m.id)
		if err != nil {
			m.t.Errorf("message %s: %v", m.id, err)
			return
		}
		switch state.Status {
		case idempotency.AlreadyDone:
			if m.effects.Load() == 0 {
				m.t.Errorf("message %s is done without an effect", m.id)
			}
			return
		case idempotency.Busy:
			again := time.NewTimer(min(state.Left, 5*time.Millisecond))
			<-again.C
			continue
		}
		if m.handle(ctx, claim, ahead[0]) {
			return
		}
		if len(ahead) > 1 {
			ahead = ahead[1:]
		}
	}
}

// handle is a handler, and tells whether the message is acknowledged then. One that dies
// does nothing any more: that is all that Redis sees of a death.
func (m *message) handle(ctx context.Context, claim idempotency.Claim, f fate) (acknowledged bool) {
	m.met[f].Add(1)
	switch f {
	case diesBefore:
		return false
	case fails:
		if err := claim.Release(ctx); err != nil {
			m.t.Error(err)
		}
		return false
	case overrunBefore:
		m.holdUp(ctx, claim)
	}
	if err := claim.Extend(ctx); err != nil {
		if err != idempotency.ErrLost {
			m.t.Error(err)
		}
		return false
	}
	if f == overrunBefore {
		m.t.Errorf("message %s: a handler that was held up does not learn it", m.id)
	}
	m.effects.Add(1)
	switch f {
	case diesAfter:
		m.died.Add(1)
		return false
	case overrunAfter:
		m.holdUp(ctx, claim)
	}
	err := claim.Done(ctx)
	switch {
	case errors.Is(err, idempotency.ErrOverran):
		m.overran.Add(1)
	case err != nil:
		m.t.Error(err)
	case f == overrunAfter:
		m.t.Errorf("message %s: a handler that was held up is not told so by Done", m.id)
	}
	return f != diesDone
}

// holdUp returns when the claim is not the handler's any more.
func (m *message) holdUp(ctx context.Context, c idempotency.Claim) {
	own := c.(*claim)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for range tick.C {
		held, err := m.client.Get(ctx, own.keys[0]).Result()
		if err != nil && err != redis.Nil {
			m.t.Error(err)
			return
		}
		if held != "P:"+own.token {
			return
		}
	}
}
