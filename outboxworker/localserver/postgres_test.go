//go:build unix && !aix && !solaris

package localserver

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

func TestPostgresIsSetUpAsTold(t *testing.T) {
	t.Parallel()
	p := startPostgres(t, PostgresOptions{Settings: map[string]string{
		"work_mem":         "3MB",
		"log_line_prefix":  "%m with blanks ",
		"listen_addresses": "*", // not theirs to say
	}})
	for query, want := range map[string]string{
		"SHOW server_encoding":         "UTF8",
		"SHOW work_mem":                "3MB",
		"SHOW log_line_prefix":         "%m with blanks ",
		"SHOW listen_addresses":        "127.0.0.1",
		"SHOW unix_socket_directories": "",
		"SELECT current_user":          "postgres",
		// trust is for loopback, and there is nothing but loopback
		"SELECT string_agg(DISTINCT address, ' ' ORDER BY address) FROM pg_hba_file_rules": "127.0.0.1 ::1",
	} {
		if got := one(t, p, query); got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
}

func TestPostgresFromStartToStop(t *testing.T) {
	t.Parallel()
	p := startPostgres(t, PostgresOptions{})
	pid := p.PID()
	if !alive(pid) {
		t.Fatalf("process %d does not run", pid)
	}
	if !strings.Contains(p.LogTail(), "ready to accept connections") {
		t.Errorf("the log does not end as expected: %s", p.LogTail())
	}
	if err := p.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if alive(pid) || p.PID() != 0 {
		t.Error("it runs after Stop")
	}
	if _, err := os.Stat(p.dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("its temporary folder after Stop: %v", err)
	}
	listener, err := net.Listen("tcp", loopback(p.Port()))
	if err != nil {
		t.Fatalf("its port after Stop: %v", err)
	}
	_ = listener.Close()
	if err := p.Stop(t.Context()); err != nil {
		t.Errorf("stopping again: %v", err)
	}
	if err := p.Restart(t.Context()); err == nil || !strings.Contains(err.Error(), "folder was removed") {
		t.Errorf("restarting without a folder: %v", err)
	}
}

func TestPostgresRunsAsAnotherUserThanRoot(t *testing.T) {
	t.Parallel()
	p := startPostgres(t, PostgresOptions{})
	info, err := os.Stat(filepath.Join(p.data(), "postmaster.pid")) // made by the server
	if err != nil {
		t.Fatal(err)
	}
	owner, want := info.Sys().(*syscall.Stat_t).Uid, uint32(os.Geteuid())
	if want == 0 {
		account, err := firstAccount(accountNames)
		if err != nil {
			t.Fatal(err)
		}
		want = account.uid
	}
	if owner != want || owner == 0 {
		t.Errorf("user %d runs it, want %d", owner, want)
	}
}

func TestPostgresIsStartedAgainAfterKill(t *testing.T) {
	t.Parallel()
	p := startPostgres(t, PostgresOptions{})
	execute(t, p, "CREATE TABLE kept (n int)")
	url := p.URL("postgres")
	for i, n := range []string{"1", "2"} {
		busy := connect(t, p)
		ended := make(chan error, 1)
		go func() { // at work, and so blind to what becomes of its parent
			_, err := busy.Exec(context.Background(), "SELECT count(*) FROM generate_series(1, 1e9)")
			ended <- err
		}()
		pid := p.PID()
		eventually(t, "the query runs", func() bool {
			return one(t, p, "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query ~ '1e9'") == "2"
		})
		execute(t, p, "INSERT INTO kept VALUES ("+n+")")
		if err := p.Kill(); err != nil {
			t.Fatal(err)
		}
		if alive(pid) || p.PID() != 0 {
			t.Error("it runs after Kill")
		}
		if err := <-ended; err == nil {
			t.Error("a query outlived the server")
		}
		if err := p.Kill(); err == nil {
			t.Error("killing a dead server succeeds")
		}
		if err := p.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := one(t, p, "SELECT count(*) FROM kept"); got != n || p.URL("postgres") != url {
			t.Errorf("restart %d: %s rows at %s, want %s at %s", i, got, p.URL("postgres"), n, url)
		}
	}
	if !strings.Contains(p.LogTail(), "not properly shut down") {
		t.Errorf("the log does not show a crash: %s", p.LogTail())
	}
}

func TestPostgresThatWasKilledLeavesNothing(t *testing.T) {
	t.Parallel()
	p := startPostgres(t, PostgresOptions{})
	content, err := os.ReadFile(filepath.Join(p.data(), "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	segment := sharedMemory(t, string(content))
	if !segment.exists(t) {
		t.Fatal("there is no shared memory after Kill, and this shows nothing")
	}
	if err := p.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if segment.exists(t) {
		t.Error("its shared memory is there after Stop")
	}
	if _, err := os.Stat(p.dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("its folder after Stop: %v", err)
	}
}

func TestPostgresKeepsTheFolderItIsGiven(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(openFolder(t), "below", "server")
	first := startPostgres(t, PostgresOptions{Dir: dir})
	execute(t, first, "CREATE TABLE kept AS SELECT 42 AS n")
	if err := first.Restart(t.Context()); err != nil {
		t.Fatalf("restarting while it runs: %v", err)
	}
	if err := first.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	second := startPostgres(t, PostgresOptions{Dir: dir})
	if got := one(t, second, "SELECT n FROM kept"); got != "42" {
		t.Errorf("the second server has %s", got)
	}
}

func TestPostgresWaitsForTheLastServerOfItsFolder(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(openFolder(t), "server")
	first := startPostgres(t, PostgresOptions{Dir: dir})
	stopped := make(chan error, 1)
	go func() {
		for !strings.Contains(first.LogTail(), "already exists") { // the second one was refused
			if t.Context().Err() != nil {
				return
			}
			pause(t.Context(), look)
		}
		stopped <- first.Stop(context.Background())
	}()
	second := startPostgres(t, PostgresOptions{Dir: dir})
	if err := <-stopped; err != nil {
		t.Fatal(err)
	}
	if got := one(t, second, "SELECT 1"); got != "1" {
		t.Errorf("got %s", got)
	}
}

func TestTwoPostgresAtOnce(t *testing.T) {
	t.Parallel()
	first, second := startPostgres(t, PostgresOptions{}), startPostgres(t, PostgresOptions{})
	execute(t, first, "CREATE TABLE mine ()")
	if got := one(t, second, "SELECT count(*) FROM pg_class WHERE relname = 'mine'"); got != "0" {
		t.Error("two servers share their tables")
	}
	if err := first.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := one(t, second, "SELECT 1"); got != "1" {
		t.Errorf("the second one answers %s after the first was stopped", got)
	}
}

func TestPostgresStopsWithClientsConnected(t *testing.T) {
	t.Parallel()
	p := startPostgres(t, PostgresOptions{})
	conn := connect(t, p)
	if err := p.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, err := conn.Exec(t.Context(), "SELECT 1")
	var postgresErr *pgconn.PgError
	if !errors.As(err, &postgresErr) || postgresErr.Code != "57P01" {
		t.Errorf("a client of a stopped server gets %v, want admin_shutdown", err)
	}
}

func TestPostgresStopsWhenItHangs(t *testing.T) {
	t.Parallel()
	p := startPostgres(t, PostgresOptions{})
	for _, child := range childrenOf(p.PID()) { // they don't heed a fast shutdown
		if err := child.Signal(suspend); err != nil {
			t.Error(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	pid := p.PID()
	if err := p.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	if alive(pid) {
		t.Error("it runs after Stop")
	}
}

func TestPostgresTakesAnotherPortThanOthers(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	bin, err := findPostgres(t.Context(), "", postgresPlaces)
	if err != nil {
		t.Fatal(err)
	}
	as, err := unprivileged()
	if err != nil {
		t.Fatal(err)
	}
	taken := listener.Addr().(*net.TCPAddr).Port
	p := &Postgres{bin: bin, as: as, settings: map[string]string{"fsync": "off"}}
	p.server = server{
		name: "PostgreSQL", command: p.command, ready: p.ready,
		endings: []syscall.Signal{syscall.SIGINT}, port: taken, anyPort: true,
	}
	if err := p.prepareFolder("", postgresPrefix, p.as); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Stop(context.Background()) })
	if err := p.initialize(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := p.launch(t.Context()); err != nil {
		t.Fatal(err)
	}
	if p.Port() == taken || one(t, p, "SELECT 1") != "1" {
		t.Errorf("it runs on port %d, which was taken", p.Port())
	}
}

// Not parallel: it changes the environment.
func TestPostgresThatDoesNotStartSaysWhy(t *testing.T) {
	temporary := openFolder(t)
	t.Setenv("TMPDIR", temporary)
	_, err := StartPostgres(t.Context(), PostgresOptions{Settings: map[string]string{"work_mem": "nonsense"}})
	if err == nil || !strings.HasPrefix(err.Error(), "starting PostgreSQL: ") ||
		!strings.Contains(err.Error(), `invalid value for parameter "work_mem": "nonsense"`) {
		t.Errorf("starting with a bad setting: %v, want what PostgreSQL logged", err)
	}
	if left, err := os.ReadDir(temporary); err != nil || len(left) > 0 {
		t.Errorf("left in the temporary folder: %v, %v", left, err)
	}
}

func TestPostgresInAFolderThatItMayNotEnter(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "server") // below a folder that is open to its owner alone
	p, err := StartPostgres(t.Context(), PostgresOptions{Dir: dir})
	if os.Geteuid() != 0 { // the owner
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		return
	}
	if err == nil || !strings.Contains(err.Error(), "must be able to enter "+dir) {
		t.Errorf("starting: %v", err)
	}
}
