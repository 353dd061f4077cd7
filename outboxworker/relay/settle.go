package relay

// settle.go writes down what became of a batch's messages, and commits.

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"
	"go.uber.org/zap"

	"github.com/weirproxy/weir/internal/failpoint"
)

// settle removes and moves messages and ends the transaction. Should it fail though the
// connection is there, each message is settled by itself, so that one that cannot be
// does not keep the others.
func (w *worker) settle(ctx context.Context, l *lane, r *read, f fate, wf waitingFate) error {
	if !f.changes() && !wf.changes() {
		return w.rollback(ctx)
	}
	place := "before_commit"
	if len(f.deferred.ids) > 0 {
		failpoint.Hit("before_defer")
	}
	if len(f.dead.ids)+len(wf.dead.ids) > 0 {
		failpoint.Hit("before_bury")
	}
	failpoint.Hit(place)
	var b pgx.Batch
	gone := w.queue(&b, l, &f, &wf)
	var xid string
	b.Queue("SELECT pg_current_xact_id()::text").QueryRow(func(row pgx.Row) error { return row.Scan(&xid) })
	b.Queue("COMMIT")
	if err := w.conn.SendBatch(ctx, &b).Close(); err != nil {
		if w.conn.IsClosed() {
			return fmt.Errorf("settling lane %d: %w", l.number, err)
		}
		return w.settleSingly(ctx, l, f, wf, err)
	}
	failpoint.Hit("after_commit")
	w.advance(l, r, f, *gone, xid)
	return nil
}

// advance moves the mark on, now that the batch is committed.
func (w *worker) advance(l *lane, r *read, f fate, gone int64, xid string) {
	if gone != int64(len(f.delivered.ids)+len(f.deferred.ids)+len(f.dead.ids)) {
		// Somebody else changed rows, which puts them elsewhere in the table:
		// they are still there, maybe, and looked for from the start.
		l.mark = mark{}
		return
	}
	l.mark = r.from.advance(w.proof, r.running, found{last: r.last, left: f.left})
	if n, err := strconv.ParseUint(xid, 10, 64); err == nil {
		w.proof = proof{seq: r.seq, xid: n}
	}
}

// queue adds the statements that settle messages, and returns where the number of
// pending messages that they removed will stand.
func (w *worker) queue(b *pgx.Batch, l *lane, f *fate, wf *waitingFate) *int64 {
	s := w.sql
	hold := w.settings().OnDead == Hold
	gone := new(int64)
	count := func(q *pgx.QueuedQuery) {
		q.Query(func(rows pgx.Rows) error {
			rows.Close()
			*gone += rows.CommandTag().RowsAffected()
			return rows.Err()
		})
	}
	if d := &f.delivered; len(d.ids) > 0 {
		count(b.Queue(s.forget, d.places, d.ids))
	}
	if d := &f.deferred; len(d.ids) > 0 {
		count(b.Queue(s.deferral, d.places, d.ids, d.states, d.attempts, d.errors, d.waits))
	}
	if d := &f.dead; len(d.ids) > 0 {
		count(b.Queue(s.bury, d.places, d.ids, d.reasons, d.attempts, d.errors, hold))
	}
	if len(wf.delivered) > 0 {
		b.Queue(s.forgetWaiting, l.number, wf.delivered)
	}
	if d := &wf.retried; len(d.ids) > 0 {
		b.Queue(s.retryWaiting, l.number, d.ids, d.attempts, d.errors, d.waits)
	}
	if d := &wf.dead; len(d.ids) > 0 {
		b.Queue(s.buryWaiting, l.number, d.ids, d.reasons, d.attempts, d.errors, hold)
	}
	if len(wf.resumed) > 0 {
		b.Queue(s.resume, l.number, wf.resumed)
	}
	if len(wf.keys) > 0 {
		b.Queue(s.promote, l.number, wf.keys)
	}
	return gone
}

// settleSingly settles each message in a transaction of its own. The lane is taken anew:
// if another worker has it by now, what was sent is sent again, by that one.
func (w *worker) settleSingly(ctx context.Context, l *lane, f fate, wf waitingFate, reason error) error {
	w.relay.logger.Error("settling a batch failed; settling its messages one by one", zap.Int("lane", int(l.number)), zap.Error(reason))
	l.mark = mark{}
	if err := w.rollback(ctx); err != nil {
		return err
	}
	var failures []error
	one := func(f fate, wf waitingFate) {
		if w.conn.IsClosed() {
			return
		}
		if err := w.settleOne(ctx, l, f, wf); err != nil {
			failures = append(failures, err)
		}
	}
	for _, single := range f.split() {
		one(single, waitingFate{})
	}
	for _, single := range wf.split() {
		one(fate{}, single)
	}
	if w.conn.IsClosed() {
		return fmt.Errorf("settling lane %d one by one: the connection is closed: %w", l.number, reason)
	}
	if len(failures) > 0 {
		return &unsettledError{lane: l.number, messages: len(failures), err: errors.Join(failures[:min(len(failures), 3)]...)}
	}
	return nil
}

func (w *worker) settleOne(ctx context.Context, l *lane, f fate, wf waitingFate) error {
	var claimed bool
	var b pgx.Batch
	b.Queue("BEGIN")
	b.Queue(w.sql.session)
	b.Queue("SELECT pg_try_advisory_xact_lock($1)", w.lockKey(l)).QueryRow(func(row pgx.Row) error { return row.Scan(&claimed) })
	if err := w.conn.SendBatch(ctx, &b).Close(); err != nil {
		return errors.Join(err, w.rollback(ctx))
	}
	if !claimed {
		return w.rollback(ctx)
	}
	b = pgx.Batch{}
	w.queue(&b, l, &f, &wf)
	b.Queue("COMMIT")
	if err := w.conn.SendBatch(ctx, &b).Close(); err != nil {
		return errors.Join(err, w.rollback(ctx))
	}
	return nil
}

// unsettledError tells of messages that were sent and could be neither removed nor moved,
// so they will be sent again.
type unsettledError struct {
	lane     int16
	messages int
	err      error
}

func (e *unsettledError) Error() string {
	return fmt.Sprintf("settling %d messages of lane %d: %v", e.messages, e.lane, e.err)
}

func (e *unsettledError) Unwrap() error { return e.err }
