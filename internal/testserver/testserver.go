// Package testserver gives tests a PostgreSQL and a Redis of their own, started when they
// are first asked for. It is for tests only; nothing else may import it.
//
// A package whose tests share a PostgreSQL has
//
//	func TestMain(m *testing.M) { testserver.Main(m) }
//
// The package depends on pgx to make databases. A Consul comes from the package
// consulserver, so that modules which need none do not depend on its client.
package testserver

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/weirproxy/weir/outboxworker/localserver"
)

const (
	// startWithin is generous: a busy machine starts slowly, and a server that
	// exits is noticed at once.
	startWithin = 2 * time.Minute
	stopWithin  = 20 * time.Second
	// askWithin bounds a statement to make or drop a database.
	askWithin = time.Minute
	// atLeast is how many parallel tests run at once.
	atLeast = 4
)

// settings are those of every server of PostgreSQL that is started here: it shares the
// machine with others like it, and is as durable as a real one.
var settings = map[string]string{
	"fsync":           "on",
	"shared_buffers":  "64MB",
	"max_connections": "100",
	"max_wal_size":    "1GB",
}

var (
	// main is true while Main runs, which stops what outlives a test.
	main atomic.Bool
	// shared is the server of Postgres.
	shared = sync.OnceValues(startShared)
	// sharedRuns is true from when shared is first asked for.
	sharedRuns atomic.Bool
	// databases numbers the databases.
	databases atomic.Int64
)

// Main runs the tests of a package, stops the servers that they share, and exits. At
// least 4 parallel tests run at once, unless -parallel says how many.
func Main(m *testing.M) {
	main.Store(true)
	flag.Parse()
	waitTogether()
	status := m.Run()
	if err := stopShared(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		status = max(status, 1)
	}
	os.Exit(status)
}

// waitTogether lets more tests run at once than there are processors: those that have
// servers wait most of the time.
func waitTogether() {
	const parallel = "test.parallel"
	told := false
	flag.Visit(func(f *flag.Flag) { told = told || f.Name == parallel })
	if !told {
		_ = flag.Set(parallel, strconv.Itoa(max(atLeast, runtime.GOMAXPROCS(0))))
	}
}

func startShared() (*localserver.Postgres, error) {
	sharedRuns.Store(true)
	return startPostgres(nil)
}

func stopShared() error {
	if !sharedRuns.Load() {
		return nil
	}
	server, err := shared()
	if err != nil {
		return nil // the tests have shown it
	}
	ctx, cancel := context.WithTimeout(context.Background(), stopWithin)
	defer cancel()
	return server.Stop(ctx)
}

// Postgres returns the server that all tests of the process share. Tests that end it,
// or change what holds for all its databases, take a PrivatePostgres.
func Postgres(t testing.TB) *localserver.Postgres {
	t.Helper()
	if !main.Load() {
		t.Fatal("TestMain does not call testserver.Main: nobody would stop the server")
	}
	server, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	return server
}

// PrivatePostgres starts a server that ends with the test. Settings are added to those
// of the shared one; nil adds nothing. What the server logged at last is shown if the
// test fails.
func PrivatePostgres(t testing.TB, settings map[string]string) *localserver.Postgres {
	t.Helper()
	server, err := startPostgres(settings)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { end(t, "PostgreSQL", server) })
	return server
}

func startPostgres(more map[string]string) (*localserver.Postgres, error) {
	all := make(map[string]string)
	for _, some := range []map[string]string{settings, more} {
		for name, value := range some {
			all[name] = value
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), startWithin)
	defer cancel()
	return localserver.StartPostgres(ctx, localserver.PostgresOptions{Settings: all})
}

// Database makes an empty database on the shared server and returns its connection
// string. It is dropped when the test ends, whoever is connected.
func Database(t testing.TB) string {
	t.Helper()
	return DatabaseOn(t, Postgres(t))
}

// DatabaseOn is Database for a server of the test's own. If that does not run when the
// test ends, nothing is dropped.
func DatabaseOn(t testing.TB, server *localserver.Postgres) string {
	t.Helper()
	name := fmt.Sprintf("test_%d", databases.Add(1))
	if err := ask(server, "CREATE DATABASE "+name+" TEMPLATE template0"); err != nil {
		t.Fatalf("making a database: %v", err)
	}
	t.Cleanup(func() {
		if server.PID() == 0 {
			return
		}
		if err := ask(server, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Errorf("dropping a database: %v", err)
		}
	})
	return server.URL(name)
}

func ask(server *localserver.Postgres, statement string) error {
	ctx, cancel := context.WithTimeout(context.Background(), askWithin)
	defer cancel()
	conn, err := pgx.Connect(ctx, server.URL("postgres"))
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, statement)
	return errors.Join(err, conn.Close(ctx))
}

// Redis starts a server that ends with the test and keeps everything in memory. What
// it logged at last is shown if the test fails.
func Redis(t testing.TB) *localserver.Redis {
	t.Helper()
	return RedisWith(t, localserver.RedisOptions{})
}

// RedisWith is Redis with options. With AppendFsync "always" it may be killed and
// restarted and has lost nothing.
func RedisWith(t testing.TB, options localserver.RedisOptions) *localserver.Redis {
	t.Helper()
	if err := installRedis(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), startWithin)
	defer cancel()
	server, err := localserver.StartRedis(ctx, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { end(t, "Redis", server) })
	return server
}

// running is what ends with its test.
type running interface {
	LogTail() string
	Stop(context.Context) error
}

func end(t testing.TB, name string, server running) {
	t.Helper()
	if t.Failed() {
		t.Logf("log of %s:\n%s", name, server.LogTail())
	}
	ctx, cancel := context.WithTimeout(context.Background(), stopWithin)
	defer cancel()
	if err := server.Stop(ctx); err != nil {
		t.Error(err)
	}
}
