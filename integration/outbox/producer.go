package outbox

// producer.go runs the business: transactions that enqueue messages, of which it knows
// exactly which were committed, whatever happens to the database meanwhile.

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	enqueue "github.com/weirproxy/weir/outboxworker/outbox"
)

// producers are goroutines that run transactions.
type producers struct {
	t        testing.TB
	database *database
	journal  *commits
	keys     *keyChoice
	topics   int
	pace     time.Duration

	stop    context.CancelFunc
	running sync.WaitGroup
}

const (
	transactionWithin = 30 * time.Second
	// Of so many transactions one is rolled back, is slow, has several keys, has a
	// message without a key, or one for a later time.
	rollbackEvery = 20
	slowEvery     = 150
	severalEvery  = 10
	looseEvery    = 15
	lateEvery     = 25
)

// keyChoice draws keys by Zipf's law. It may be used by several goroutines.
type keyChoice struct {
	mu   sync.Mutex
	zipf *rand.Zipf
}

func newKeyChoice(keys int) *keyChoice {
	random := rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
	return &keyChoice{zipf: rand.NewZipf(random, 1.1, 1, uint64(keys-1))}
}

func (k *keyChoice) draw() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return "a" + strconv.FormatUint(k.zipf.Uint64(), 10)
}

// start starts goroutines, each of which pauses for pace after a transaction.
func (p *producers) start(goroutines int) {
	ctx, stop := context.WithCancel(context.Background())
	p.stop = stop
	for range goroutines {
		p.running.Go(func() { p.work(ctx) })
	}
	p.t.Cleanup(p.end)
}

// end lets transactions under way finish, so that all outcomes are known.
func (p *producers) end() {
	p.stop()
	p.running.Wait()
}

// work runs transactions, over a new connection when one is lost.
func (p *producers) work(ctx context.Context) {
	for ctx.Err() == nil {
		_ = p.database.try(func(_ context.Context, conn *pgx.Conn) error {
			for ctx.Err() == nil && !conn.IsClosed() {
				p.transaction(conn)
				time.Sleep(p.pace)
			}
			return nil
		})
		time.Sleep(20 * time.Millisecond)
	}
}

// transaction runs one and journals what it committed. An error before the commit was
// sent means that nothing was; after an error of the commit itself nobody knows.
func (p *producers) transaction(conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), transactionWithin)
	defer cancel()
	tx, err := conn.Begin(ctx)
	if err != nil {
		return
	}
	defer func() { _ = tx.Rollback(ctx) }()
	id := uuid.New()
	if _, err := tx.Exec(ctx, "INSERT INTO business (id, committed) VALUES ($1, true)", id.String()); err != nil {
		return
	}
	messages, err := p.change(ctx, tx)
	if err != nil {
		var refused enqueueError
		if errors.As(err, &refused) && !conn.IsClosed() {
			p.t.Errorf("a message was not enqueued: %v", err)
		}
		return
	}
	if oneIn(slowEvery) {
		time.Sleep(time.Second + rand.N(time.Second))
	}
	if oneIn(rollbackEvery) {
		p.journal.noteRollback()
		return
	}
	if err := tx.Commit(ctx); err != nil {
		p.journal.noteUnknown()
		if !p.wasCommitted(id) {
			return
		}
	}
	p.journal.committed(messages)
}

// enqueueError is an error of the database that is no lost connection.
type enqueueError struct{ error }

func oneIn(n int) bool { return rand.IntN(n) == 0 }

// change changes accounts and enqueues a message for each.
func (p *producers) change(ctx context.Context, tx pgx.Tx) ([]message, error) {
	keys := []string{p.keys.draw()}
	if oneIn(severalEvery) {
		keys = append(keys, p.keys.draw(), p.keys.draw())
	}
	if oneIn(looseEvery) {
		keys = append(keys, loose)
	}
	if oneIn(lateEvery) {
		keys = append(keys, late)
	}
	slices.Sort(keys) // as all lock in the same order, none waits for another in a circle
	keys = slices.Compact(keys)
	messages := make([]message, len(keys))
	for i, key := range keys {
		m := message{key: key}
		err := tx.QueryRow(ctx, `INSERT INTO account AS a (key, seq) VALUES ($1, 1)
			ON CONFLICT (key) DO UPDATE SET seq = a.seq + 1 RETURNING seq`, key).Scan(&m.seq)
		if err != nil {
			return nil, err
		}
		if err := p.enqueue(ctx, tx, m); err != nil {
			return nil, enqueueError{err}
		}
		messages[i] = m
	}
	return messages, nil
}

func (p *producers) enqueue(ctx context.Context, tx pgx.Tx, m message) error {
	out := enqueue.Message{Topic: topic(m, p.topics), Key: m.key, Type: "test", Payload: m.payload()}
	switch m.key {
	case loose:
		out.Key = ""
	case late:
		out.Key = "a0" // outside of its order until it is due
		out.DeliverAfter = time.Now().Add(300*time.Millisecond + rand.N(time.Second))
	}
	_, err := enqueue.Enqueue(ctx, tx, out)
	return err
}

// topic is that of a key: of several topics, always the same one.
func topic(m message, topics int) string { return "topic" + strconv.Itoa(len(m.key)%topics) }

// wasCommitted finds out what became of a transaction whose commit was not answered. If
// it is still being committed, the insert waits for it; if it was not, it never will
// be, as its id is taken then.
func (p *producers) wasCommitted(id uuid.UUID) bool {
	var err error
	for until := time.Now().Add(time.Minute); time.Now().Before(until); time.Sleep(50 * time.Millisecond) {
		committed := false
		err = p.database.try(func(ctx context.Context, conn *pgx.Conn) error {
			if _, err := conn.Exec(ctx, "INSERT INTO business (id, committed) VALUES ($1, false) ON CONFLICT DO NOTHING", id.String()); err != nil {
				return err
			}
			return conn.QueryRow(ctx, "SELECT committed FROM business WHERE id = $1", id.String()).Scan(&committed)
		})
		if err == nil {
			return committed
		}
	}
	p.t.Errorf("for a minute nobody could find out whether a transaction was committed: %v", err)
	return false
}

// enqueueAll commits messages in one transaction, in their order, and journals them.
func (p *producers) enqueueAll(messages []message) {
	p.t.Helper()
	err := p.database.try(func(ctx context.Context, conn *pgx.Conn) error {
		return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			for _, m := range messages {
				if err := p.enqueue(ctx, tx, m); err != nil {
					return fmt.Errorf("enqueuing %s: %w", m, err)
				}
			}
			return nil
		})
	})
	if err != nil {
		p.t.Fatal(err)
	}
	p.journal.committed(messages)
}
