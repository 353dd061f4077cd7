package inbox

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/weirproxy/weir/internal/testserver"
	"github.com/weirproxy/weir/outboxworker/idempotency"
	"github.com/weirproxy/weir/outboxworker/outbox"
)

func TestOnce(t *testing.T) {
	messages, url := installed(t)
	conn := connect(t, url)
	for i, test := range []struct {
		group, id string
		fresh     bool
	}{
		{"g", "1", true}, {"g", "1", false}, {"g", "2", true}, {"h", "1", true}, {"h", "1", false},
	} {
		tx := begin(t, conn, pgx.ReadCommitted)
		fresh, err := messages.Once(t.Context(), tx, test.group, test.id)
		if err != nil || fresh != test.fresh {
			t.Errorf("call %d: %t, %v", i, fresh, err)
		}
		if again, err := messages.Once(t.Context(), tx, test.group, test.id); err != nil || again {
			t.Errorf("call %d, again in the same transaction: %t, %v", i, again, err)
		}
		if err := tx.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if n := value[int](t, conn, "SELECT count(*) FROM outbox.inbox WHERE now() - done_at BETWEEN '0' AND '1 min'"); n != 3 {
		t.Errorf("the inbox has %d rows", n)
	}
}

func TestMessageThatCannotBeClaimedLeavesTheTransactionUsable(t *testing.T) {
	messages, url := installed(t)
	tx := begin(t, connect(t, url), pgx.ReadCommitted)
	for _, id := range []string{"", strings.Repeat("a", 256), "\xff", "\x00"} {
		if fresh, err := messages.Once(t.Context(), tx, "g", id); !errors.Is(err, idempotency.ErrInvalid) || fresh {
			t.Errorf("%q: %t, %v", id, fresh, err)
		}
	}
	longest := strings.Repeat("ü", 127) + "a"
	if fresh, err := messages.Once(t.Context(), tx, longest, longest); err != nil || !fresh {
		t.Errorf("the longest names: %t, %v", fresh, err)
	}
}

// Two transactions handle a message at once: the second waits for the first's end.
func TestTwoAtOnce(t *testing.T) {
	messages, url := installed(t)
	observer := connect(t, url)
	ends := map[string]func(tx pgx.Tx) error{
		"commits":    func(tx pgx.Tx) error { return tx.Commit(t.Context()) },
		"rolls back": func(tx pgx.Tx) error { return tx.Rollback(t.Context()) },
		"is killed": func(tx pgx.Tx) error {
			_, err := observer.Exec(t.Context(), "SELECT pg_terminate_backend($1)", tx.Conn().PgConn().PID())
			return err
		},
	}
	for _, level := range []pgx.TxIsoLevel{pgx.ReadCommitted, pgx.RepeatableRead, pgx.Serializable} {
		for name, end := range ends {
			t.Run(string(level)+"/the first "+name, func(t *testing.T) {
				run(t, observer, "TRUNCATE outbox.inbox")
				first, second := begin(t, connect(t, url), level), begin(t, connect(t, url), level)
				if fresh, err := messages.Once(t.Context(), first, "g", "1"); err != nil || !fresh {
					t.Fatalf("the first: %t, %v", fresh, err)
				}
				type answer struct {
					fresh bool
					err   error
				}
				answers := make(chan answer, 1)
				go func() {
					fresh, err := messages.Once(t.Context(), second, "g", "1")
					answers <- answer{fresh, err}
				}()
				waits(t, observer, second.Conn().PgConn().PID())
				if len(answers) > 0 {
					t.Fatal("the second did not wait")
				}
				if err := end(first); err != nil {
					t.Fatal(err)
				}
				got := <-answers
				var failed *pgconn.PgError
				switch {
				case name == "commits" && level != pgx.ReadCommitted:
					if !errors.As(got.err, &failed) || failed.Code != "40001" {
						t.Errorf("the second: %t, %v", got.fresh, got.err)
					}
				case got.err != nil || got.fresh != (name != "commits"):
					t.Errorf("the second: %t, %v", got.fresh, got.err)
				}
			})
		}
	}
}

func TestContextBoundsTheWait(t *testing.T) {
	messages, url := installed(t)
	observer := connect(t, url)
	first, second := begin(t, connect(t, url), pgx.ReadCommitted), begin(t, connect(t, url), pgx.ReadCommitted)
	if _, err := messages.Once(t.Context(), first, "g", "1"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	go func() {
		_, err := messages.Once(ctx, second, "g", "1")
		failed <- err
	}()
	waits(t, observer, second.Conn().PgConn().PID())
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// Installing is one statement that may be run again, by several at once, beside an outbox
// or without one.
func TestSchema(t *testing.T) {
	for name, migrate := range map[string]bool{"alone": false, "with an outbox": true} {
		t.Run(name, func(t *testing.T) {
			url := testserver.Database(t)
			messages, err := New("box_2")
			if err != nil {
				t.Fatal(err)
			}
			var installs sync.WaitGroup
			for range 4 {
				conn := connect(t, url)
				installs.Go(func() {
					if _, err := conn.Exec(t.Context(), messages.Schema()); err != nil {
						t.Error(err)
					}
				})
			}
			conn := connect(t, url)
			if migrate {
				if _, err := outbox.Migrate(t.Context(), conn, "box_2"); err != nil {
					t.Fatal(err)
				}
			}
			installs.Wait()
			tx := begin(t, conn, pgx.ReadCommitted)
			if fresh, err := messages.Once(t.Context(), tx, "g", "1"); err != nil || !fresh {
				t.Errorf("%t, %v", fresh, err)
			}
			if err := tx.Commit(t.Context()); err != nil {
				t.Fatal(err)
			}
			run(t, conn, messages.Schema())
			if n := value[int](t, conn, "SELECT count(*) FROM box_2.inbox"); n != 1 {
				t.Errorf("installing again left %d rows", n)
			}
		})
	}
	if messages, err := New("pg_x; DROP"); err == nil || messages != nil {
		t.Errorf("a name that is none: %v", err)
	}
}

// The rights of the package comment, and no more.
func TestRights(t *testing.T) {
	messages, url := installed(t)
	admin := connect(t, url)
	run(t, admin, `CREATE ROLE inbox_handler; CREATE ROLE inbox_pruner; GRANT USAGE ON SCHEMA outbox TO inbox_handler, inbox_pruner;
		GRANT INSERT ON outbox.inbox TO inbox_handler; GRANT SELECT, DELETE ON outbox.inbox TO inbox_pruner`)
	t.Cleanup(func() {
		_, err := admin.Exec(context.Background(), "DROP OWNED BY inbox_handler, inbox_pruner; DROP ROLE inbox_handler, inbox_pruner")
		if err != nil {
			t.Error(err)
		}
	})
	handler, pruner := connect(t, url), connect(t, url)
	run(t, handler, "SET ROLE inbox_handler")
	run(t, pruner, "SET ROLE inbox_pruner")
	store, err := messages.Store(handler, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []idempotency.Status{idempotency.Started, idempotency.AlreadyDone} {
		claim, state, err := store.Begin(t.Context(), "g", "1")
		if err != nil || state.Status != want {
			t.Fatalf("%v, %v", state, err)
		}
		if claim != nil {
			if err := claim.Done(t.Context()); err != nil {
				t.Error(err)
			}
		}
	}
	if n, err := messages.Prune(t.Context(), pruner, time.Microsecond, 10); err != nil || n != 1 {
		t.Errorf("%d, %v", n, err)
	}
	run(t, handler, "RESET ROLE") // for the roles to be dropped
	run(t, pruner, "RESET ROLE")
}

func TestPrune(t *testing.T) {
	messages, url := installed(t)
	conn := connect(t, url)
	run(t, conn, `INSERT INTO outbox.inbox (message_id, consumer_group, done_at)
		SELECT n::text, 'g', now() - n * interval '1 hour' FROM generate_series(1, 250) n`)
	// The 168 rows of 7 days, less the one that has become older by now, are kept.
	deleted, err := messages.Prune(t.Context(), conn, Retention, 20)
	if err != nil || deleted != 250-168+1 {
		t.Errorf("deleted %d, %v", deleted, err)
	}
	if oldest := value[time.Duration](t, conn, "SELECT now() - min(done_at) FROM outbox.inbox"); oldest > Retention || oldest < Retention-2*time.Hour {
		t.Errorf("the oldest row is %s old", oldest)
	}
	for _, bad := range []struct {
		age   time.Duration
		batch int
	}{{0, 1}, {-time.Hour, 1}, {time.Hour, 0}, {time.Hour, 10001}} {
		if _, err := messages.Prune(t.Context(), conn, bad.age, bad.batch); err == nil {
			t.Errorf("%s in batches of %d is allowed", bad.age, bad.batch)
		}
	}
	plan := explain(t, conn, messages.prune, Retention, 20)
	if !strings.Contains(plan, "Index Cond: (done_at <") || !strings.Contains(plan, "Tid Scan") {
		t.Errorf("pruning reads the whole table:\n%s", plan)
	}
}

// explain returns the plan of a statement when nothing is cheap to read as a whole.
func explain(t *testing.T, conn *pgx.Conn, sql string, args ...any) string {
	t.Helper()
	run(t, conn, "SET enable_seqscan = off")
	rows, err := conn.Query(t.Context(), "EXPLAIN "+sql, args...)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(lines, "\n")
}
