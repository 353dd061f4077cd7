package relay

// setup_test.go: databases and servers that are set up otherwise than the relay's own tests
// have them.

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/weirproxy/weir/internal/testserver"
	"github.com/weirproxy/weir/outboxworker/sink"
)

// set has the sessions that begin from now on have other settings.
func (f *fixture) set(settings ...string) {
	f.Helper()
	for _, s := range settings {
		f.Exec("ALTER DATABASE " + pgx.Identifier{f.Config.Database}.Sanitize() + " SET " + s)
	}
}

// lives has messages take all the ways there are, and checks that they arrive.
func (f *fixture) lives(change ...func(*Settings)) {
	f.Helper()
	r := new(receiver)
	var n atomic.Int32
	r.Set(func(m *sink.Message) sink.Result {
		switch {
		case string(m.Payload) == "2" && n.Add(1) < 3:
			return refuse(errNo)
		case string(m.Payload) == "dead":
			return sink.Result{Outcome: sink.Fatal, Err: errNo}
		}
		return sink.Result{Outcome: sink.Delivered}
	})
	f.Enqueue("k", "1", "2", "\\3\t\"")
	f.Enqueue("l", "dead", "4")
	f.Exec("SELECT outbox.enqueue(topic => 'test', key => 'm', payload => 'delayed', headers => '{}', deliver_after => now() + interval '200 milliseconds')")
	stop := f.start(r, change...)
	f.Eventually("0 pending, 0 deferred, 1 dead", f.Places)
	if got, want := fmt.Sprintf("%s|%s|%s", r.Texts("k"), r.Texts("l"), r.Texts("m")), "1 2 \\3\t\"|4|delayed"; got != want {
		f.Errorf("got %q, want %q", got, want)
	}
	if got := r.Taken()[0].CreatedAt; time.Since(got).Abs() > time.Hour {
		f.Errorf("a message was created at %s", got)
	}
	f.Eventually("true", func() string { return fmt.Sprint(f.metric("outbox_table_bytes") > 0) })
	f.Eventually("1", func() string { return f.Ask("SELECT last_value FROM outbox.wake") })
	stop()
}

// A role or a database may have any settings, and what texts look like depends on some.
func TestSettingsOfTheDatabase(t *testing.T) {
	t.Parallel()
	for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeCacheStatement, pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol} {
		t.Run(mode.String(), func(t *testing.T) {
			f := newFixture(t)
			f.set("datestyle = 'German, DMY'", "timezone = 'Asia/Kathmandu'", "intervalstyle = 'sql_standard'", "bytea_output = 'escape'",
				"extra_float_digits = -15", "search_path = ''", "default_transaction_isolation = 'serializable'", "default_transaction_read_only = on",
				"default_transaction_deferrable = on", "standard_conforming_strings = on", "transform_null_equals = on", "quote_all_identifiers = on",
				"idle_in_transaction_session_timeout = '1ms'", "statement_timeout = '2s'", "lock_timeout = '1ms'", "row_security = off")
			f.settings.Database = f.settings.Database.Copy()
			f.settings.Database.DefaultQueryExecMode = mode
			f.settings.Listen = f.settings.Database
			f.lives(keeping)
			if got := f.Ask("SELECT count(*) FROM outbox.delivered"); got != "5" {
				t.Errorf("%s of 5 messages are noted", got)
			}
		})
	}
}

// After a failover a name may still lead to the old primary, which is a standby by now: a
// worker that stayed connected would never ask where the new one is.
func TestAStandbyIsLeft(t *testing.T) {
	t.Parallel()
	server := testserver.PrivatePostgres(t, nil)
	f := fixtureAt(t, server.URL("postgres"))
	f.Enqueue("k", "1")
	file := filepath.Join(f.Ask("current_setting('data_directory')"), "standby.signal")
	if err := errors.Join(os.WriteFile(file, nil, 0o600), server.Kill()); err != nil {
		t.Fatal(err)
	}
	promoted := make(chan error, 1)
	go func() { promoted <- server.Restart(t.Context()) }() // which waits for a primary
	r := new(receiver)
	f.start(r)
	var conn *pgx.Conn
	f.Eventually("true", func() string {
		var err error
		conn, err = pgx.ConnectConfig(t.Context(), f.Config)
		return fmt.Sprint(err == nil)
	})
	f.Conn = conn
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	before := f.metric("outbox_reconnects_total")
	f.Eventually("true", func() string { return fmt.Sprint(f.metric("outbox_reconnects_total") > before+4) })
	if got := f.Ask("pg_is_in_recovery()"); got != "true" {
		t.Fatalf("in recovery: %s", got)
	}
	f.Exec("SELECT pg_promote()")
	if err := <-promoted; err != nil {
		t.Fatal(err)
	}
	f.Eventually("0 pending, 0 deferred, 0 dead", f.Places)
	if got := r.Texts("k"); got != "1" {
		t.Errorf("got %q", got)
	}
}
