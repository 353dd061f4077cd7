package inbox

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

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

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
	diesBefore // its effect
	diesAfter  // its effect, before the commit
	diesDuring // the commit
	diesDone   // before the message is acknowledged
	fates      // how many there are
)

// consumers handle messages.
type consumers struct {
	t        *testing.T
	db       *pgxpool.Pool
	messages *Inbox
	store    *Store

	met [fates]atomic.Int64
	// failed are transactions that PostgreSQL ended: they are not run to their end.
	failed atomic.Int64
}

// Exactly one effect, whatever becomes of the handlers.
func TestSoakRandomSchedules(t *testing.T) {
	messages, url := installed(t)
	c := &consumers{t: t, db: pool(t, url, 40), messages: messages}
	var err error
	if c.store, err = messages.Store(c.db, 20*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	count := schedules()
	var running sync.WaitGroup
	slots := make(chan struct{}, 12)
	for i := range count {
		slots <- struct{}{}
		running.Go(func() {
			defer func() { <-slots }()
			c.deliver(fmt.Sprint(i), rand.New(rand.NewPCG(1, uint64(i))))
		})
	}
	running.Wait()

	// The server takes a moment to notice that a client is gone.
	eventually(t, "all transactions have ended", func() bool {
		return value[int](t, c.db, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND xact_start IS NOT NULL AND pid <> pg_backend_pid()") == 0
	})
	effects := value[int](t, c.db, "SELECT count(*) FROM effect")
	once := value[int](t, c.db, "SELECT count(*) FROM (SELECT FROM effect GROUP BY message_id HAVING count(*) = 1) AS message")
	if effects != count || once != count {
		t.Errorf("%d messages have %d effects, %d of them exactly one", count, effects, once)
	}
	met := make([]int64, fates)
	for f := range met {
		if met[f] = c.met[f].Load(); met[f] == 0 {
			t.Errorf("no handler met fate %d", f)
		}
	}
	t.Logf("%d messages, fates %v, %d transactions ended by PostgreSQL", count, met, c.failed.Load())
}

// deliver delivers a message to two consumers at once, and to each again until it is
// known to be done.
func (c *consumers) deliver(id string, random *rand.Rand) {
	var both sync.WaitGroup
	for range 2 {
		own := rand.New(rand.NewPCG(random.Uint64(), random.Uint64()))
		both.Go(func() { c.consume(id, own) })
	}
	both.Wait()
}

func (c *consumers) consume(id string, random *rand.Rand) {
	ctx, cancel := context.WithTimeout(c.t.Context(), within)
	defer cancel()
	for bad := random.IntN(3); ctx.Err() == nil; bad-- {
		f := succeeds
		if bad > 0 {
			f = fate(random.IntN(int(fates)))
		}
		acknowledged, err := c.handle(ctx, id, f, random)
		if err != nil {
			c.failed.Add(1)
		} else if acknowledged {
			return
		}
	}
	c.t.Errorf("message %s is not done", id)
}

// begin begins by the store, or in a transaction of the handler's own, whose level is any.
func (c *consumers) begin(ctx context.Context, id string, random *rand.Rand) (pgx.Tx, idempotency.Status, error) {
	levels := []pgx.TxIsoLevel{pgx.ReadCommitted, pgx.RepeatableRead, pgx.Serializable}
	which := random.IntN(len(levels) + 2)
	if which >= len(levels) {
		begun, state, err := c.store.Begin(ctx, "g", id)
		if begun == nil {
			return nil, state.Status, err
		}
		return begun.(*claim).tx, state.Status, nil
	}
	tx, err := c.db.BeginTx(ctx, pgx.TxOptions{IsoLevel: levels[which]})
	if err != nil {
		return nil, 0, err
	}
	fresh, err := c.messages.Once(ctx, tx, "g", id)
	if err == nil && fresh {
		return tx, idempotency.Started, nil
	}
	return nil, idempotency.AlreadyDone, errors.Join(err, tx.Rollback(ctx))
}

// handle is a handler, and tells whether the message is acknowledged then. After an error
// nobody knows what has become of it.
func (c *consumers) handle(ctx context.Context, id string, f fate, random *rand.Rand) (acknowledged bool, err error) {
	tx, status, err := c.begin(ctx, id, random)
	if err != nil || status != idempotency.Started {
		return status == idempotency.AlreadyDone, err
	}
	defer func() { _ = tx.Rollback(ctx) }() // nothing after a commit; the pool drops what died
	c.met[f].Add(1)
	if f == diesBefore {
		return false, die(tx)
	}
	if _, err := tx.Exec(ctx, "INSERT INTO effect VALUES ($1)", id); err != nil {
		return false, err
	}
	switch f {
	case fails:
		return false, tx.Rollback(ctx)
	case diesAfter:
		return false, die(tx)
	case diesDuring:
		dead := make(chan error, 1)
		pid := tx.Conn().PgConn().PID()
		go func() {
			_, err := c.db.Exec(ctx, "SELECT pg_terminate_backend($1)", pid)
			dead <- err
		}()
		err := tx.Commit(ctx)
		return err == nil, errors.Join(err, <-dead)
	}
	err = tx.Commit(ctx)
	return f != diesDone, err
}

// die cuts the connection, as the end of a process does.
func die(tx pgx.Tx) error { return tx.Conn().PgConn().Conn().Close() }
