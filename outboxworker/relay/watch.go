package relay

// watch.go looks at an outbox as a whole, for the metrics and the log.

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/zap"
)

const (
	watchEvery = 5 * time.Second
	// backlogLogged is the number of pending messages from which on the log tells
	// how they become fewer.
	backlogLogged = 10_000
	// forever is the longest schedule of retries that is told.
	forever = 365 * 24 * time.Hour
)

// watch looks every few seconds until ctx is done.
func (r *Relay) watch(ctx context.Context) {
	var conn *pgx.Conn
	defer func() {
		if conn != nil {
			closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			defer cancel()
			_ = conn.Close(closing)
		}
	}()
	r.metrics.begin(r.settings.Schema, r.settings.Topics)
	w := watched{last: time.Now()}
	var rotated time.Time
	for {
		// Not with what is read: it is of most use when nothing can be.
		r.metrics.connected.WithLabelValues(r.settings.Schema).Set(float64(r.connected.Load()))
		if conn == nil || conn.IsClosed() {
			// a worker logs it if the database is away
			conn, _ = r.connect(ctx, r.settings.Database)
		}
		r.updateLag()
		if conn != nil {
			r.lookAt(ctx, conn, &w)
			r.rotateOften(ctx, conn, &rotated)
		}
		if sleep(ctx, watchEvery, nil) == "stop" {
			return
		}
	}
}

// watched is what is remembered from one look to the next: when it was, what had been
// delivered then, and whether it failed.
type watched struct {
	last   time.Time
	before int64
	failed bool
}

// lookAt reads the state of the outbox once, and says when that begins to fail.
func (r *Relay) lookAt(ctx context.Context, conn *pgx.Conn, w *watched) {
	err := r.look(ctx, conn, w)
	if err != nil && ctx.Err() == nil && !w.failed {
		r.logger.Warn("metrics of the outbox's tables stay as they were", zap.Error(err))
	}
	w.failed = err != nil
}

// state is the row of state.sql.
type state struct {
	Seq            int64
	Retry          int64
	Parked         int64
	Delayed        int64
	Dead           int64
	Held           int64
	Replaying      int64
	Blocked        int64
	BlockedSeconds float64
	Overdue        float64
	Paused         int64
	Bytes          int64
	OldestWriter   float64
}

func (r *Relay) look(ctx context.Context, conn *pgx.Conn, w *watched) error {
	ctx, cancel := context.WithTimeout(ctx, watchEvery)
	defer cancel()
	rows, err := conn.Query(ctx, r.workers[0].sql.state, r.floors())
	if err != nil {
		return fmt.Errorf("reading the state of the outbox: %w", err)
	}
	s, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[state])
	if err != nil {
		return fmt.Errorf("reading the state of the outbox: %w", err)
	}
	backlog := r.backlog(s.Seq)
	r.show(&s, backlog)

	now, delivered := time.Now(), r.delivered.Load()
	rate := float64(delivered-w.before) / now.Sub(w.last).Seconds()
	if backlog >= backlogLogged && delivered > w.before {
		left := time.Duration(float64(backlog) / rate * float64(time.Second)).Round(time.Second)
		r.logger.Info("draining a backlog", zap.Int("messages_per_second", int(rate)), zap.Int64("remaining", backlog), zap.Duration("estimate", left))
	}
	w.last, w.before = now, delivered
	return nil
}

// show sets the metrics of what was read.
func (r *Relay) show(s *state, backlog int64) {
	m, outbox := r.metrics, r.settings.Schema
	m.backlog.WithLabelValues(outbox).Set(float64(backlog))
	m.waiting.WithLabelValues(outbox, "retry").Set(float64(s.Retry))
	m.waiting.WithLabelValues(outbox, "parked").Set(float64(s.Parked))
	m.waiting.WithLabelValues(outbox, "delayed").Set(float64(s.Delayed))
	m.dead.WithLabelValues(outbox).Set(float64(s.Dead))
	m.held.WithLabelValues(outbox).Set(float64(s.Held))
	m.replaying.WithLabelValues(outbox).Set(float64(s.Replaying))
	m.blocked.WithLabelValues(outbox).Set(float64(s.Blocked))
	m.blockedFor.WithLabelValues(outbox).Set(s.BlockedSeconds)
	m.blockedLimit.WithLabelValues(outbox).Set(r.settings.schedule().Seconds())
	m.overdue.WithLabelValues(outbox).Set(s.Overdue)
	m.paused.WithLabelValues(outbox).Set(float64(s.Paused))
	m.tableBytes.WithLabelValues(outbox).Set(float64(s.Bytes))
	m.oldestWriter.WithLabelValues(outbox).Set(s.OldestWriter)
}

// schedule is how long a message is tried at most, from its first attempt to its last: all
// waits between them at their longest.
func (s *Settings) schedule() time.Duration {
	var sum time.Duration
	for n := range s.Retries {
		wait := s.Retry.Longest(n)
		if wait > forever-sum {
			return forever
		}
		sum += wait
	}
	return sum
}

// backlog estimates the pending messages from the last id drawn and how far each lane has
// come. Ids of transactions that were rolled back, and lanes that another process works
// on, make it too large.
func (r *Relay) backlog(seq int64) int64 {
	var sum int64
	for i := range r.reached {
		sum += max(0, seq-r.reached[i].Load())
	}
	return sum / lanes
}
