package bench

// bare.go is the yardstick that does the least: the loop that one writes first. It keeps
// no order, retries nothing, checks nothing. It appends the same entries as the sink, over
// as many connections and in batches of the same size as the relay.

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"
)

const (
	bareSelect = `SELECT id, message_id::text, topic, key, type, payload, created_at FROM ` + plain + `.bare ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED`
	bareDelete = `DELETE FROM ` + plain + `.bare WHERE id = ANY($1)`
)

// drainBare fills the plain table and measures how long the naive loop takes.
func (b *bench) drainBare(ctx context.Context) (result, error) {
	if err := b.reset(ctx); err != nil {
		return result{}, err
	}
	if err := b.fill(ctx, fillBare, b.Messages); err != nil {
		return result{}, err
	}
	r, err := b.clock(int64(b.Messages), func() error {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		failed := make(chan error, b.Workers)
		for range b.Workers {
			go func() { failed <- b.bareLoop(ctx) }()
		}
		var errs []error
		for range b.Workers {
			if err := <-failed; err != nil {
				cancel()
				errs = append(errs, err)
			}
		}
		return errors.Join(errs...)
	})
	if err != nil {
		return r, err
	}
	var left int64
	if err := b.admin.QueryRow(ctx, "SELECT count(*) FROM "+plain+".bare").Scan(&left); err != nil {
		return r, fmt.Errorf("counting what is left: %w", err)
	}
	if left > 0 {
		return r, fmt.Errorf("checking what is left: %d messages", left)
	}
	return r, b.checkStream(ctx, int64(b.Messages))
}

// bareLoop is one worker: it ends when it finds nothing.
func (b *bench) bareLoop(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, b.database)
	if err != nil {
		return fmt.Errorf("connecting: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	options, err := redis.ParseURL(b.redisURL)
	if err != nil {
		return errors.New("reading the URL of Redis")
	}
	client := redis.NewClient(options)
	defer func() { _ = client.Close() }()
	for {
		n := 0
		err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) (err error) {
			n, err = bareBatch(ctx, tx, client, b.Batch)
			return err
		})
		if err != nil {
			return fmt.Errorf("working on a batch: %w", err)
		}
		if n == 0 {
			return nil
		}
	}
}

func bareBatch(ctx context.Context, tx pgx.Tx, client *redis.Client, size int) (int, error) {
	rows, err := tx.Query(ctx, bareSelect, size)
	if err != nil {
		return 0, err
	}
	ids := make([]int64, 0, size)
	pipeline := client.Pipeline()
	for rows.Next() {
		var id int64
		var messageID, topic, kind string
		var key *string
		var payload []byte
		var created time.Time
		if err := rows.Scan(&id, &messageID, &topic, &key, &kind, &payload, &created); err != nil {
			rows.Close()
			return 0, err
		}
		ids = append(ids, id)
		entry := []any{"XADD", stream, "*", "id", messageID, "topic", topic, "type", kind, "payload", payload,
			"created_at", created.UTC().Format("2006-01-02T15:04:05.000000Z07:00")}
		if key != nil {
			entry = append(entry, "key", *key)
		}
		_ = pipeline.Do(ctx, entry...) // sent by Exec, which tells what failed
	}
	err = rows.Err()
	if err != nil || len(ids) == 0 {
		return 0, err
	}
	if _, err := pipeline.Exec(ctx); err != nil {
		return 0, err
	}
	_, err = tx.Exec(ctx, bareDelete, ids)
	return len(ids), err
}
