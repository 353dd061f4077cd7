package outbox

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/weirproxy/weir/internal/testserver"
)

func TestMigrateAppliesEachVersionOnce(t *testing.T) {
	conn := connect(t, testserver.Database(t), "")
	for _, want := range [][]int{{1, 2}, nil} {
		applied, err := Migrate(t.Context(), conn, DefaultSchema)
		if err != nil || !slices.Equal(applied, want) {
			t.Fatalf("Migrate() = %v, %v, want %v", applied, err, want)
		}
		if err := CheckVersion(t.Context(), conn, DefaultSchema); err != nil {
			t.Error(err)
		}
	}
}

// TestMigrateManyAtOnce starts processes that migrate one schema at once, and others
// that make the same roles for other databases. Serializable is the isolation in which
// a process would not see what another one did while it waited.
func TestMigrateManyAtOnce(t *testing.T) {
	const processes = 8
	urls := []string{testserver.Database(t), testserver.Database(t), testserver.Database(t)}
	type result struct {
		applied []int
		err     error
	}
	results := make([][]result, len(urls))
	start := make(chan struct{})
	var wg sync.WaitGroup
	for u, url := range urls {
		results[u] = make([]result, processes)
		for p := range processes {
			conn := connectWith(t, url, func(c *pgx.ConnConfig) {
				c.RuntimeParams["default_transaction_isolation"] = "serializable"
			})
			wg.Go(func() {
				<-start
				r := &results[u][p]
				r.applied, r.err = Migrate(t.Context(), conn, "at_once")
			})
		}
	}
	close(start)
	wg.Wait()
	for u, all := range results {
		var applied []int
		for _, r := range all {
			if r.err != nil {
				t.Errorf("database %d: %v", u, r.err)
			}
			applied = append(applied, r.applied...)
		}
		slices.Sort(applied)
		if !slices.Equal(applied, []int{1, 2}) {
			t.Errorf("database %d: all processes together applied %v, want each version once", u, applied)
		}
		if got := value[int](t, connect(t, urls[u], ""), "SELECT count(*) FROM at_once.migration"); got != SchemaVersion {
			t.Errorf("database %d: %d versions are recorded, want %d", u, got, SchemaVersion)
		}
	}
}

func TestMigrateWithSeveralSchemas(t *testing.T) {
	conn := connect(t, testserver.Database(t), "")
	for _, schema := range []string{"first_outbox", "_second", "select"} {
		if _, err := Migrate(t.Context(), conn, schema); err != nil {
			t.Fatalf("%s: %v", schema, err)
		}
		box, err := New(schema)
		if err != nil {
			t.Fatal(err)
		}
		inTx(t, conn, func(tx pgx.Tx) error {
			_, err := box.Enqueue(t.Context(), tx, Message{Topic: schema})
			return err
		})
		topics := values[string](t, conn, "SELECT topic FROM "+quoted(schema)+".message")
		if !slices.Equal(topics, []string{schema}) {
			t.Errorf("schema %s has messages of %v", schema, topics)
		}
	}
}

// TestMigrateInASchemaMadeBefore is the case of a user who may not make schemas.
func TestMigrateInASchemaMadeBefore(t *testing.T) {
	dropRoles(t, append(roleNames("made"), "weak_owner")...)
	url := testserver.Database(t)
	admin := connect(t, url, "")
	run(t, admin, "CREATE ROLE weak_owner")
	run(t, admin, "CREATE SCHEMA made AUTHORIZATION weak_owner")
	conn := connect(t, url, "weak_owner")

	applied, err := Migrate(t.Context(), conn, "made")
	var roles *RolesError
	if !errors.As(err, &roles) || !slices.Equal(applied, []int{1, 2}) {
		t.Fatalf("Migrate() = %v, %v, want both versions and a RolesError", applied, err)
	}
	if want := []string{"made_producer", "made_worker", "made_operator"}; !slices.Equal(roles.Missing, want) {
		t.Errorf("missing are %v, want %v", roles.Missing, want)
	}
	if err := CheckVersion(t.Context(), conn, "made"); err != nil {
		t.Errorf("the owner cannot use the outbox without roles: %v", err)
	}

	run(t, admin, roles.SQL)
	if applied, err := Migrate(t.Context(), conn, "made"); err != nil || len(applied) > 0 {
		t.Fatalf("with the roles there, Migrate() = %v, %v", applied, err)
	}
	run(t, connect(t, url, "made_producer"), "SELECT made.enqueue('t', 'x')")

	// Nothing is left to do, so somebody without any right but to look may migrate.
	if applied, err := Migrate(t.Context(), connect(t, url, "made_worker"), "made"); err != nil || len(applied) > 0 {
		t.Errorf("as a worker, Migrate() = %v, %v", applied, err)
	}
}

func TestFailedVersionLeavesNothing(t *testing.T) {
	conn := connect(t, testserver.Database(t), "")
	run(t, conn, "CREATE SCHEMA outbox; CREATE TABLE outbox.dead ()")
	applied, err := Migrate(t.Context(), conn, DefaultSchema)
	if err == nil || len(applied) > 0 || !strings.HasPrefix(err.Error(), "migrating schema outbox: ") {
		t.Errorf("Migrate() = %v, %v", applied, err)
	}
	if got := value[bool](t, conn, "SELECT to_regclass('outbox.message') IS NULL AND to_regclass('outbox.migration') IS NULL"); !got {
		t.Error("a version that failed left tables")
	}
}

func TestCheckVersion(t *testing.T) {
	conn := connect(t, migrated(t), "")
	for _, test := range []struct {
		version int
		want    string
	}{
		{SchemaVersion - 1, "run outboxworker migrate up"},
		{SchemaVersion, ""},
		{SchemaVersion + 1, ""},
		{SchemaVersion + 2, "run a newer outboxworker"},
	} {
		run(t, conn, "DELETE FROM outbox.migration")
		run(t, conn, "INSERT INTO outbox.migration (version) SELECT generate_series(1, $1::int)", test.version)
		err := CheckVersion(t.Context(), conn, DefaultSchema)
		if test.want == "" {
			if err != nil {
				t.Errorf("version %d: %v", test.version, err)
			}
			continue
		}
		var mismatch *VersionError
		if !errors.As(err, &mismatch) || mismatch.Version != test.version || !strings.Contains(err.Error(), test.want) {
			t.Errorf("version %d: %v, want a VersionError with %q", test.version, err, test.want)
		}
	}
	var mismatch *VersionError
	if err := CheckVersion(t.Context(), conn, "nowhere"); !errors.As(err, &mismatch) || mismatch.Version != 0 {
		t.Errorf("without an outbox: %v, want a VersionError with version 0", err)
	}
	if err := CheckVersion(t.Context(), conn, "No Schema"); err == nil {
		t.Error("a name that no schema can have was looked for")
	}
}

func TestDatabaseMustBeSupported(t *testing.T) {
	if err := supported(150013, "UTF8"); err != nil {
		t.Error(err)
	}
	for _, test := range []struct {
		version  int
		encoding string
		want     string
	}{
		{149999, "UTF8", "checking PostgreSQL: it has version 14, version 15 or later is needed"},
		{180001, "LATIN1", "checking PostgreSQL: the database is encoded in LATIN1, UTF8 is needed"},
	} {
		if err := supported(test.version, test.encoding); err == nil || err.Error() != test.want {
			t.Errorf("version %d in %s: %v, want %q", test.version, test.encoding, err, test.want)
		}
	}

	admin := connect(t, testserver.Postgres(t).URL("postgres"), "")
	run(t, admin, "DROP DATABASE IF EXISTS latin") // of an earlier run
	run(t, admin, "CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
	conn := connect(t, testserver.Postgres(t).URL("latin"), "")
	if _, err := Migrate(t.Context(), conn, DefaultSchema); err == nil || !strings.Contains(err.Error(), "LATIN1") {
		t.Errorf("Migrate() in LATIN1: %v", err)
	}
}

func TestSQLIsWhatMigrateDoes(t *testing.T) {
	for _, roles := range []bool{true, false} {
		t.Run(fmt.Sprintf("roles %t", roles), func(t *testing.T) {
			schema := fmt.Sprintf("printed_%t", roles)
			dropRoles(t, roleNames(schema)...)
			sql, err := SQL(schema, roles)
			if err != nil {
				t.Fatal(err)
			}
			url := testserver.Database(t)
			if out, err := psql(t, url, "", sql); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			conn := connect(t, url, "")
			if err := CheckVersion(t.Context(), conn, schema); err != nil {
				t.Error(err)
			}
			if got := value[bool](t, conn, "SELECT to_regrole($1) IS NOT NULL", schema+"_worker"); got != roles {
				t.Errorf("the roles are there: %t, want %t", got, roles)
			}
			if out, err := psql(t, url, "", sql); err == nil {
				t.Errorf("a second run succeeded:\n%s", out)
			}
			if applied, err := Migrate(t.Context(), conn, schema); err != nil || len(applied) > 0 {
				t.Errorf("afterwards, Migrate() = %v, %v", applied, err)
			}
			run(t, connect(t, url, schema+"_producer"), "SELECT "+schema+".enqueue('t', 'x')")
		})
	}
	if _, err := SQL("x; DROP SCHEMA y", true); err == nil {
		t.Error("SQL takes any name")
	}
}

func TestMigrateStopsWithItsContext(t *testing.T) {
	url := testserver.Database(t)
	holder := connect(t, url, "")
	run(t, holder, "BEGIN; "+locked(DefaultSchema))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	waiting := connect(t, url, "")
	go func() {
		_, err := Migrate(ctx, waiting, DefaultSchema)
		done <- err
	}()
	for !value[bool](t, holder, "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted)") {
		continue
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("Migrate() = %v, want that it was cancelled", err)
	}
}

func inTx(t testing.TB, conn *pgx.Conn, f func(pgx.Tx) error) {
	t.Helper()
	if err := pgx.BeginFunc(t.Context(), conn, f); err != nil {
		t.Fatal(err)
	}
}
