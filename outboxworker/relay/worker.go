package relay

// worker.go is one worker: a connection, and the lanes that it works on in turn.

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/zap"

	"github.com/weirproxy/weir/internal/backoff"
	"github.com/weirproxy/weir/outboxworker/outbox"
)

// progress is what a batch came to.
type progress struct {
	messages int           // that were removed or moved
	busy     bool          // another worker has the lane
	more     bool          // there may be more to do
	sleep    time.Duration // how long to leave the receiver alone
}

// worker is not for concurrent use.
type worker struct {
	relay       *Relay
	sql         *statements
	lanes       []*lane
	conn        *pgx.Conn
	table       uint32 // object id
	incarnation incarnation
	proof       proof
	buffer      []pending
	wake        chan struct{}
	idle        atomic.Bool
	unprobed    atomic.Bool // asks for a probe when it rests
}

func (w *worker) settings() *Settings { return &w.relay.settings }

func (w *worker) lockKey(l *lane) int64 { return outbox.LaneLock(w.table, l.number) }

// reconnect is how long a worker waits for a database that is away.
var reconnect = backoff.Policy{Base: 100 * time.Millisecond, Cap: 5 * time.Second}

// run works until ctx is done. Batches under way are finished within hard.
func (w *worker) run(ctx, hard context.Context) {
	for failures := 0; ctx.Err() == nil; failures++ {
		began := time.Now()
		err := w.session(ctx, hard)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > time.Minute {
			failures = 0
		}
		w.relay.logger.Error("working on the outbox", zap.Error(err))
		w.relay.metrics.reconnected(w.settings().Schema)
		sleep(ctx, reconnect.Wait(failures), nil)
	}
}

// session connects and works until ctx is done or the connection fails.
func (w *worker) session(ctx, hard context.Context) error {
	conn, err := w.relay.connect(ctx, w.settings().Database)
	if err != nil {
		return err
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = conn.Close(closing)
	}()
	if err := w.check(ctx, conn); err != nil {
		return err
	}
	w.beginKeeping(ctx, conn)
	w.conn = conn
	w.forgetMarks()
	w.incarnation = incarnation{}
	w.relay.connected.Add(1)
	defer w.relay.connected.Add(-1)
	return w.loop(ctx, hard)
}

// connect connects within the time after which a lane is lost.
func (r *Relay) connect(ctx context.Context, to *pgx.ConnConfig) (*pgx.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, r.settings.LaneTimeout)
	defer cancel()
	conn, err := pgx.ConnectConfig(ctx, to.Copy())
	if err != nil {
		return nil, fmt.Errorf("connecting: %w", err)
	}
	return conn, nil
}

// errStandby keeps a worker from staying where a failover has left a name behind: it connects
// again, and asks anew where the name leads.
var errStandby = errors.New("the server is a standby, on which nothing can be written")

// check finds the table, and looks whether its schema is one that the worker knows, and the
// server one that takes what it writes.
func (w *worker) check(ctx context.Context, conn *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, w.settings().LaneTimeout)
	defer cancel()
	if err := outbox.CheckVersion(ctx, conn, w.settings().Schema); err != nil {
		return err
	}
	name := pgx.Identifier{w.settings().Schema, "message"}.Sanitize()
	var standby bool
	if err := conn.QueryRow(ctx, "SELECT $1::text::regclass::oid, pg_is_in_recovery()", name).Scan(&w.table, &standby); err != nil {
		return fmt.Errorf("finding the table: %w", err)
	}
	if standby {
		return errStandby
	}
	return nil
}

// forgetMarks makes the next looks begin from the start.
func (w *worker) forgetMarks() {
	w.proof = proof{}
	for _, l := range w.lanes {
		l.mark, l.floor = mark{}, time.Time{}
		l.known.Store(nil)
		l.lookedAt = time.Now()
	}
}

// loop works on the lanes in which there is something to do, and rests when there is none.
func (w *worker) loop(ctx, hard context.Context) error {
	poll := w.settings().PollMin
	w.askAll()
	asked := time.Now()
	for ctx.Err() == nil {
		// Of a worker that does not rest the scout finds out nothing, and a lane may
		// keep it from that for long.
		if time.Since(asked) >= w.settings().PollMax {
			w.askAll()
			asked = time.Now()
		}
		round, err := w.round(ctx, hard)
		switch {
		case err != nil:
			return err
		case round.sleep > 0:
			sleep(ctx, round.sleep, nil)
			continue
		case round.messages > 0:
			poll = w.settings().PollMin
		}
		if round.more {
			continue
		}
		poll = min(2*poll, w.settings().PollMax)
		w.rest(ctx, poll)
		asked = time.Now()
	}
	return nil
}

// rest waits until the scout says that there is something to do, or a lane that failed has
// rested. Without a scout, and now and then with one, it looks for itself.
func (w *worker) rest(ctx context.Context, poll time.Duration) {
	d := poll
	if w.relay.scouting.Load() {
		d = unscouted
	}
	for _, l := range w.lanes {
		if wait := l.resting(); wait > 0 && l.asked.Load() {
			d = min(d, wait)
		}
	}
	w.idle.Store(true)
	if w.unprobed.Swap(false) {
		w.relay.probeSoon()
	}
	reason := sleep(ctx, d, w.wake)
	w.idle.Store(false)
	if reason == "poll" {
		w.askAll()
	}
	w.relay.metrics.woken(w.settings().Schema, reason)
}

func (w *worker) askAll() {
	for _, l := range w.lanes {
		l.asked.Store(true)
	}
}

// round works once on each lane in which there is something to do.
func (w *worker) round(ctx, hard context.Context) (progress, error) {
	var sum progress
	for _, l := range w.lanes {
		if ctx.Err() != nil || l.resting() > 0 {
			continue
		}
		if wait := w.relay.pausedFor(); wait > 0 {
			sum.sleep = min(wait, time.Second)
			return sum, nil
		}
		if wait := w.relay.turn(l); wait > 0 && l.asked.Load() {
			sum.sleep = max(sum.sleep, wait)
			continue
		}
		if !l.asked.Swap(false) {
			continue
		}
		timed := l.timed.Swap(false)
		p, err := w.once(hard, l)
		l.known.Store(&known{l.mark, l.floor})
		switch {
		case err == nil:
			l.failed, l.rest = 0, time.Time{}
		case w.conn.IsClosed():
			return sum, err
		default:
			l.asked.Store(true)
			if err := w.failed(hard, l, err); err != nil {
				return sum, err
			}
		}
		if l.yields = p.busy; p.busy {
			l.yield(timed, w.settings().PollMax)
		} else {
			l.busy = 0
		}
		if p.more {
			l.asked.Store(true)
		}
		sum.messages += p.messages
		sum.more = sum.more || p.more
		sum.sleep = max(sum.sleep, p.sleep)
	}
	return sum, nil
}

// once works on a batch, and now and then looks for what it should not find.
func (w *worker) once(ctx context.Context, l *lane) (progress, error) {
	if time.Since(l.sweptAt) >= max(w.settings().FullLook, l.sweepEvery) {
		l.sweptAt = time.Now()
		err := w.sweep(ctx, l)
		l.sweepEvery = time.Since(l.sweptAt) * lookShare
		if err != nil {
			return progress{}, err
		}
	}
	return w.batch(ctx, l)
}

// failed ends the transaction and lets the lane rest after an error that is not the
// connection's. The mark, which did not move on, still holds.
func (w *worker) failed(ctx context.Context, l *lane, err error) error {
	w.relay.logger.Error("working on a lane", zap.Int("lane", int(l.number)), zap.Error(err))
	w.relay.metrics.failed(w.settings().Schema)
	l.rest = time.Now().Add(reconnect.Wait(l.failed))
	l.failed++
	l.patient = l.patient || transient(err)
	return w.rollback(ctx)
}

func (w *worker) rollback(ctx context.Context) error {
	if w.conn.PgConn().TxStatus() == 'I' {
		return nil
	}
	ctx, cancel := w.settling(ctx)
	defer cancel()
	if _, err := w.conn.Exec(ctx, "ROLLBACK"); err != nil {
		return errors.Join(errors.New("ending a transaction"), err)
	}
	return nil
}

// sleep waits for d, ctx or a wake-up, and says which.
func sleep(ctx context.Context, d time.Duration, wake <-chan struct{}) string {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return "stop"
	case <-wake:
		return "notify"
	case <-timer.C:
		return "poll"
	}
}
