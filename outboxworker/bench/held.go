package bench

// held.go measures what another session does to a relay by keeping a transaction open.

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/weirproxy/weir/outboxworker/outbox"
	"github.com/weirproxy/weir/outboxworker/sink"
)

const (
	free = "free" // nobody keeps a transaction open
	held = "held"
)

// snapshotHeld is scenario SnapshotHeld: both variants are drained again and again, by
// one relay, for as long as Hold.
func (b *bench) snapshotHeld(ctx context.Context) ([]Row, error) {
	return b.heldRows(ctx, SnapshotHeld, func(ctx context.Context, sink string, holds bool) (result, error) {
		return b.drainFor(ctx, sink, holds)
	})
}

// writerHeld is scenario WriterHeld.
func (b *bench) writerHeld(ctx context.Context) ([]Row, error) {
	return b.heldRows(ctx, WriterHeld, func(ctx context.Context, sink string, holds bool) (result, error) {
		if holds {
			return b.drainBesideWriter(ctx, sink)
		}
		return b.drain(ctx, sink, b.Messages, nil)
	})
}

// heldRows measures both variants with each sink.
func (b *bench) heldRows(ctx context.Context, scenario string, run func(ctx context.Context, sink string, holds bool) (result, error)) ([]Row, error) {
	var rows []Row
	for _, sink := range b.relaySinks() {
		all, err := b.inTurns(ctx, scenario, []measure{
			{free, func(ctx context.Context) (result, error) { return run(ctx, sink, false) }},
			{held, func(ctx context.Context) (result, error) { return run(ctx, sink, true) }},
		})
		if err != nil {
			return rows, fmt.Errorf("%s: %w", sink, err)
		}
		row := all[1].summarize(scenario, sink, held)
		setRatio(&row, free, all[1].ratio(all[0]))
		rows = append(rows, row, all[0].summarize(scenario, sink, free))
	}
	return rows, nil
}

// patientLane is the lane timeout of a relay whose sink is shut while a table is filled.
const patientLane = 10 * time.Minute

// drainFor drains Messages again and again until Hold has passed. The sink is shut while
// the next messages are enqueued, and only draining counts.
func (b *bench) drainFor(ctx context.Context, name string, holds bool) (sum result, err error) {
	if err := b.reset(ctx); err != nil {
		return sum, err
	}
	if holds {
		release, holdErr := b.holdSnapshot(ctx)
		if holdErr != nil {
			return sum, holdErr
		}
		defer func() { err = errors.Join(err, release()) }()
	}
	target, err := b.open(name)
	if err != nil {
		return sum, err
	}
	defer target.close()
	m := newMeter(target, b.Keys)
	j := b.job(name)
	relay, err := j.start(ctx, m, patientLane, b.Logger)
	if err != nil {
		return sum, err
	}
	var failed error
	for began := time.Now(); failed == nil && (sum.messages == 0 || time.Since(began) < b.Hold); {
		failed = b.drainOnce(ctx, m, &sum)
	}
	if err := errors.Join(failed, relay.stop()); err != nil {
		return sum, err
	}
	return sum, errors.Join(b.checkEmpty(ctx), target.check(ctx, sum.messages))
}

// drainOnce enqueues messages for a relay that runs, and adds how long they take.
func (b *bench) drainOnce(ctx context.Context, m *meter, sum *result) error {
	open := m.shut()
	base, err := b.lastID(ctx)
	round := m.expect(base, int64(b.Messages))
	if err == nil {
		err = b.fill(ctx, fillOutbox, b.Messages)
	}
	if err != nil {
		open()
		return err
	}
	r, err := b.clock(int64(b.Messages), func() error {
		open()
		return round.wait(ctx)
	})
	sum.messages += r.messages
	sum.elapsed += r.elapsed
	sum.cpu += r.cpu
	return errors.Join(err, round.check())
}

// holdSnapshot opens a transaction whose snapshot keeps everything that is there from
// being vacuumed, until the function that it returns is called.
func (b *bench) holdSnapshot(ctx context.Context) (release func() error, err error) {
	conn, err := pgx.Connect(ctx, b.database)
	if err != nil {
		return nil, fmt.Errorf("holding a snapshot: %w", err)
	}
	if _, err := conn.Exec(ctx, "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM "+plain+".account"); err != nil {
		return nil, errors.Join(fmt.Errorf("holding a snapshot: %w", err), conn.Close(ctx))
	}
	return func() error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeWithin)
		defer cancel()
		var held bool
		err := conn.QueryRow(ctx, "SELECT backend_xmin IS NOT NULL FROM pg_stat_activity WHERE pid = pg_backend_pid()").Scan(&held)
		if err == nil && !held {
			err = errors.New("holding a snapshot: there was none any more")
		}
		return errors.Join(err, conn.Close(ctx))
	}, nil
}

// writerKey is the key of the messages of the writer that stays open.
const writerKey = "writer"

// journal takes note of the messages of one key, in the order in which they come.
type journal struct {
	mu   sync.Mutex
	came []string // their types
}

func (j *journal) observe(m *sink.Message, _ time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.came = append(j.came, m.Type)
}

func (j *journal) types() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return append([]string(nil), j.came...)
}

// drainBesideWriter measures a drain while a transaction is open that has enqueued a
// message before all others. When all others have arrived it enqueues another one and
// commits; a third comes from a transaction after it. The three must come, in order.
func (b *bench) drainBesideWriter(ctx context.Context, name string) (r result, err error) {
	if err := b.reset(ctx); err != nil {
		return r, err
	}
	conn, err := pgx.Connect(ctx, b.database)
	if err != nil {
		return r, fmt.Errorf("connecting the writer: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	tx, err := conn.Begin(ctx)
	if err != nil {
		return r, fmt.Errorf("beginning the writer's transaction: %w", err)
	}
	if err := enqueueAs(ctx, tx, "first"); err != nil {
		return r, err
	}
	base, err := b.lastID(ctx)
	if err != nil {
		return r, err
	}
	if err := b.fill(ctx, fillOutbox, b.Messages); err != nil {
		return r, err
	}
	target, err := b.open(name)
	if err != nil {
		return r, err
	}
	defer target.close()
	var came journal
	m := newMeter(target, b.Keys)
	m.observe = came.observe
	round := m.expect(base, int64(b.Messages))
	r, err = b.drainThenCommit(ctx, name, m, round, func() error { return finishWriter(ctx, conn, tx, &came) })
	if err != nil {
		return r, err
	}
	return r, errors.Join(round.check(), b.checkEmpty(ctx), target.check(ctx, int64(b.Messages)+3))
}

// drainThenCommit runs a relay until a round has arrived, which is what is measured, and
// then until commit returns.
func (b *bench) drainThenCommit(ctx context.Context, name string, m *meter, round *round, commit func() error) (r result, err error) {
	j := b.job(name)
	var relay *relaying
	r, err = b.clock(round.n, func() (err error) {
		if relay, err = j.start(ctx, m, 0, b.Logger); err != nil {
			return err
		}
		return round.wait(ctx)
	})
	if relay == nil {
		return r, err
	}
	defer relay.stopIf(&err)
	if err != nil {
		return r, err
	}
	return r, commit()
}

func enqueueAs(ctx context.Context, tx pgx.Tx, kind string) error {
	o, err := outbox.New(schema)
	if err != nil {
		return err
	}
	_, err = o.Enqueue(ctx, tx, outbox.Message{Topic: "orders", Key: writerKey, Type: kind})
	return err
}

// finishWriter ends the writer's transaction and makes sure that its messages come.
func finishWriter(ctx context.Context, conn *pgx.Conn, tx pgx.Tx, came *journal) error {
	if early := came.types(); len(early) > 0 {
		return fmt.Errorf("checking the writer: %q came before they were committed", early)
	}
	if err := enqueueAs(ctx, tx, "second"); err != nil {
		return err
	}
	if err := tx.Commit(ctx); err != nil {
		return fmt.Errorf("committing the writer: %w", err)
	}
	err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error { return enqueueAs(ctx, tx, "third") })
	if err != nil {
		return err
	}
	deadline := time.Now().Add(patience)
	for len(came.types()) < 3 && time.Now().Before(deadline) && ctx.Err() == nil {
		time.Sleep(time.Millisecond)
	}
	if got := fmt.Sprint(came.types()); got != "[first second third]" {
		return fmt.Errorf("checking the writer: %s came, want first, second and third", got)
	}
	return nil
}
