package bench

// tables.go makes and fills tables, before a clock starts, and looks at what is left.

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/weirproxy/weir/outboxworker/outbox"
)

// fillBy is how many messages one transaction enqueues.
const fillBy = 10_000

// keyName begins the names of keys, which their number follows.
const keyName = "key-"

// payload is text that compresses as little as most short JSON does. $1 is its size, g
// the number of the message.
const payload = `convert_to(left(repeat(md5(g::text), ($1::int + 31) / 32), $1::int), 'UTF8')`

// fillOutbox enqueues messages $2 to $3, with $4 keys.
const fillOutbox = `INSERT INTO ` + schema + `.message (topic, key, type, payload)
	SELECT 'orders', CASE WHEN $4::bigint > 0 THEN '` + keyName + `' || g % $4::bigint END, 'order.paid', ` + payload + `
	FROM generate_series($2::bigint, $3::bigint) AS g`

// fillBare is the same for the naive loop's table.
const fillBare = `INSERT INTO ` + plain + `.bare (topic, key, type, payload)
	SELECT 'orders', CASE WHEN $4::bigint > 0 THEN '` + keyName + `' || g % $4::bigint END, 'order.paid', ` + payload + `
	FROM generate_series($2::bigint, $3::bigint) AS g`

// bareTable is what one writes first: an order, what is sent, and when it came.
const bareTable = `CREATE TABLE ` + plain + `.bare (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, message_id uuid NOT NULL DEFAULT gen_random_uuid(),
	topic text NOT NULL, key text, type text NOT NULL DEFAULT '', payload bytea NOT NULL,
	created_at timestamptz NOT NULL DEFAULT now())`

// accounts are what business transactions change.
const accounts = `CREATE TABLE ` + plain + `.account (id integer PRIMARY KEY, balance bigint NOT NULL);
	CREATE TABLE ` + plain + `.ledger (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
		account integer NOT NULL, amount bigint NOT NULL, at timestamptz NOT NULL DEFAULT now());
	INSERT INTO ` + plain + `.account SELECT g, 0 FROM generate_series(1, 1000) AS g`

// reset makes empty tables, and an empty stream. The outbox has no roles: those would be
// the server's and not the database's.
func (s *servers) reset(ctx context.Context) error {
	if err := s.dropSchemas(ctx); err != nil {
		return fmt.Errorf("dropping tables: %w", err)
	}
	sql, err := outbox.SQL(schema, false)
	if err != nil {
		return err
	}
	sql += "CREATE SCHEMA " + plain + ";" + bareTable + ";" + accounts
	if _, err := s.admin.PgConn().Exec(ctx, sql).ReadAll(); err != nil {
		return fmt.Errorf("making tables: %w", err)
	}
	if err := s.stream.Unlink(ctx, stream).Err(); err != nil {
		return fmt.Errorf("removing the stream: %w", err)
	}
	return nil
}

// fill adds n messages with a statement of the four parameters size, first, last, keys.
func (b *bench) fill(ctx context.Context, statement string, n int) error {
	if err := b.reconnect(ctx); err != nil {
		return fmt.Errorf("filling a table: %w", err)
	}
	for first := 1; first <= n; first += fillBy {
		last := min(first+fillBy-1, n)
		if _, err := b.admin.Exec(ctx, statement, b.Payload, first, last, b.Keys); err != nil {
			return fmt.Errorf("filling a table: %w", err)
		}
	}
	return b.checkpoint(ctx)
}

// checkpoint writes out what filling has left to write, which would otherwise happen
// while the clock runs. Who may not do it on a server that was given goes without.
func (b *bench) checkpoint(ctx context.Context) error {
	_, err := b.admin.Exec(ctx, "CHECKPOINT")
	if denied := (*pgconn.PgError)(nil); b.postgres == nil && errors.As(err, &denied) && denied.Code == "42501" {
		return nil
	}
	if err != nil {
		return fmt.Errorf("making a checkpoint: %w", err)
	}
	return nil
}

// lastID is the last id that was drawn for a message, 0 if none was.
func (s *servers) lastID(ctx context.Context) (id int64, err error) {
	err = s.admin.QueryRow(ctx,
		"SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM "+schema+".message_id_seq").Scan(&id)
	if err != nil {
		return 0, fmt.Errorf("reading the last id: %w", err)
	}
	return id, nil
}

// checkEmpty makes sure that no message is left anywhere.
func (s *servers) checkEmpty(ctx context.Context) error {
	if err := s.reconnect(ctx); err != nil {
		return fmt.Errorf("counting what is left: %w", err)
	}
	var pending, waiting, dead int64
	err := s.admin.QueryRow(ctx, "SELECT (SELECT count(*) FROM "+schema+".message), (SELECT count(*) FROM "+schema+
		".deferred), (SELECT count(*) FROM "+schema+".dead)").Scan(&pending, &waiting, &dead)
	if err != nil {
		return fmt.Errorf("counting what is left: %w", err)
	}
	if pending+waiting+dead > 0 {
		return fmt.Errorf("checking what is left: %d pending, %d waiting and %d dead messages", pending, waiting, dead)
	}
	return nil
}

// checkStream makes sure that the stream has as many entries as there were messages.
func (s *servers) checkStream(ctx context.Context, want int64) error {
	n, err := s.stream.XLen(ctx, stream).Result()
	if err != nil {
		return fmt.Errorf("counting the stream: %w", err)
	}
	if n != want {
		return fmt.Errorf("checking the stream: it has %d entries of %d messages", n, want)
	}
	return nil
}
