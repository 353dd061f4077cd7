package outbox

// shared.go holds what the tests of a run share, and gives it back.

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/weirproxy/weir/integration"
	"github.com/weirproxy/weir/outboxworker/localserver"
)

var (
	// binary is the worker, with its failpoints.
	binary = sync.OnceValues(build)
	// folder holds the binary.
	folder = sync.OnceValues(func() (string, error) { return os.MkdirTemp("", "weir-outbox-") })
	// server is the PostgreSQL of scenarios that do no harm to it.
	server = sync.OnceValues(func() (*localserver.Postgres, error) {
		started = true
		return localserver.StartPostgres(context.Background(), localserver.PostgresOptions{Settings: map[string]string{
			"fsync": "on", "shared_buffers": "64MB", "max_connections": "200", "max_wal_size": "1GB",
		}})
	})
	// started tells that server was asked for. It is read when all tests are over.
	started bool
)

// build uses the flags of the Makefile, so that what is compiled is found in the cache.
func build() (string, error) {
	dir, err := folder()
	if err != nil {
		return "", err
	}
	root, err := integration.Root()
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "outboxworker")
	cmd := exec.Command("go", "build", "-buildvcs=false", "-ldflags", "-w -s", "-trimpath", "-tags", "failpoint",
		"-o", path, "./cmd/outboxworker")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the worker: %w\n%s", err, out)
	}
	return path, nil
}

// sharedPostgres returns the server that scenarios share.
func sharedPostgres(t testing.TB) *localserver.Postgres {
	t.Helper()
	s, err := server()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// cleanup ends the shared server and removes what was built.
func cleanup() error {
	integration.Cleanup()
	if dir, err := folder(); err == nil {
		_ = os.RemoveAll(dir)
	}
	if !started {
		return nil
	}
	s, err := server()
	if err != nil {
		return nil // the tests have shown it
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	return s.Stop(ctx)
}
