package relay

// batch.go is the protocol of one batch: one transaction that takes a lane, reads,
// sends, and removes or moves what was sent. It holds no xid and no snapshot while it
// sends, so a slow receiver holds back neither vacuum nor anybody's low-water mark.
//
//	BEGIN; take the lane; look; due            one round trip, only reads
//	send                                       the sink
//	delete, defer, bury; COMMIT                one round trip, in which the xid is drawn
//
// If the worker dies or loses its connection at any point, the transaction ends, the
// lane is free, and the messages are where they were: what was sent but not removed is
// sent again.

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/weirproxy/weir/governance/circuit"
	"github.com/weirproxy/weir/internal/failpoint"
)

const (
	// heads is the most waiting messages that a batch tries again, followers the most
	// of those parked behind each that it tries with it.
	heads     = 100
	followers = 50
	// begin does not leave the isolation to the database's settings: the look must see
	// what others did before the lane was taken.
	begin = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"
	// release is a statement without a snapshot. That of a query stays until the next
	// statement comes, and would hold back vacuum while the batch is sent.
	release = "SET LOCAL jit = off"
	// patience is how long a look from the start may take once one took too long: it steps
	// over the index entries of all that was removed while some transaction held back
	// vacuum.
	patience = 5 * time.Minute
	// lookShare bounds looks from the start, and sweeps, to one part in so many of the time.
	lookShare = 200
	// margin is how long before the server would end its transaction a worker stops
	// sending by itself.
	margin = time.Second
)

// read is what a batch has read.
type read struct {
	claimed bool
	seq     int64
	running []uint64
	started incarnation
	due     bool
	// floor is the lane's, from which on it reads what is due, and next the one after.
	floor, next time.Time
	pending     []pending
	last        int64
	waiting     []waiting
	tried       due // of the lane, once one of waiting may have been tried
	from        mark
	fullLook    bool
	probing     bool
	// oldest is when the first pending message was enqueued; zero if there is none.
	oldest time.Time
}

// batch works once on a lane.
func (w *worker) batch(ctx context.Context, l *lane) (progress, error) {
	failpoint.Hit("before_claim")
	began := time.Now()
	r, err := w.read(ctx, l, began)
	if err != nil {
		return progress{}, err
	}
	if !r.claimed || !w.trust(l, r) {
		return progress{busy: !r.claimed, more: r.claimed}, w.rollback(ctx)
	}
	l.floor = r.next
	if len(r.pending)+len(r.waiting) == 0 {
		if err := w.rollback(ctx); err != nil {
			return progress{}, err
		}
		l.mark = r.from.advance(w.proof, r.running, found{})
		w.relay.observeEmpty(l, r)
		return progress{}, nil
	}
	if len(r.pending) > 0 {
		r.oldest = r.pending[0].message.CreatedAt
	}
	w.relay.setOldest(l, r.oldest)
	failpoint.Hit("after_read")
	return w.work(ctx, l, r, began)
}

// work sends what was read and settles it.
func (w *worker) work(ctx context.Context, l *lane, r *read, began time.Time) (progress, error) {
	call, refusal := w.relay.outage.Enter()
	state, open := w.relay.outage.State()
	if refusal != nil {
		return progress{more: true, sleep: max(open, w.settings().PollMax)}, w.rollback(ctx)
	}
	l.tried = r.tried
	if state != circuit.Closed {
		r.probe(w.relay.suspicion)
	}
	sendCtx, cancel := context.WithDeadline(ctx, began.Add(w.settings().LaneTimeout-margin))
	defer cancel()
	since := w.relay.suspicion.begin()
	again, first := w.sendAll(sendCtx, l, r)
	failpoint.Hit("after_publish")

	found := w.relay.suspicion.weigh(l.number, r.probing, since, again, first)
	p := w.relay.learn(&call, sendCtx.Err() != nil, found, again, first)
	f := w.settings().judge(r.pending, found.without(first))
	wf := w.settings().judgeWaiting(r.waiting, found.without(again))
	if err := w.settle(ctx, l, r, f, wf); err != nil {
		return progress{}, err
	}
	w.relay.observe(l, r, f, wf, again.results, first.results, began)
	// A look that read all there was need not be made again before the scout says so. After a
	// retry alone there seldom is another one: the scout, who is asked, knows for less.
	p.more = p.sleep > 0 || r.last != 0 || r.probing || f.left != 0 || len(r.waiting) > 1 || l.skipDue
	if len(r.waiting) == 1 {
		w.unprobed.Store(true)
	}
	p.messages = len(f.delivered.ids) + len(f.deferred.ids) + len(f.dead.ids) + len(wf.delivered) + len(wf.resumed) + len(wf.dead.ids)
	return p, nil
}

// read begins the transaction, takes the lane and reads.
func (w *worker) read(ctx context.Context, l *lane, now time.Time) (*read, error) {
	s := w.settings()
	r := &read{from: l.mark, floor: l.floor, tried: l.tried}
	if r.fullLook = now.Sub(l.lookedAt) >= max(s.FullLook, l.lookEvery); r.fullLook {
		r.from, r.floor = mark{}, time.Time{}
		l.lookedAt = now
	}
	timeout := s.LaneTimeout
	var b pgx.Batch
	b.Queue(begin)
	b.Queue(w.sql.take, w.lockKey(l))
	if r.from.low == 0 && l.patient {
		timeout = patience
		b.Queue(fmt.Sprintf("SET LOCAL statement_timeout = %d", timeout.Milliseconds()))
	}
	ctx, cancel := context.WithTimeout(ctx, timeout+margin)
	defer cancel()
	b.Queue(w.sql.claim, l.number, timestamp(r.floor), floorSlack.Milliseconds()).QueryRow(func(row pgx.Row) error {
		var snapshot string
		if err := row.Scan(&r.claimed, &r.seq, &snapshot, &r.started.started, &r.started.backend, &r.due, &r.next); err != nil {
			return err
		}
		var err error
		r.running, err = runningIn(snapshot)
		return err
	})
	b.Queue(w.sql.look, l.number, r.from.above(), r.from.texts(), s.BatchMessages, s.BatchBytes).Query(func(rows pgx.Rows) error {
		var err error
		r.pending, r.last, err = readPending(l, rows, w.buffer)
		w.buffer = r.pending
		return err
	})
	b.Queue(release)
	if err := w.conn.SendBatch(ctx, &b).Close(); err != nil {
		return nil, fmt.Errorf("reading lane %d: %w", l.number, err)
	}
	if r.fullLook {
		l.lookEvery = time.Since(now) * lookShare
	}
	if !r.claimed || !r.due {
		return r, nil
	}
	if l.skipDue {
		l.skipDue = false
		return r, nil
	}
	return r, w.readDue(ctx, l, r)
}

// readDue reads the messages that waited and whose time has come. While the breaker is
// open, that is each time the page after the last one: one of these is tried, and what is
// due first may be what the receiver fails at. Each time round pages begin at other messages:
// of a page one is tried that is not known to have been, and there may be more than are known.
func (w *worker) readDue(ctx context.Context, l *lane, r *read) error {
	s := w.settings()
	args := []any{l.number, heads, followers, s.BatchBytes, s.BatchMessages}
	if state, _ := w.relay.outage.State(); state == circuit.Closed {
		r.tried = due{}
		_, err := w.readPage(ctx, l, r, w.sql.due, append(args, timestamp(r.floor))...)
		return err
	}
	after := l.tried
	if after.at.Before(r.floor) {
		after = due{r.floor, math.MinInt64}
	}
	last, err := w.readPage(ctx, l, r, w.sql.dueAfter, append(args, timestamp(after.at), after.id)...)
	if err == nil && len(r.waiting) == 0 && l.tried != (due{}) {
		l.rounds++
		args[1] = 1 + l.rounds%heads
		last, err = w.readPage(ctx, l, r, w.sql.dueAfter, append(args, timestamp(r.floor), math.MinInt64)...)
	}
	r.tried = last
	return err
}

func (w *worker) readPage(ctx context.Context, l *lane, r *read, sql string, args ...any) (last due, err error) {
	var b pgx.Batch
	b.Queue(sql, args...).Query(func(rows pgx.Rows) error {
		var err error
		r.waiting, last, err = readWaiting(l, rows)
		return err
	})
	b.Queue(release)
	if err := w.conn.SendBatch(ctx, &b).Close(); err != nil {
		return due{}, fmt.Errorf("reading what waits in lane %d: %w", l.number, err)
	}
	return last, nil
}

// trust checks that the mark and the floor that a look began with hold on this server, and
// forgets them otherwise: after a crash, or on another server, ids may be drawn again.
func (w *worker) trust(l *lane, r *read) bool {
	same := r.started.is(w.incarnation)
	if same && r.seq >= max(l.mark.low, w.proof.seq) {
		if r.fullLook {
			w.countMissed(l, r)
		}
		return true
	}
	w.forgetMarks()
	w.incarnation = r.started
	return r.from.low == 0 && r.floor.IsZero()
}

// countMissed counts what a look from the start found that the mark would not have
// shown.
func (w *worker) countMissed(l *lane, r *read) {
	missed := 0
	for i := range r.pending {
		if r.pending[i].message.Position > l.mark.low {
			break
		}
		missed++
	}
	// what transactions that ran lately have written is looked up without the mark
	if missed > 0 && len(l.mark.xids) == 0 {
		w.relay.metrics.missed(w.settings().Schema, missed)
		w.relay.logger.Warn("found messages below the low-water mark", missedFields(l, missed)...)
	}
}
