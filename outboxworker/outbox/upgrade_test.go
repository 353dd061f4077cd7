package outbox

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// atVersion1 returns the URL of a database with an outbox as the first version made it,
// with its roles, and a message in every table.
func atVersion1(t *testing.T) string {
	t.Helper()
	url := migrated(t)
	conn := connect(t, url, "")
	run(t, conn, "DROP SCHEMA outbox CASCADE")
	grants := strings.SplitAfter(expand(grantsSQL, DefaultSchema), ";")
	grants = slices.DeleteFunc(grants, func(sql string) bool {
		for _, later := range []string{"paused_lane", "audit", "delivered"} {
			if strings.Contains(sql, later) {
				return true
			}
		}
		return false
	})
	inTx(t, conn, func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), expand(version1, DefaultSchema)+recorded(DefaultSchema, 1)+strings.Join(grants, ""))
		return err
	})
	run(t, connect(t, url, "outbox_producer"), "SELECT outbox.enqueue('t', 'pending', key => 'k')")
	for i, state := range []string{"retry", "parked", "delayed"} {
		run(t, conn, `INSERT INTO outbox.deferred (id, lane, state, due_at, attempts, last_error, message_id, topic, key, type, payload, created_at)
			VALUES ($1, 1, $2, CASE WHEN $2 <> 'parked' THEN now() END, 3, 'e', gen_random_uuid(), 't', 'k', 'y', 'p', now())`, 10+i, state)
	}
	for i, reason := range []string{"fatal", "exhausted"} {
		run(t, conn, `INSERT INTO outbox.dead (id, lane, holds, reason, attempts, last_error, message_id, topic, key, type, payload, created_at)
			VALUES ($1, 1, true, $2, 7, 'e', gen_random_uuid(), 't', 'k', 'y', 'p', now())`, 20+i, reason)
	}
	return url
}

// The second version keeps what the first has, and the roles get what is new.
func TestUpgradeFromVersion1(t *testing.T) {
	url := atVersion1(t)
	conn := connect(t, url, "")
	const content = `SELECT string_agg(x, ' | ' ORDER BY x) FROM (
		SELECT concat_ws(',', 'message', id, message_id, topic, key, type, payload, created_at, lane) AS x FROM outbox.message
		UNION ALL SELECT concat_ws(',', 'deferred', id, lane, state, due_at, attempts, last_error, deferred_at, message_id, topic, key, type, payload, created_at) FROM outbox.deferred
		UNION ALL SELECT concat_ws(',', 'dead', id, lane, holds, reason, attempts, last_error, died_at, message_id, topic, key, type, payload, created_at) FROM outbox.dead) AS all_rows`
	before := value[string](t, conn, content)
	if strings.Count(before, "|") != 5 {
		t.Fatalf("there are other rows than 6: %s", before)
	}
	if err := CheckVersion(t.Context(), conn, DefaultSchema); err == nil {
		t.Error("the first version is taken for one that can be used")
	}
	applied, err := Migrate(t.Context(), conn, DefaultSchema)
	if err != nil || !slices.Equal(applied, []int{2}) {
		t.Fatalf("Migrate() = %v, %v, want version 2", applied, err)
	}
	if after := value[string](t, conn, content); after != before {
		t.Errorf("before: %s\nafter:  %s", before, after)
	}
	if n := value[int](t, conn, `SELECT count(*) FROM outbox.dead WHERE class = '' AND fingerprint = '' AND replaying_at IS NULL AND replays = 0`); n != 2 {
		t.Errorf("%d of 2 dead messages have the defaults", n)
	}
	run(t, connect(t, url, "outbox_worker"), "SELECT outbox.rotate_delivered('24 hours')")
	run(t, connect(t, url, "outbox_operator"), "INSERT INTO outbox.paused_lane (lane) VALUES (1)")
	// what the statements of the first version's workers wrote is written still
	run(t, connect(t, url, "outbox_worker"), `INSERT INTO outbox.dead (id, lane, holds, reason, attempts, last_error, message_id, topic, type, payload, created_at)
		VALUES (30, 1, false, 'fatal', 1, 'e', gen_random_uuid(), 't', 'y', 'p', now())`)
}

// An upgraded schema is the one that is made anew.
func TestUpgradedSchemaIsTheNewOne(t *testing.T) {
	old := connect(t, atVersion1(t), "")
	if _, err := Migrate(t.Context(), old, DefaultSchema); err != nil {
		t.Fatal(err)
	}
	anew := connect(t, migrated(t), "")
	for _, what := range []string{
		`SELECT format('%s.%s %s %s %s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, pg_get_expr(d.adbin, d.adrelid))
			FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
			WHERE c.relnamespace = 'outbox'::regnamespace AND a.attnum > 0 ORDER BY 1`,
		`SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = 'outbox'::regnamespace ORDER BY 1`,
		`SELECT indexdef FROM pg_indexes WHERE schemaname = 'outbox' ORDER BY 1`,
		`SELECT format('%s %s', relname, relacl) FROM pg_class WHERE relnamespace = 'outbox'::regnamespace AND relkind <> 'i' ORDER BY 1`,
		`SELECT format('%s %s', attrelid::regclass, attacl) FROM pg_attribute WHERE attacl IS NOT NULL AND attrelid::regclass::text LIKE 'outbox.%' ORDER BY 1`,
	} {
		if got, want := values[string](t, old, what), values[string](t, anew, what); !slices.Equal(got, want) || len(got) == 0 {
			t.Errorf("%s:\nupgraded %s\nanew     %s", what, got, want)
		}
	}
}

// The upgrade waits for the batches of workers that run, and they for it, and no producer
// waits for either.
func TestUpgradeBesideAWorker(t *testing.T) {
	url := atVersion1(t)
	worker := connect(t, url, "outbox_worker")
	run(t, worker, "BEGIN")
	run(t, worker, "SELECT count(*) FROM outbox.deferred, outbox.dead")
	upgrade, done := connect(t, url, ""), make(chan error, 1)
	go func() {
		_, err := Migrate(t.Context(), upgrade, DefaultSchema)
		done <- err
	}()
	watching := connect(t, url, "")
	for !value[bool](t, watching, "SELECT EXISTS (SELECT FROM pg_locks WHERE pid = $1 AND NOT granted)", upgrade.PgConn().PID()) {
		continue
	}
	producer := connect(t, url, "outbox_producer")
	run(t, producer, "SET statement_timeout = '5s'")
	run(t, producer, "SELECT outbox.enqueue('t', 'x')")
	// what the batch writes does not deadlock with what waits for it
	run(t, worker, "UPDATE outbox.deferred SET attempts = 4 WHERE id = 10")
	run(t, worker, `INSERT INTO outbox.dead (id, lane, reason, attempts, message_id, topic, type, payload, created_at)
		VALUES (40, 1, 'fatal', 1, gen_random_uuid(), 't', 'y', 'p', now())`)
	run(t, worker, "COMMIT")
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if got := value[string](t, watching, "SELECT format('%s %s', (SELECT count(*) FROM outbox.dead), (SELECT attempts FROM outbox.deferred WHERE id = 10))"); got != "3 4" {
		t.Error(fmt.Sprint("there are dead messages and attempts: ", got, ", want 3 4"))
	}
}
