package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/weirproxy/weir/internal/testserver"
)

// asCommand makes the test binary behave as the command, so that the command is
// tested with the race detector and no other binary is built.
const asCommand = "WEIR_TEST_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		main()
		return
	}
	testserver.Main(m)
}

// output is what a process writes, while it writes.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// waits waits until something holds, or ends the test.
func waits(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not true within 30s: %s", what)
		}
	}
}

// TestFirstDay does what an operator does on the first day.
func TestFirstDay(t *testing.T) {
	url := testserver.Database(t)
	dir := t.TempDir()
	passwordFile, file := filepath.Join(dir, "password"), filepath.Join(dir, "worker.yaml")
	write(t, passwordFile, "s3cret\n")
	write(t, file, "database: {password_file: "+passwordFile+"}\nhttp: {address: \"\"}\noutboxes: [{sink: {stdout: {}}}]\n")
	environ := append(os.Environ(), asCommand+"=1", "OUTBOXWORKER_DATABASE_URL="+url)

	for _, step := range []struct {
		args string
		code int
		out  string
	}{
		{"version", 0, "outboxworker "},
		{"rum", 2, `outboxworker: there is no command "rum"`},
		{"check-config -c " + file, 0, "ok\n"},
		{"doctor -c " + file, 1, "ok "},
		{"migrate up -c " + file, 0, "outbox: migrated to version 1\n"},
		{"doctor -c " + file, 0, "ok "},
	} {
		cmd := exec.Command(os.Args[0], strings.Fields(step.args)...)
		cmd.Env = environ
		out, err := cmd.CombinedOutput()
		exit := (*exec.ExitError)(nil)
		if err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		if code := cmd.ProcessState.ExitCode(); code != step.code || !strings.HasPrefix(string(out), step.out) {
			t.Fatalf("outboxworker %s: exit %d, want %d\n%s", step.args, code, step.code, out)
		}
	}
	runs(t, file, url, environ)
}

// runs starts the worker, sends it messages and the signals, and ends it.
func runs(t *testing.T, file, url string, environ []string) {
	t.Helper()
	var out, log output
	cmd := exec.Command(os.Args[0], "run", "-c", file)
	cmd.Env, cmd.Stdout, cmd.Stderr = environ, &out, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		if t.Failed() {
			t.Logf("log:\n%s", &log)
		}
	})
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	deliver(t, conn, &out, 1)

	good := read(t, file)
	write(t, file, good+"wrong: true\n")
	signal(t, cmd, syscall.SIGHUP)
	waits(t, "the wrong configuration is told", func() bool { return strings.Contains(log.String(), "line 4: wrong: unknown key") })
	deliver(t, conn, &out, 2)
	write(t, file, strings.Replace(good, "{sink", "{workers: 1, sink", 1))
	signal(t, cmd, syscall.SIGHUP)
	waits(t, "the right one is in force", func() bool { return strings.Contains(log.String(), `"msg":"reloaded the configuration"`) })
	deliver(t, conn, &out, 3)

	ends(t, cmd)
	if strings.Contains(log.String(), "s3cret") {
		t.Error("the log shows the password")
	}
}

// deliver enqueues the nth message and waits until it is the nth line.
func deliver(t *testing.T, conn *pgx.Conn, out *output, n int) {
	t.Helper()
	payload := fmt.Sprintf(`{"n":%d}`, n)
	if _, err := conn.Exec(t.Context(), "SELECT outbox.enqueue(topic => 'orders', payload => $1::text)", payload); err != nil {
		t.Fatal(err)
	}
	waits(t, fmt.Sprintf("message %d is written", n), func() bool { return strings.Count(out.String(), "\n") == n })
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	var line struct {
		Topic   string
		Payload struct{ N int }
	}
	if err := json.Unmarshal([]byte(lines[n-1]), &line); err != nil || line.Topic != "orders" || line.Payload.N != n {
		t.Errorf("line %d is %s, %v", n, lines[n-1], err)
	}
}

// ends sends SIGTERM and waits for the end, which must be a good one.
func ends(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	signal(t, cmd, syscall.SIGTERM)
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("the worker ended with %v", err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("the worker does not end")
	}
}

func signal(t *testing.T, cmd *exec.Cmd, s os.Signal) {
	t.Helper()
	if err := cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, file, content string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
