//go:build unix && !aix && !solaris

package localserver

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"
)

// parentVariable makes the test binary a program that starts servers and waits to be
// killed.
const parentVariable = "LOCALSERVER_TEST_PARENT"

func TestMain(m *testing.M) {
	if os.Getenv(parentVariable) != "" {
		beParent()
	}
	os.Exit(m.Run())
}

// startPostgres starts a server that ends with the test. It does without fsync: no test
// has the machine crash.
func startPostgres(t *testing.T, options PostgresOptions) *Postgres {
	t.Helper()
	if options.Settings == nil {
		options.Settings = make(map[string]string)
	}
	options.Settings["fsync"] = "off"
	p, err := StartPostgres(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return p
}

func startRedis(t *testing.T, options RedisOptions) *Redis {
	t.Helper()
	r, err := StartRedis(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return r
}

// connect opens a connection that ends with the test.
func connect(t *testing.T, p *Postgres) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), p.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// execute runs a statement over a connection of its own.
func execute(t *testing.T, p *Postgres, statement string) {
	t.Helper()
	if _, err := connect(t, p).Exec(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
}

// one returns the only value of a query, as text.
func one(t *testing.T, p *Postgres, query string) string {
	t.Helper()
	var value any
	if err := connect(t, p).QueryRow(t.Context(), query).Scan(&value); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(value)
}

func redisClient(t *testing.T, r *Redis) *redis.Client {
	t.Helper()
	options, err := redis.ParseURL(r.URL())
	if err != nil {
		t.Fatal(err)
	}
	options.MaxRetries = -1
	client := redis.NewClient(options)
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// openFolder returns an empty folder that every user may enter, unlike t.TempDir.
func openFolder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "localserver-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// program writes a shell script.
func program(t *testing.T, dir, name, script string) string {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, name)
	if err := os.WriteFile(file, []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return file
}

// eventually asks until the answer is yes or a minute has passed.
func eventually(t *testing.T, what string, yes func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !yes(); pause(t.Context(), look) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// alive reports whether a process runs. One that has ended and that nobody has waited
// for does not.
func alive(pid int) bool {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil { // it is not there, or this is not Linux
		return syscall.Kill(pid, 0) == nil
	}
	return !bytes.Contains(status, []byte("State:\tZ"))
}
