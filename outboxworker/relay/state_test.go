package relay

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"
	"go.uber.org/zap/zaptest/observer"

	"github.com/weirproxy/weir/internal/backoff"
	"github.com/weirproxy/weir/outboxworker/sink"
)

// shown looks at the outbox once and returns a metric of it.
func (f *fixture) shown(r *Relay, name string) float64 {
	f.Helper()
	if err := r.look(f.Context(), f.Conn, &watched{last: time.Now()}); err != nil {
		f.Fatal(err)
	}
	return f.metric(name)
}

func TestStateShowsWhatWaits(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.settings.Retry, f.settings.Retries = backoff.Policy{Base: time.Second, Cap: 32 * time.Second}, 6
	r, err := New(f.settings, new(receiver), f.metrics, zaptest.NewLogger(t))
	if err != nil {
		t.Fatal(err)
	}
	expect := func(what string, want map[string]float64) {
		t.Helper()
		for name, value := range want {
			got := f.shown(r, name)
			// ages go on while the test looks
			if got < value || got > value+10*min(value, 1) {
				t.Errorf("%s: %s is %v, want %v", what, name, got, value)
			}
		}
	}
	expect("nothing waits", map[string]float64{
		"outbox_retry_overdue_seconds": 0, "outbox_blocked_keys": 0, "outbox_blocked_key_seconds": 0,
		"outbox_paused_lanes": 0, "outbox_replaying_messages": 0, "outbox_blocked_key_limit_seconds": 1 + 2 + 4 + 8 + 16 + 32,
	})

	// Three keys are blocked, two of them by dead messages; a message without a key blocks
	// none; on a paused lane nothing is overdue, and nothing is that is not due.
	f.Exec(`INSERT INTO outbox.deferred (id, lane, state, due_at, deferred_at, message_id, topic, key, type, payload, created_at)
		SELECT id, lane, state, now() + due * interval '1 second', now() + since * interval '1 second', gen_random_uuid(), 't', key, '', '', now()
		FROM (VALUES (1, 1, 'retry', -40, -100, 'a'), (2, 1, 'parked', NULL, -900, 'a'), (3, 2, 'retry', 60, -700, NULL),
			(4, 3, 'retry', -5000, -50, NULL), (5, 4, 'delayed', 600, -800, 'd')) AS v (id, lane, state, due, since, key)`)
	f.Exec("INSERT INTO outbox.paused_lane (lane) VALUES (3)")
	f.Exec(`INSERT INTO outbox.dead (id, lane, holds, reason, attempts, died_at, replaying_at, message_id, topic, key, type, payload, created_at)
		SELECT id, lane, holds, 'fatal', 1, now() + died * interval '1 second', CASE WHEN again THEN now() END, gen_random_uuid(), 't', key, '', '', now()
		FROM (VALUES (11, 5, true, -200, false, 'b'), (12, 5, true, -150, false, 'b'), (13, 6, true, -10, false, 'c'),
			(14, 7, false, -3000, true, 'e')) AS v (id, lane, holds, died, again, key)`)
	expect("much waits", map[string]float64{
		"outbox_retry_overdue_seconds": 40, "outbox_blocked_keys": 3, "outbox_blocked_key_seconds": 200,
		"outbox_paused_lanes": 1, "outbox_replaying_messages": 1, "outbox_dead_messages": 4, "outbox_held_keys": 3,
		"outbox_deferred_messages": 5,
	})
	f.Exec("DELETE FROM outbox.dead")
	expect("no dead one", map[string]float64{"outbox_blocked_keys": 1, "outbox_blocked_key_seconds": 100})
	f.Exec("INSERT INTO outbox.paused_lane (lane) VALUES (1)")
	expect("its lane is paused", map[string]float64{"outbox_blocked_keys": 1, "outbox_blocked_key_seconds": 0, "outbox_retry_overdue_seconds": 0})
	f.Exec("DELETE FROM outbox.paused_lane")
	expect("no lane is paused", map[string]float64{"outbox_retry_overdue_seconds": 5000, "outbox_paused_lanes": 0})
}

// What is overdue is found by its index however much waits.
func TestStateFindsTheOverdueByIndex(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	sql, err := newStatements(&f.settings)
	if err != nil {
		t.Fatal(err)
	}
	f.Exec(`INSERT INTO outbox.deferred (id, lane, state, due_at, message_id, topic, key, type, payload, created_at)
		SELECT i, i % 8, CASE i % 10 WHEN 0 THEN 'retry' ELSE 'parked' END, CASE i % 10 WHEN 0 THEN now() END, gen_random_uuid(), 't', 'k' || i % 50, '', 'x', now()
		FROM generate_series(1, 20000) i`)
	if plan := f.plan(sql.session, sql.state, []any{make([]time.Time, lanes)}); !strings.Contains(plan, "deferred_due") {
		t.Errorf("it does not use deferred_due:\n%s", plan)
	}
}

func TestSchedule(t *testing.T) {
	for _, c := range []struct {
		retry   backoff.Policy
		retries int
		want    time.Duration
	}{
		{backoff.Policy{Base: time.Second, Cap: 32 * time.Second}, 6, 63 * time.Second},
		{backoff.Policy{Base: time.Second, Cap: 4 * time.Second}, 0, 0},
		{backoff.Policy{List: []time.Duration{10 * time.Second, 5 * time.Minute}}, 2, 341 * time.Second}, // with a tenth of jitter,
		{backoff.Policy{Base: time.Hour, Cap: math.MaxInt64}, 500, forever},
	} {
		s := Settings{Retry: c.retry, Retries: c.retries}
		if got := s.schedule(); got != c.want {
			t.Errorf("%+v, %d retries: %s, want %s", c.retry, c.retries, got, c.want)
		}
	}
}

// That no worker is connected is told when the database is away, which is when it is so.
func TestConnectionsAreShownWithoutADatabase(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.start(new(receiver))
	f.connected()
	beside := f.settings.Database.Copy()
	beside.Database = "postgres"
	admin, err := pgx.ConnectConfig(t.Context(), beside)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = admin.Close(context.WithoutCancel(t.Context())) }()
	name := f.settings.Database.Database
	for _, sql := range []string{
		"ALTER DATABASE " + pgx.Identifier{name}.Sanitize() + " ALLOW_CONNECTIONS false",
		"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '" + name + "'",
	} {
		if _, err := admin.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	f.Eventually("0", func() string { return fmt.Sprint(f.metric("outbox_workers_connected")) })
}

// Metrics of the tables that cannot be read stay as they were: that is said, once.
func TestAStateThatCannotBeReadIsTold(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.Exec("REVOKE SELECT ON outbox.dead FROM outbox_worker")
	f.settings.Database = f.settings.Database.Copy()
	f.settings.Database.RuntimeParams["role"] = "outbox_worker"
	core, logs := observer.New(zap.WarnLevel)
	r, err := New(f.settings, new(receiver), f.metrics, zap.New(core))
	if err != nil {
		t.Fatal(err)
	}
	conn := f.ConnectTo(f.settings.Database)
	var w watched
	for range 2 {
		r.lookAt(t.Context(), conn, &w)
	}
	if n := logs.FilterMessageSnippet("metrics").Len(); n != 1 {
		t.Errorf("it is told %d times", n)
	}
	f.Exec("GRANT SELECT ON outbox.dead TO outbox_worker")
	r.lookAt(t.Context(), conn, &w)
	f.Exec("REVOKE SELECT ON outbox.dead FROM outbox_worker")
	r.lookAt(t.Context(), conn, &w)
	if n := logs.FilterMessageSnippet("metrics").Len(); n != 2 {
		t.Errorf("when it fails again, it has been told %d times", n)
	}
}

// A lane that is paused once all of it is delivered shows no message that grows older: nobody
// looks at it again.
func TestAnEmptyPausedLaneHasNoLag(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r, pauser := new(receiver), f.Connect()
	r.Set(func(*sink.Message) sink.Result {
		if _, err := pauser.Exec(t.Context(), "INSERT INTO outbox.paused_lane (lane) SELECT generate_series(0, 7)"); err != nil {
			t.Error(err)
		}
		return sink.Result{Outcome: sink.Delivered}
	})
	f.Exec("INSERT INTO outbox.message (topic, key, payload, created_at) VALUES ('t', 'k', '', now() - interval '1 hour')")
	f.start(r)
	f.Eventually("1", func() string { return fmt.Sprint(f.metric("outbox_deliveries_total")) })
	if lag := f.metric("outbox_lag_seconds"); lag != 0 {
		t.Errorf("nothing is pending, and the lag is %v s", lag)
	}
}

// What is sent and cannot be removed is pending, and older with each try.
func TestWhatCannotBeSettledLags(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.Exec(`CREATE FUNCTION stop() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not now'; END $$;
		CREATE TRIGGER stop BEFORE DELETE ON outbox.message FOR EACH ROW EXECUTE FUNCTION stop();
		INSERT INTO outbox.message (topic, key, payload, created_at) VALUES ('t', 'k', '', now() - interval '1 hour')`)
	f.start(new(receiver))
	f.Eventually("true", func() string { return fmt.Sprint(f.metric("outbox_lag_seconds") >= 3600) })
}

// A counter is there at 0 before it rises, or its first rise would not be seen.
func TestCountersBeginAtZero(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.start(new(receiver), func(s *Settings) { s.Topics = []string{"orders"} })
	want := []string{"outbox_mark_missed_total", "outbox_orphaned_keys_total", "outbox_batch_failures_total", "outbox_died_total"}
	f.Eventually("", func() string {
		families, err := f.registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		missing, outcomes := "", 0
		there := make(map[string]bool)
		for _, family := range families {
			there[family.GetName()] = true
			if family.GetName() == "outbox_deliveries_total" {
				outcomes = len(family.Metric)
			}
		}
		for _, name := range want {
			if !there[name] {
				missing += name + " "
			}
		}
		if outcomes != 2*int(sink.Unreachable) { // of two topics, each outcome but NotSent
			missing += "outcomes"
		}
		return missing
	})
}
