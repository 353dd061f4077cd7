package relay

// settle.go writes down what became of a batch's messages, and commits.

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
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
	if len(f.deferred.ids) > 0 {
		failpoint.Hit("before_defer")
	}
	if len(f.dead.ids)+len(wf.dead.ids) > 0 {
		failpoint.Hit("before_bury")
	}
	failpoint.Hit("before_commit")
	ctx, cancel := w.settling(ctx)
	defer cancel()
	xid, gone, err := w.write(ctx, l, &f, &wf)
	switch {
	case err == nil:
	case w.conn.IsClosed() || transient(err):
		return fmt.Errorf("settling lane %d: %w", l.number, err)
	default:
		if _, err := w.mendKeeping(ctx, err); err != nil {
			return err
		}
		return w.settleSingly(ctx, l, r, f, wf, err)
	}
	if gone != f.messages() {
		// Somebody else changed rows, which puts them elsewhere in the table: nothing
		// of this batch is written, and the mark stays, so that they are read again.
		w.relay.logger.Warn("rows were changed while they were being sent; sending them again", zap.Int("lane", int(l.number)))
		return w.rollback(ctx)
	}
	if len(f.deferred.ids)+len(f.dead.ids) > 0 {
		if _, err := w.conn.Exec(ctx, "COMMIT"); err != nil {
			return fmt.Errorf("settling lane %d: %w", l.number, err)
		}
	}
	failpoint.Hit("after_commit")
	w.relay.timers.schedule(&f, &wf)
	w.advance(l, r, f, xid)
	return nil
}

// settling bounds the time to settle. A stop that does not wait any longer leaves a second
// for it: what was taken should not be sent again.
func (w *worker) settling(ctx context.Context) (context.Context, context.CancelFunc) {
	timeout := w.settings().LaneTimeout
	if ctx.Err() != nil {
		timeout = time.Second
	}
	return context.WithTimeout(context.WithoutCancel(ctx), timeout)
}

// write removes and moves messages. What is only removed is committed in the same round
// trip: a row that is not where it was read stays where it is now. What is moved is not,
// since a message must not be parked behind one that could not be moved.
func (w *worker) write(ctx context.Context, l *lane, f *fate, wf *waitingFate) (xid string, gone int, err error) {
	var b pgx.Batch
	removed := w.queue(&b, l, f, wf)
	b.Queue("SELECT pg_current_xact_id()::text").QueryRow(func(row pgx.Row) error { return row.Scan(&xid) })
	if len(f.deferred.ids)+len(f.dead.ids) == 0 {
		b.Queue("COMMIT")
	}
	err = w.conn.SendBatch(ctx, &b).Close()
	return xid, int(*removed), err
}

// advance moves the mark on, now that the batch is committed. A probe knows nothing of
// what it left out.
func (w *worker) advance(l *lane, r *read, f fate, xid string) {
	if !r.probing {
		l.mark = r.from.advance(w.proof, r.running, found{last: r.last, left: f.left})
	}
	if n, err := strconv.ParseUint(xid, 10, 64); err == nil {
		w.proof = proof{seq: r.seq, xid: n}
	}
}

// queue adds the statements that settle messages, and returns where the number of
// pending messages that they removed will stand.
func (w *worker) queue(b *pgx.Batch, l *lane, f *fate, wf *waitingFate) *int64 {
	s := w.sql
	hold := w.settings().OnDead == Hold
	remove, removeWaiting := w.keepOrForget()
	gone := new(int64)
	count := func(rows pgx.Rows) error {
		rows.Close()
		*gone += rows.CommandTag().RowsAffected()
		return rows.Err()
	}
	if d := &f.delivered; len(d.ids) > 0 {
		b.Queue(remove, d.places, d.ids).Query(func(rows pgx.Rows) error { return removing(count(rows)) })
	}
	if d := &f.deferred; len(d.ids) > 0 {
		b.Queue(s.deferral, d.places, d.ids, d.states, d.attempts, d.errors, d.waits, d.classes).Query(count)
	}
	if d := &f.dead; len(d.ids) > 0 {
		b.Queue(s.bury, d.places, d.ids, d.reasons, d.attempts, d.errors, hold, d.classes, d.prints).Query(count)
	}
	if len(wf.delivered) > 0 {
		b.Queue(removeWaiting, l.number, wf.delivered).Query(func(rows pgx.Rows) error {
			rows.Close()
			return removing(rows.Err())
		})
	}
	if d := &wf.retried; len(d.ids) > 0 {
		b.Queue(s.retryWaiting, l.number, d.ids, d.attempts, d.errors, d.waits, d.classes)
	}
	if d := &wf.dead; len(d.ids) > 0 {
		b.Queue(s.buryWaiting, l.number, d.ids, d.reasons, d.attempts, d.errors, hold, d.classes, d.prints)
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
// if another worker or an operator has it by now, what is left stays where it is and is sent
// again. After one that cannot be settled the others of its key stay too, or they would
// overtake it. An operator who had the lane in between may have let the key go on, so that
// nothing is left that one could be parked behind, or have put others before it: each takes
// its place in its key.
func (w *worker) settleSingly(ctx context.Context, l *lane, r *read, f fate, wf waitingFate, reason error) error {
	w.relay.logger.Error("settling a batch failed; settling its messages one by one", zap.Int("lane", int(l.number)), zap.Error(reason))
	if err := w.rollback(ctx); err != nil {
		return err
	}
	keys := r.keys()
	stuck := make(map[string]bool)
	var failures []error
	for _, s := range append(r.inOrder(wf.split()), f.split()...) {
		key, hasKey := keys[s.id]
		if hasKey && stuck[key] {
			continue
		}
		if hasKey {
			s.waiting.keys = []string{key}
		}
		claimed, err := w.settleOne(ctx, l, &s)
		// A rotation may have let notes be made again meanwhile.
		if mended, _ := w.mendKeeping(ctx, err); mended {
			claimed, err = w.settleOne(ctx, l, &s)
		}
		if w.conn.IsClosed() {
			return fmt.Errorf("settling lane %d one by one: the connection is closed: %w", l.number, reason)
		}
		if err == nil && !claimed {
			break
		}
		if err != nil {
			failures = append(failures, err)
			stuck[key] = hasKey
		}
	}
	if len(failures) > 0 {
		return &unsettledError{lane: l.number, messages: len(failures), err: errors.Join(failures[:min(len(failures), 3)]...)}
	}
	return nil
}

// inOrder puts what waited into the order in which it was sent: of a key, the first that was
// tried need not be the one with the lowest id, and makes room for that.
func (r *read) inOrder(all []single) []single {
	at := make(map[int64]int, len(r.waiting))
	for i := range r.waiting {
		at[r.waiting[i].message.Position] = i
	}
	slices.SortFunc(all, func(a, b single) int { return cmp.Compare(at[a.id], at[b.id]) })
	return all
}

// keys are the keys of a batch's messages, by position.
func (r *read) keys() map[int64]string {
	keys := make(map[int64]string)
	for i := range r.pending {
		if m := &r.pending[i].message; m.HasKey {
			keys[m.Position] = m.Key
		}
	}
	for i := range r.waiting {
		if m := &r.waiting[i].message; m.HasKey {
			keys[m.Position] = m.Key
		}
	}
	return keys
}

// transient tells whether an error is about the moment and not about a message: locks that
// others hold, statements that were cancelled, a server that stops. That it has no room is
// about those messages that need some: to remove the others takes none.
func transient(err error) bool {
	var answer *pgconn.PgError
	if !errors.As(err, &answer) {
		return false
	}
	switch answer.Code {
	case "55P03", "57014", "40001", "40P01":
		return true
	}
	return strings.HasPrefix(answer.Code, "57P")
}

// settleOne settles one message, if the lane can be taken.
func (w *worker) settleOne(ctx context.Context, l *lane, s *single) (claimed bool, err error) {
	var b pgx.Batch
	b.Queue(begin)
	b.Queue(w.sql.session)
	b.Queue("SELECT pg_try_advisory_xact_lock($1)", w.lockKey(l)).QueryRow(func(row pgx.Row) error { return row.Scan(&claimed) })
	if err := w.conn.SendBatch(ctx, &b).Close(); err != nil {
		return false, errors.Join(err, w.rollback(ctx))
	}
	if !claimed {
		return false, w.rollback(ctx)
	}
	b = pgx.Batch{}
	w.queue(&b, l, &s.pending, &s.waiting)
	for _, key := range s.waiting.keys {
		b.Queue(w.sql.park, l.number, s.id, key)
	}
	b.Queue("COMMIT")
	if err := w.conn.SendBatch(ctx, &b).Close(); err != nil {
		return false, errors.Join(err, w.rollback(ctx))
	}
	return true, nil
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
