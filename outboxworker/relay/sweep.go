package relay

// sweep.go finds what should not be there: messages that wait behind nothing.

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"go.uber.org/zap"
)

// sweep finds messages that are parked behind nothing. There should be none.
func (w *worker) sweep(ctx context.Context, l *lane) error {
	var claimed bool
	var keys []string
	ctx, cancel := context.WithTimeout(ctx, w.settings().LaneTimeout)
	defer cancel()
	var b pgx.Batch
	b.Queue(begin)
	b.Queue(w.sql.session)
	b.Queue("SELECT set_config('outbox.claimed', pg_try_advisory_xact_lock($1)::text, true)::boolean", w.lockKey(l)).
		QueryRow(func(row pgx.Row) error { return row.Scan(&claimed) })
	b.Queue(w.sql.orphans, l.number).Query(func(rows pgx.Rows) error {
		var err error
		keys, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	if err := w.conn.SendBatch(ctx, &b).Close(); err != nil {
		return fmt.Errorf("sweeping lane %d: %w", l.number, err)
	}
	if len(keys) == 0 {
		return w.rollback(ctx)
	}
	w.relay.metrics.orphaned(w.settings().Schema, len(keys))
	w.relay.logger.Warn("found messages that waited behind nothing", zap.Int("lane", int(l.number)), zap.Int("keys", len(keys)))
	b = pgx.Batch{}
	b.Queue(w.sql.promote, l.number, keys)
	b.Queue("COMMIT")
	if err := w.conn.SendBatch(ctx, &b).Close(); err != nil {
		return fmt.Errorf("sweeping lane %d: %w", l.number, err)
	}
	return nil
}
