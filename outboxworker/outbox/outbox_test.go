package outbox

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

func TestNamesOfSchemas(t *testing.T) {
	for name, want := range map[string]string{
		"outbox": "", "_o1": "", "select": "", strings.Repeat("a", 40): "",
		"":                      "does not match",
		"1st":                   "does not match",
		"Outbox":                "does not match",
		"out-box":               "does not match",
		"outbox\n":              "does not match",
		`o"; DROP TABLE x; --`:  "does not match",
		strings.Repeat("a", 41): "does not match",
		"public":                "not the outbox's own",
		"pg_outbox":             "not the outbox's own",
		"information_schema":    "not the outbox's own",
	} {
		box, err := New(name)
		if want == "" {
			if err != nil {
				t.Errorf("%q: %v", name, err)
			}
			continue
		}
		if box != nil || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("New(%q) = %v, %v, want an error with %q", name, box, err, want)
		}
	}
}

// TestOnlyTransactionsAreTaken hands over what producers have at hand, and what can be
// used like a transaction but is none.
func TestOnlyTransactionsAreTaken(t *testing.T) {
	url := migrated(t)
	conn, db := connect(t, url, ""), open(t, url)
	pool, err := pgxpool.New(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	acquired, err := pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer acquired.Release()
	sqlConn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer sqlConn.Close()
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()

	for name, none := range map[string]any{
		"nil": nil, "a nil *sql.Tx": (*sql.Tx)(nil), "a nil *pgxpool.Tx": (*pgxpool.Tx)(nil), "a *pgx.Conn": conn,
		"a pool": pool, "a pool's connection": acquired, "a *sql.DB": db, "a *sql.Conn": sqlConn,
		"what has a transaction in it": struct{ *sql.Tx }{tx}, "a string": "BEGIN",
	} {
		_, one := Enqueue(t.Context(), none, Message{Topic: "t"})
		_, many := EnqueueBatch(t.Context(), none, []Message{{Topic: "t"}, {Topic: "t"}})
		_, empty := EnqueueBatch(t.Context(), none, nil)
		for _, err := range []error{one, many, empty} {
			if !errors.Is(err, errNoTransaction) || !strings.HasPrefix(err.Error(), "enqueuing a message: ") {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if n := value[int](t, conn, "SELECT count(*) FROM outbox.message"); n > 0 {
		t.Errorf("%d messages are there", n)
	}
}

func TestEndedTransactionsAreRefused(t *testing.T) {
	url := migrated(t)
	conn := connect(t, url, "")
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := Enqueue(t.Context(), tx, Message{Topic: "t"}); !errors.Is(err, pgx.ErrTxClosed) {
		t.Errorf("pgx: %v, want %v", err, pgx.ErrTxClosed)
	}
	sqlTx, err := open(t, url).Begin()
	if err != nil {
		t.Fatal(err)
	}
	if err := sqlTx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if _, err := Enqueue(t.Context(), sqlTx, Message{Topic: "t"}); !errors.Is(err, sql.ErrTxDone) {
		t.Errorf("database/sql: %v, want %v", err, sql.ErrTxDone)
	}
}

func TestErrorsOfTheDatabase(t *testing.T) {
	conn := connect(t, migrated(t), "")
	nowhere, err := New("nowhere")
	if err != nil {
		t.Fatal(err)
	}
	for want, ms := range map[string][]Message{
		"enqueuing a message: ":  {{Topic: "t"}},
		"enqueuing 2 messages: ": {{Topic: "t"}, {Topic: "t"}},
	} {
		tx, err := conn.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		ids, err := nowhere.EnqueueBatch(t.Context(), tx, ms)
		if ids != nil || err == nil || !strings.HasPrefix(err.Error(), want) || !strings.Contains(err.Error(), "nowhere.message") {
			t.Errorf("without a table: %v, %v", ids, err)
		}
		if err := tx.Rollback(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if id, err := Enqueue(ctx, tx, Message{Topic: "t"}); id != (uuid.UUID{}) || !errors.Is(err, context.Canceled) {
		t.Errorf("when cancelled: %v, %v", id, err)
	}
}
