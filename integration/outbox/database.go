package outbox

// database.go holds what is asked of the database: what is where, and how to cut off
// whoever is connected.

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	enqueue "github.com/weirproxy/weir/outboxworker/outbox"
)

// database is a database with an outbox in schema outbox.
type database struct {
	t   testing.TB
	url string
}

const askWithin = 30 * time.Second

// newDatabase makes the outbox, and the tables of the business that fills it: an
// account for each key, whose row lock serialises the key's writers, and a row for
// each transaction, which tells afterwards whether it was committed.
func newDatabase(t testing.TB, url string) *database {
	t.Helper()
	d := &database{t: t, url: url}
	err := d.try(func(ctx context.Context, conn *pgx.Conn) error {
		if _, err := enqueue.Migrate(ctx, conn, enqueue.DefaultSchema); err != nil {
			return err
		}
		_, err := conn.Exec(ctx, `CREATE TABLE account (key text PRIMARY KEY, seq bigint NOT NULL);
			CREATE TABLE business (id uuid PRIMARY KEY, committed boolean NOT NULL)`)
		return err
	})
	if err != nil {
		t.Fatalf("preparing the database: %v", err)
	}
	return d
}

// try connects and does something.
func (d *database) try(do func(context.Context, *pgx.Conn) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), askWithin)
	defer cancel()
	conn, err := pgx.Connect(ctx, d.url)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	return do(ctx, conn)
}

// exec runs statements, which must succeed.
func (d *database) exec(sql string, args ...any) {
	d.t.Helper()
	if err := d.try(func(ctx context.Context, conn *pgx.Conn) error { _, err := conn.Exec(ctx, sql, args...); return err }); err != nil {
		d.t.Fatal(err)
	}
}

// counts are how many messages each table holds.
type counts struct{ pending, retry, parked, delayed, dead int }

func (c counts) String() string {
	return fmt.Sprintf("%d pending; deferred: %d retry, %d parked, %d delayed; %d dead", c.pending, c.retry, c.parked, c.delayed, c.dead)
}

// left is how many messages are neither delivered nor dead.
func (c counts) left() int { return c.pending + c.retry + c.parked + c.delayed }

func (d *database) counts() (c counts, err error) {
	err = d.try(func(ctx context.Context, conn *pgx.Conn) error {
		return conn.QueryRow(ctx, `SELECT (SELECT count(*) FROM outbox.message), count(*) FILTER (WHERE state = 'retry'),
			count(*) FILTER (WHERE state = 'parked'), count(*) FILTER (WHERE state = 'delayed'),
			(SELECT count(*) FROM outbox.dead) FROM outbox.deferred`).
			Scan(&c.pending, &c.retry, &c.parked, &c.delayed, &c.dead)
	})
	return c, err
}

// inSeveralPlaces are the ids of messages that more than one row holds. One statement
// sees one state of all tables, so this must be none at any time.
func (d *database) inSeveralPlaces() (ids []string, err error) {
	err = d.try(func(ctx context.Context, conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, `SELECT message_id::text || ' in ' || string_agg(place, ', ') FROM (
			SELECT message_id, 'pending' AS place FROM outbox.message UNION ALL
			SELECT message_id, state FROM outbox.deferred UNION ALL
			SELECT message_id, 'dead' FROM outbox.dead) AS places
			GROUP BY message_id HAVING count(*) > 1`)
		if err == nil {
			ids, err = pgx.CollectRows(rows, pgx.RowTo[string])
		}
		return err
	})
	return ids, err
}

// terminate ends the connections of workers, or of everybody in the database, and
// returns how many those were.
func (d *database) terminate(everybody bool) (n int, err error) {
	err = d.try(func(ctx context.Context, conn *pgx.Conn) error {
		return conn.QueryRow(ctx, `SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) FROM pg_stat_activity
			WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND datname = current_database()
			AND ($1 OR application_name = 'outboxworker')`, everybody).Scan(&n)
	})
	return n, err
}

// rest reads what the tables hold into evidence.
func (d *database) rest(e *evidence) {
	d.t.Helper()
	err := d.try(func(ctx context.Context, conn *pgx.Conn) (err error) {
		if e.pending, err = messagesIn(ctx, conn, "outbox.message"); err != nil {
			return err
		}
		if e.deferred, err = messagesIn(ctx, conn, "outbox.deferred"); err != nil {
			return err
		}
		rows, err := conn.Query(ctx, "SELECT payload, reason, attempts, COALESCE(last_error, '') FROM outbox.dead ORDER BY id")
		if err != nil {
			return err
		}
		e.dead, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (one dead, err error) {
			var payload []byte
			if err := row.Scan(&payload, &one.reason, &one.attempts, &one.lastError); err != nil {
				return one, err
			}
			one.message, err = parsePayload(payload)
			return one, err
		})
		return err
	})
	if err != nil {
		d.t.Fatalf("reading the tables at rest: %v", err)
	}
}

func messagesIn(ctx context.Context, conn *pgx.Conn, table string) ([]message, error) {
	rows, err := conn.Query(ctx, "SELECT payload FROM "+table+" ORDER BY id")
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (message, error) {
		var payload []byte
		if err := row.Scan(&payload); err != nil {
			return message{}, err
		}
		return parsePayload(payload)
	})
}
