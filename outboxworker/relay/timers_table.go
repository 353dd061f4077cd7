package relay

// timers_table.go reads from the outbox what timers are about.

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/weirproxy/weir/outboxworker/retryqueue"
)

const (
	// timerPage is the most messages that one statement reads.
	timerPage = 5000
	// everything is further ahead than anybody waits.
	everything = 100 * 365 * 24 * time.Hour
)

// timerTable reads messages that wait, over a connection of its own. Its methods may be
// called from several goroutines.
type timerTable struct {
	relay *Relay
	sql   *statements
	mu    sync.Mutex
	conn  *pgx.Conn
}

// timed is a message that waits for a time, in from now.
type timed struct {
	lane int16
	in   time.Duration
}

// find returns those of the claimed messages that still wait for a time.
func (t *timerTable) find(ctx context.Context, claims []retryqueue.Claim) (map[int64]timed, error) {
	ids := make([]int64, len(claims))
	for i, c := range claims {
		ids[i] = c.ID
	}
	found := make(map[int64]timed, len(ids))
	err := t.query(ctx, t.sql.timed, []any{ids}, func(rows pgx.Rows) error {
		var id, in int64
		var row timed
		if err := rows.Scan(&id, &row.lane, &in); err != nil {
			return err
		}
		row.in = milliseconds(in)
		found[id] = row
		return nil
	})
	return found, err
}

// pages returns a function that returns the messages that are due within ahead, or were
// within behind, in portions, and none at the end.
func (t *timerTable) pages(behind, ahead time.Duration) func(context.Context) ([]retryqueue.Timer, error) {
	lane := int16(0)
	start := pgtype.Timestamptz{InfinityModifier: pgtype.NegativeInfinity, Valid: true}
	at, last := start, int64(0)
	return func(ctx context.Context) ([]retryqueue.Timer, error) {
		for lane < lanes {
			var page []retryqueue.Timer
			args := []any{lane, ahead.Milliseconds(), at, last, timerPage, behind.Milliseconds()}
			err := t.query(ctx, t.sql.timers, args, func(rows pgx.Rows) error {
				var in int64
				if err := rows.Scan(&last, &at, &in); err != nil {
					return err
				}
				page = append(page, retryqueue.Timer{ID: last, In: milliseconds(in)})
				return nil
			})
			if err != nil {
				return nil, err
			}
			if len(page) < timerPage {
				lane++
				at, last = start, 0
			}
			if len(page) > 0 {
				return page, nil
			}
		}
		return nil, nil
	}
}

// query reads rows in a transaction of their own, which waits for nobody.
func (t *timerTable) query(ctx context.Context, sql string, args []any, row func(pgx.Rows) error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.conn == nil || t.conn.IsClosed() {
		conn, err := t.relay.connect(ctx, t.relay.settings.Database)
		if err != nil {
			return err
		}
		t.conn = conn
	}
	ctx, cancel := context.WithTimeout(ctx, t.relay.settings.LaneTimeout)
	defer cancel()
	var b pgx.Batch
	b.Queue(begin)
	b.Queue(t.sql.scouting)
	b.Queue(sql, args...).Query(func(rows pgx.Rows) error {
		for rows.Next() {
			if err := row(rows); err != nil {
				rows.Close()
				return err
			}
		}
		return rows.Err()
	})
	b.Queue("COMMIT")
	if err := t.conn.SendBatch(ctx, &b).Close(); err != nil {
		_ = t.conn.Close(ctx) // whatever state it is in
		return fmt.Errorf("reading which messages wait: %w", err)
	}
	return nil
}

func (t *timerTable) close(ctx context.Context) {
	if t.conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = t.conn.Close(ctx)
}

// milliseconds is a number of them, which those who write into the table by hand make as
// large as they like.
func milliseconds(n int64) time.Duration {
	const most = int64(everything / time.Millisecond)
	return time.Duration(max(-most, min(n, most))) * time.Millisecond
}
