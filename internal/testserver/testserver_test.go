package testserver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"github.com/weirproxy/weir/outboxworker/localserver"
)

// childVariable makes the test binary run one test, as a package would that uses
// testserver.
const childVariable = "TESTSERVER_TEST_CHILD"

func TestMain(m *testing.M) { Main(m) }

// one returns the only value of a query, as text.
func one(t *testing.T, url, query string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	var value any
	if err := conn.QueryRow(t.Context(), query).Scan(&value); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(value)
}

func execute(t *testing.T, url, statement string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	if _, err := conn.Exec(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
}

func TestEveryTestHasADatabaseOfItsOwn(t *testing.T) {
	t.Parallel()
	var dropped string
	t.Run("test", func(t *testing.T) {
		first, second := Database(t), Database(t)
		dropped = first
		for url, table := range map[string]string{first: "one", second: "two"} {
			execute(t, url, "CREATE TABLE "+table+" ()")
			if got := one(t, url, "SELECT string_agg(relname, ' ') FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"); got != table {
				t.Errorf("%s has the tables %s", url, got)
			}
		}
		// somebody is connected when it is dropped
		conn, err := pgx.Connect(t.Context(), first)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close(context.Background()) })
	})
	_, name, _ := strings.Cut(dropped, "127.0.0.1:")
	_, name, _ = strings.Cut(name, "/")
	name, _, _ = strings.Cut(name, "?")
	left := one(t, Postgres(t).URL("postgres"), "SELECT count(*) FROM pg_database WHERE datname = '"+name+"'")
	if name == "" || left != "0" {
		t.Errorf("database %q is there after its test", name)
	}
}

func TestSharedPostgres(t *testing.T) {
	t.Parallel()
	server := Postgres(t)
	if server != Postgres(t) || server.PID() == 0 {
		t.Error("the server is not shared")
	}
	for setting, want := range map[string]string{"fsync": "on", "shared_buffers": "64MB", "max_connections": "100", "max_wal_size": "1GB"} {
		if got := one(t, server.URL("postgres"), "SHOW "+setting); got != want {
			t.Errorf("%s is %s, want %s", setting, got, want)
		}
	}
}

func TestPrivatePostgres(t *testing.T) {
	t.Parallel()
	var server *localserver.Postgres
	t.Run("test", func(t *testing.T) {
		server = PrivatePostgres(t, map[string]string{"max_connections": "20"})
		url := DatabaseOn(t, server)
		if server == Postgres(t) {
			t.Fatal("it is the shared server")
		}
		if got := one(t, url, "SHOW max_connections"); got != "20" {
			t.Errorf("max_connections is %s", got)
		}
		if got := one(t, url, "SHOW shared_buffers"); got != "64MB" {
			t.Errorf("shared_buffers is %s", got)
		}
		if err := server.Kill(); err != nil { // its database cannot be dropped then
			t.Error(err)
		}
	})
	if server != nil && server.PID() != 0 {
		t.Error("it runs after its test")
	}
}

func TestRedisServers(t *testing.T) {
	t.Parallel()
	var servers []*localserver.Redis
	t.Run("test", func(t *testing.T) {
		servers = append(servers, Redis(t), RedisWith(t, localserver.RedisOptions{AppendFsync: "always"}))
		for i, want := range []string{"no", "yes"} {
			options, err := redis.ParseURL(servers[i].URL())
			if err != nil {
				t.Fatal(err)
			}
			client := redis.NewClient(options)
			got, err := client.ConfigGet(t.Context(), "appendonly").Result()
			if err != nil || got["appendonly"] != want {
				t.Errorf("appendonly is %v, %v, want %s", got, err, want)
			}
			if err := client.Close(); err != nil {
				t.Error(err)
			}
		}
	})
	for _, server := range servers {
		if server.PID() != 0 {
			t.Error("it runs after its test")
		}
	}
}

// told is a test that notes what it is told.
type told struct {
	testing.TB
	fatal string
	log   []string
	err   []string
}

func (t *told) Helper()      {}
func (t *told) Failed() bool { return true }
func (t *told) Logf(format string, args ...any) {
	t.log = append(t.log, fmt.Sprintf(format, args...))
}
func (t *told) Error(args ...any) { t.err = append(t.err, fmt.Sprint(args...)) }
func (t *told) Fatal(args ...any) {
	t.fatal = fmt.Sprint(args...)
	panic(t)
}

// Not parallel: it has Main not run for a moment.
func TestWithoutMainNothingIsShared(t *testing.T) {
	main.Store(false)
	defer main.Store(true)
	told := &told{TB: t}
	func() {
		defer func() { _ = recover() }()
		Postgres(told)
	}()
	if !strings.Contains(told.fatal, "testserver.Main") {
		t.Errorf("the test is told %q", told.fatal)
	}
}

// broken is a server that cannot be stopped.
type broken struct{}

func (broken) LogTail() string            { return "its last words" }
func (broken) Stop(context.Context) error { return errors.New("stopping: no") }

func TestFailedTestShowsTheLogOfItsServer(t *testing.T) {
	t.Parallel()
	told := &told{TB: t}
	end(told, "it", broken{})
	if len(told.log) != 1 || !strings.Contains(told.log[0], "its last words") {
		t.Errorf("logged: %q", told.log)
	}
	if len(told.err) != 1 || !strings.Contains(told.err[0], "stopping: no") {
		t.Errorf("errors: %q", told.err)
	}
}

// TestChild is the child of TestMainStopsTheSharedServer.
func TestChild(t *testing.T) {
	how := os.Getenv(childVariable)
	if how == "" {
		return
	}
	fmt.Printf("folder %s\n", one(t, Database(t), "SHOW data_directory"))
	if how == "fail" {
		t.Error("failing as told")
	}
}

func TestMainStopsTheSharedServer(t *testing.T) {
	t.Parallel()
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for how, status := range map[string]int{"pass": 0, "fail": 1} {
		cmd := exec.Command(binary, "-test.run=^TestChild$")
		cmd.Env = append(os.Environ(), childVariable+"="+how)
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		_ = cmd.Run()
		if got := cmd.ProcessState.ExitCode(); got != status {
			t.Errorf("a package whose tests %s ends with %d\n%s", how, got, &out)
		}
		_, folder, found := strings.Cut(out.String(), "folder ")
		folder, _, _ = strings.Cut(folder, "\n")
		if !found {
			t.Fatalf("no server was started:\n%s", &out)
		}
		if _, err := os.Stat(folder); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the server's folder after the tests of a package: %v", err)
		}
	}
}
