package relay

// plan_test.go: the plans of hot statements. A queue swings between nothing and millions
// of rows, so statistics may say anything; no plan may read a whole table.

import (
	"context"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// seqScan finds a scan of a whole table. Sequences have one row and no index.
var seqScan = regexp.MustCompile(`(Seq Scan|Bitmap Heap Scan) on (message|deferred|dead)\b`)

func TestHotStatementsUseIndexes(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	sql, err := newStatements(&f.settings)
	if err != nil {
		t.Fatal(err)
	}
	none := []string{}
	ids, ints, waits := []int64{1}, []int32{1}, []int64{1}
	hot := map[string]struct {
		text  string
		args  []any
		wants []string
	}{
		"claim":          {sql.claim, []any{1, time.Now(), 30_000}, []string{"deferred_due"}},
		"probe":          {sql.probe, []any{[]int16{1, 2}, []int64{5, 5}, []int16{1}, []string{"7"}, []time.Time{time.Now(), time.Now()}}, []string{"message_lane", "deferred_due"}},
		"look":           {sql.look, []any{1, 5, []string{"7"}, 10, 10}, []string{"message_lane", "message_txid"}},
		"due":            {sql.due, []any{1, 10, 10, 10, 10, time.Now()}, []string{"deferred_due", "deferred_key", "deferred_pkey"}},
		"due, after one": {sql.dueAfter, []any{1, 10, 10, 10, 10, time.Now(), 1}, []string{"deferred_due", "deferred_key", "deferred_pkey"}},
		"forget":         {sql.forget, []any{none, ids}, []string{"Tid Scan"}},
		"defer":          {sql.deferral, []any{none, ids, none, ints, none, waits, none}, []string{"Tid Scan"}},
		"bury":           {sql.bury, []any{none, ids, none, ints, none, true, none, none}, []string{"Tid Scan"}},
		"forget_waiting": {sql.forgetWaiting, []any{1, ids}, []string{"deferred_pkey", "dead_pkey"}},
		"keep":           {sql.keep, []any{none, ids}, []string{"Tid Scan"}},
		"keep_waiting":   {sql.keepWaiting, []any{1, ids}, []string{"deferred_pkey", "dead_pkey"}},
		"retry_waiting":  {sql.retryWaiting, []any{1, ids, ints, none, waits, none}, []string{"deferred_pkey"}},
		"bury_waiting":   {sql.buryWaiting, []any{1, ids, none, ints, none, true, none, none}, []string{"deferred_pkey"}},
		"resume":         {sql.resume, []any{1, ids}, []string{"deferred_pkey"}},
		"promote":        {sql.promote, []any{1, []string{"k1", "k2"}}, []string{"deferred_key", "deferred_head", "dead_holds"}},
		"timers":         {sql.timers, []any{1, 60_000, time.Now(), 1, 10, 30_000}, []string{"deferred_due"}},
		"timed":          {sql.timed, []any{ids}, []string{"deferred_pkey"}},
		"park":           {sql.park, []any{1, 5, "k"}, []string{"dead_holds"}},
		"orphans":        {sql.orphans, []any{1}, []string{"deferred_key", "deferred_head", "dead_holds"}},
	}
	// Of empty tables all indexes cost the same; a plan is made anew for each batch.
	check := func(when string, full bool) {
		for name, statement := range hot {
			plan := f.plan(sql.session, statement.text, statement.args)
			if seqScan.MatchString(plan) {
				t.Errorf("%s: %s reads a whole table:\n%s", when, name, plan)
			}
			if strings.Contains(plan, "Anti Join") { // which reads all that is tried or dead in a lane
				t.Errorf("%s: %s may compare each message with each:\n%s", when, name, plan)
			}
			for _, want := range statement.wants {
				if full && !strings.Contains(plan, want) {
					t.Errorf("%s: %s does not use %s:\n%s", when, name, want, plan)
				}
			}
		}
	}
	fill := `INSERT INTO outbox.message (topic, key, payload) SELECT 'test', 'k' || i % 50, 'x' FROM generate_series(1, 20000) i`
	fillDeferred := `INSERT INTO outbox.deferred (id, lane, state, due_at, message_id, topic, key, type, payload, created_at)
		SELECT i, i % 8, CASE i % 10 WHEN 0 THEN 'retry' ELSE 'parked' END, CASE i % 10 WHEN 0 THEN now() END, gen_random_uuid(), 'test', 'k' || i % 50, '', 'x', now()
		FROM generate_series(1, 20000) i`
	check("new", false)
	f.Exec("ANALYZE outbox.message, outbox.deferred, outbox.dead")
	check("after ANALYZE of empty tables", false)
	f.Exec(fill)
	f.Exec(fillDeferred)
	check("full, with statistics of the empty tables", true)
	f.Exec("ANALYZE outbox.message, outbox.deferred, outbox.dead")
	check("full, after ANALYZE", true)
	f.Exec("TRUNCATE outbox.message, outbox.deferred, outbox.dead")
	check("after TRUNCATE", false)
	f.Exec("ANALYZE outbox.message, outbox.deferred, outbox.dead")
	check("after TRUNCATE and ANALYZE", false)
}

// plan returns the plan of a statement with the settings of a batch.
func (f *fixture) plan(session, text string, args []any) string {
	f.Helper()
	ctx := f.Context()
	tx, err := f.Conn.Begin(ctx)
	if err != nil {
		f.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.Background()) }()
	if _, err := tx.Exec(ctx, session); err != nil {
		f.Fatal(err)
	}
	if _, err := tx.Exec(ctx, "SELECT set_config('outbox.claimed', 'true', true)"); err != nil {
		f.Fatal(err)
	}
	rows, err := tx.Query(ctx, "EXPLAIN "+text, args...)
	if err != nil {
		f.Fatal(err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		f.Fatal(err)
	}
	return strings.Join(lines, "\n")
}
