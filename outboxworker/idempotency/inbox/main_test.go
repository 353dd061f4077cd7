package inbox

// main_test.go holds what the tests share.

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/weirproxy/weir/internal/testserver"
	"github.com/weirproxy/weir/outboxworker/outbox"
)

func TestMain(m *testing.M) { testserver.Main(m) }

// within bounds what a test waits for.
const within = time.Minute

// installed returns an inbox, and the URL of the database that has it, with a table of
// effects.
func installed(t testing.TB) (*Inbox, string) {
	t.Helper()
	messages, err := New(outbox.DefaultSchema)
	if err != nil {
		t.Fatal(err)
	}
	url := testserver.Database(t)
	conn := connect(t, url)
	run(t, conn, messages.Schema())
	run(t, conn, "CREATE TABLE effect (message_id text NOT NULL)")
	return messages, url
}

func connect(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func pool(t testing.TB, url string, connections int32) *pgxpool.Pool {
	t.Helper()
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	config.MaxConns = connections
	p, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		closed := make(chan struct{})
		go func() { // it waits for connections that a test which failed has not given back
			p.Close()
			close(closed)
		}()
		select {
		case <-closed:
		case <-time.After(within):
			t.Error("connections are not given back")
		}
	})
	return p
}

// execer runs statements.
type execer interface {
	Execer
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

func run(t testing.TB, db execer, sql string, args ...any) {
	t.Helper()
	if _, err := db.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%v\n%s", err, sql)
	}
}

// value returns the only value that a query returns.
func value[T any](t testing.TB, db execer, sql string, args ...any) T {
	t.Helper()
	var v T
	if err := db.QueryRow(t.Context(), sql, args...).Scan(&v); err != nil {
		t.Fatalf("%v\n%s", err, sql)
	}
	return v
}

func begin(t testing.TB, conn *pgx.Conn, level pgx.TxIsoLevel) pgx.Tx {
	t.Helper()
	tx, err := conn.BeginTx(t.Context(), pgx.TxOptions{IsoLevel: level})
	if err != nil {
		t.Fatal(err)
	}
	return tx
}

// eventually polls until what holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(within)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-deadline:
			t.Fatalf("not within %s: %s", within, what)
		case <-tick.C:
		}
	}
}

// waits polls until a session waits for another's transaction.
func waits(t testing.TB, db execer, pid uint32) {
	t.Helper()
	eventually(t, "the second waits for the first", func() bool {
		return value[bool](t, db, `SELECT EXISTS (SELECT FROM pg_locks WHERE pid = $1 AND locktype = 'transactionid' AND NOT granted)`, pid)
	})
}
