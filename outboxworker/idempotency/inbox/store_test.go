package inbox

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/weirproxy/weir/outboxworker/idempotency"
)

func TestStore(t *testing.T) {
	messages, url := installed(t)
	db := pool(t, url, 4)
	store, err := messages.Store(db, 50*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	start := func(want idempotency.Status) idempotency.Claim {
		t.Helper()
		claim, state, err := store.Begin(t.Context(), "g", "1")
		if err != nil || state != (idempotency.State{Status: want}) || (claim != nil) != (want == idempotency.Started) {
			t.Fatalf("%v, %v, want %s", state, err, want)
		}
		return claim
	}
	effect := func(claim idempotency.Claim) {
		t.Helper()
		kept, stop := claim.Keep(t.Context())
		defer stop()
		if _, err := Tx(kept).Exec(kept, "INSERT INTO effect VALUES ('1')"); err != nil {
			t.Fatal(err)
		}
		if err := claim.Extend(kept); err != nil {
			t.Error(err)
		}
	}

	first := start(idempotency.Started)
	effect(first)
	start(idempotency.Busy)
	if err := errors.Join(first.Release(t.Context()), first.Release(t.Context())); err != nil {
		t.Fatal(err)
	}
	second := start(idempotency.Started)
	effect(second)
	if err := second.Done(t.Context()); err != nil {
		t.Fatal(err)
	}
	start(idempotency.AlreadyDone)
	if n := value[int](t, db, "SELECT count(*) FROM effect"); n != 1 {
		t.Errorf("%d effects", n)
	}
	if in := db.Stat().AcquiredConns(); in != 0 {
		t.Errorf("%d connections are not given back", in)
	}
	if tx := Tx(t.Context()); tx != nil {
		t.Error("a transaction out of nothing")
	}
	if _, err := messages.Store(db, 0); err == nil {
		t.Error("a wait without an end is allowed")
	}
}

// The bound of the wait for the message is none of the handler's statements.
func TestStoreLeavesLockTimeoutAsItWas(t *testing.T) {
	messages, url := installed(t)
	conn := connect(t, url)
	run(t, conn, "SET lock_timeout = '7s'")
	store, err := messages.Store(conn, 50*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	claim, _, err := store.Begin(t.Context(), "g", "1")
	if err != nil {
		t.Fatal(err)
	}
	kept, stop := claim.Keep(t.Context())
	defer stop()
	if got := value[string](t, Tx(kept), "SHOW lock_timeout"); got != "7s" {
		t.Errorf("it is %s", got)
	}
	if err := claim.Done(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestStoreThatIsUnavailable(t *testing.T) {
	messages, url := installed(t)
	conn := connect(t, url)
	store, err := messages.Store(conn, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if claim, _, err := store.Begin(t.Context(), "", "1"); !errors.Is(err, idempotency.ErrInvalid) || claim != nil {
		t.Errorf("%v", err)
	}
	run(t, conn, "ALTER TABLE outbox.inbox RENAME TO away")
	if claim, _, err := store.Begin(t.Context(), "g", "1"); !errors.Is(err, idempotency.ErrUnavailable) || claim != nil {
		t.Errorf("without its table: %v", err)
	}
	run(t, conn, "ALTER TABLE outbox.away RENAME TO inbox")
	claim, _, err := store.Begin(t.Context(), "g", "1")
	if err != nil {
		t.Fatalf("after an error: %v", err)
	}
	run(t, connect(t, url), "SELECT pg_terminate_backend($1)", conn.PgConn().PID())
	if err := claim.Done(t.Context()); err == nil {
		t.Error("what its session's end has rolled back is done")
	}
	if claim, _, err := store.Begin(t.Context(), "g", "1"); !errors.Is(err, idempotency.ErrUnavailable) || claim != nil {
		t.Errorf("without a connection: %v", err)
	}
}

func TestStoreGivesAConnectionBackWhenItsContextIsDone(t *testing.T) {
	messages, url := installed(t)
	db := pool(t, url, 2)
	store, err := messages.Store(db, within)
	if err != nil {
		t.Fatal(err)
	}
	first := begin(t, connect(t, url), pgx.ReadCommitted)
	if _, err := messages.Once(t.Context(), first, "g", "1"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if claim, _, err := store.Begin(ctx, "g", "1"); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, idempotency.ErrUnavailable) || claim != nil {
		t.Errorf("%v", err)
	}
	eventually(t, "the connection is given back", func() bool { return db.Stat().AcquiredConns() == 0 })
}
