package outbox

// main_test.go holds what the tests share.

import (
	"context"
	"database/sql"
	"testing"

	"github.com/jackc/pgx/v5"
	_ "github.com/jackc/pgx/v5/stdlib"

	"github.com/weirproxy/weir/internal/testserver"
)

func TestMain(m *testing.M) { testserver.Main(m) }

// migrated returns the URL of a database with an outbox in DefaultSchema.
func migrated(t testing.TB) string {
	t.Helper()
	url := testserver.Database(t)
	if _, err := Migrate(t.Context(), connect(t, url, ""), DefaultSchema); err != nil {
		t.Fatal(err)
	}
	return url
}

// dropRoles drops roles when the test is over: they outlive its databases, and it may run
// once more. It comes before the database in which they have rights.
func dropRoles(t testing.TB, names ...string) {
	t.Helper()
	t.Cleanup(func() {
		conn, err := pgx.Connect(context.Background(), testserver.Postgres(t).URL("postgres"))
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close(context.Background())
		for _, name := range names {
			if _, err := conn.Exec(context.Background(), "DROP ROLE IF EXISTS "+quoted(name)); err != nil {
				t.Error(err)
			}
		}
	})
}

// connect connects to a database, with the rights of a role unless it is empty.
func connect(t testing.TB, url, role string) *pgx.Conn {
	t.Helper()
	return connectWith(t, url, func(c *pgx.ConnConfig) {
		if role != "" {
			c.RuntimeParams["role"] = role
		}
	})
}

func connectWith(t testing.TB, url string, change func(*pgx.ConnConfig)) *pgx.Conn {
	t.Helper()
	config, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	change(config)
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func open(t testing.TB, url string) *sql.DB {
	t.Helper()
	db, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func run(t testing.TB, conn *pgx.Conn, sql string, args ...any) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%v\n%s", err, sql)
	}
}

// value returns the only value that a query returns.
func value[T any](t testing.TB, conn *pgx.Conn, sql string, args ...any) T {
	t.Helper()
	var v T
	if err := conn.QueryRow(t.Context(), sql, args...).Scan(&v); err != nil {
		t.Fatalf("%v\n%s", err, sql)
	}
	return v
}

// values returns the values that a query returns.
func values[T any](t testing.TB, conn *pgx.Conn, sql string, args ...any) []T {
	t.Helper()
	rows, err := conn.Query(t.Context(), sql, args...)
	if err != nil {
		t.Fatalf("%v\n%s", err, sql)
	}
	all, err := pgx.CollectRows(rows, pgx.RowTo[T])
	if err != nil {
		t.Fatalf("%v\n%s", err, sql)
	}
	return all
}
