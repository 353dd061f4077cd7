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
	last, before := time.Now(), int64(0)
	for {
		if conn == nil || conn.IsClosed() {
			// a worker logs it if the database is away
			conn, _ = r.connect(ctx, r.settings.Database)
		}
		r.updateLag()
		if conn != nil {
			if err := r.look(ctx, conn, &last, &before); err != nil && ctx.Err() == nil {
				r.logger.Debug("looking at the outbox", zap.Error(err))
			}
		}
		if sleep(ctx, watchEvery, nil) == "stop" {
			return
		}
	}
}

// look reads the state of the outbox once.
func (r *Relay) look(ctx context.Context, conn *pgx.Conn, last *time.Time, before *int64) error {
	var seq, retry, parked, delayed, dead, held, bytes int64
	var oldest float64
	ctx, cancel := context.WithTimeout(ctx, watchEvery)
	defer cancel()
	err := conn.QueryRow(ctx, r.workers[0].sql.state).Scan(&seq, &retry, &parked, &delayed, &dead, &held, &bytes, &oldest)
	if err != nil {
		return fmt.Errorf("reading the state of the outbox: %w", err)
	}
	m, outbox := r.metrics, r.settings.Schema
	backlog := r.backlog(seq)
	m.backlog.WithLabelValues(outbox).Set(float64(backlog))
	m.waiting.WithLabelValues(outbox, "retry").Set(float64(retry))
	m.waiting.WithLabelValues(outbox, "parked").Set(float64(parked))
	m.waiting.WithLabelValues(outbox, "delayed").Set(float64(delayed))
	m.dead.WithLabelValues(outbox).Set(float64(dead))
	m.held.WithLabelValues(outbox).Set(float64(held))
	m.tableBytes.WithLabelValues(outbox).Set(float64(bytes))
	m.oldestWriter.WithLabelValues(outbox).Set(oldest)
	m.connected.WithLabelValues(outbox).Set(float64(r.connected.Load()))

	now, delivered := time.Now(), r.delivered.Load()
	rate := float64(delivered-*before) / now.Sub(*last).Seconds()
	if backlog >= backlogLogged && delivered > *before {
		left := time.Duration(float64(backlog) / rate * float64(time.Second)).Round(time.Second)
		r.logger.Info("draining a backlog", zap.Int("messages_per_second", int(rate)), zap.Int64("remaining", backlog), zap.Duration("estimate", left))
	}
	*last, *before = now, delivered
	return nil
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
