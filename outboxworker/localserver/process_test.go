//go:build unix && !aix && !solaris

package localserver

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// launchScript starts a shell script as a process.
func launchScript(t *testing.T, script string) (p *process, output string) {
	t.Helper()
	out, err := os.Create(filepath.Join(t.TempDir(), "output"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = out.Close() }()
	cmd := exec.Command("/bin/sh", "-c", script)
	cmd.Stdout = out
	cmd.SysProcAttr = attributes(nil, syscall.SIGKILL)
	if p, err = startProcess(cmd); err != nil {
		t.Fatal(err)
	}
	return p, out.Name()
}

func TestProcessIsGoneWhenItsChildrenAre(t *testing.T) {
	t.Parallel()
	p, output := launchScript(t, "sleep 60 & echo $!")
	<-p.exited
	content, err := os.ReadFile(output)
	if err != nil {
		t.Fatal(err)
	}
	child, err := strconv.Atoi(strings.TrimSpace(string(content)))
	if err != nil {
		t.Fatal(err)
	}
	if within(p.gone, 100*time.Millisecond) {
		t.Error("it is gone while its child runs")
	}
	if err := syscall.Kill(child, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if !within(p.gone, time.Minute) {
		t.Error("it is not gone although its child is")
	}
}

func TestProcessOutlivesTheThreadThatAskedForIt(t *testing.T) {
	t.Parallel()
	// Several threads at once, as the main one, which does not end, may be among them.
	const threads = 3
	started := make(chan *process, threads)
	var locked sync.WaitGroup
	locked.Add(threads)
	for range threads {
		go func() {
			runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
			locked.Done()
			locked.Wait()
			p, _ := launchScript(t, "exec sleep 60")
			started <- p
		}()
	}
	for range threads {
		p := <-started
		if within(p.exited, 300*time.Millisecond) {
			t.Errorf("it ended with %s when a thread of its parent did", p.cmd.ProcessState)
		}
		p.signal(syscall.SIGTERM)
		<-p.gone
	}
}

func TestProgramThatCannotRun(t *testing.T) {
	t.Parallel()
	cmd := exec.Command(filepath.Join(t.TempDir(), "absent"))
	cmd.SysProcAttr = attributes(nil, syscall.SIGKILL)
	if _, err := startProcess(cmd); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("starting a program that is not there: %v", err)
	}
}

// neverReady is a server whose program runs and takes no connections.
func neverReady(t *testing.T, script string) *server {
	t.Helper()
	return &server{
		name: "it", dir: t.TempDir(),
		command: func() *exec.Cmd {
			cmd := exec.Command("/bin/sh", "-c", script)
			cmd.SysProcAttr = attributes(nil, syscall.SIGKILL)
			return cmd
		},
		ready:   func(context.Context, int) bool { return false },
		endings: []syscall.Signal{syscall.SIGTERM},
	}
}

func TestStartEndsWithItsContext(t *testing.T) {
	t.Parallel()
	s := neverReady(t, "echo $$; exec sleep 60")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	launched := make(chan error, 1)
	go func() { launched <- s.launch(ctx) }()
	eventually(t, "the program says who it is", func() bool {
		said, _ := os.ReadFile(s.logFile())
		return bytes.HasSuffix(said, []byte("\n"))
	})
	cancel()
	if err := <-launched; !errors.Is(err, context.Canceled) {
		t.Errorf("launching: %v, want that it was canceled", err)
	}
	pid, convErr := strconv.Atoi(tail(s.logFile(), 0))
	if convErr != nil {
		t.Fatal(convErr)
	}
	if alive(pid) || s.pid() != 0 {
		t.Error("what was started still runs")
	}
}

func TestStartWaitsForWhatAnEarlierServerLeft(t *testing.T) {
	t.Parallel()
	s := neverReady(t, "echo still here; exit 1")
	s.waits = []string{"still here"}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	launched := make(chan error, 1)
	go func() { launched <- s.launch(ctx) }()
	eventually(t, "it is started several times", func() bool {
		content, _ := os.ReadFile(s.logFile())
		return bytes.Count(content, []byte("still here")) > 1
	})
	cancel()
	if err := <-launched; err == nil {
		t.Fatal("it started")
	}
	s.waits = nil
	if err := s.launch(t.Context()); err == nil || !strings.Contains(err.Error(), "exit status 1") ||
		strings.Count(err.Error(), "still here") != 1 {
		t.Errorf("launching: %v, want the status and the log of one start", err)
	}
}

func TestTail(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "log")
	var long strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&long, "line %d\n", i)
	}
	for _, c := range []struct {
		name, content string
		from          int64
		want          func(string) bool
	}{
		{"whole", "a\nb\n", 0, func(s string) bool { return s == "a\nb" }},
		{"from an offset", "a\nb\n", 2, func(s string) bool { return s == "b" }},
		{"nothing new", "a\n", 2, func(s string) bool { return s == "" }},
		{"offset behind the end", "a\n", 100, func(s string) bool { return s == "" }},
		{"long", long.String(), 0, func(s string) bool {
			return strings.HasSuffix(s, "line 1999") && strings.HasPrefix(s, "line ") && len(s) > tailBytes-20 && len(s) <= tailBytes
		}},
	} {
		if err := os.WriteFile(file, []byte(c.content), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := tail(file, c.from); !c.want(got) {
			t.Errorf("%s: got %d bytes, %.60q", c.name, len(got), got)
		}
	}
	if got := tail(filepath.Join(t.TempDir(), "absent"), 0); got != "" {
		t.Errorf("a log that is not there: %q", got)
	}
}

// family is what the parent tells about itself.
type family struct {
	Postgres, Redis int
	RedisFolder     string
}

// beParent starts both servers, says so, and waits until it is killed.
func beParent() {
	p, err := StartPostgres(context.Background(), PostgresOptions{Dir: os.Getenv(parentVariable)})
	if err != nil {
		panic(err)
	}
	r, err := StartRedis(context.Background(), RedisOptions{})
	if err != nil {
		panic(err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(family{p.PID(), r.PID(), r.dir}); err != nil {
		panic(err)
	}
	select {}
}

// startParent starts a process that starts servers, PostgreSQL in folder dir, and
// returns when they run. Its temporary folders are in root.
func startParent(t *testing.T, root, dir string) (*exec.Cmd, family) {
	t.Helper()
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary)
	cmd.Env = append(os.Environ(), parentVariable+"="+dir, "TMPDIR="+root)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err != nil {
		t.Fatal(err)
	}
	var children family
	if err := json.Unmarshal(line, &children); err != nil {
		t.Fatal(err)
	}
	if !alive(children.Postgres) || !alive(children.Redis) {
		t.Fatalf("the servers %v do not run", children)
	}
	return cmd, children
}

func TestServersEndWithTheirParent(t *testing.T) {
	t.Parallel()
	root := openFolder(t)
	dir := filepath.Join(root, "server")
	parent, children := startParent(t, root, dir)
	sweep(root, redisPrefix)
	if _, err := os.Stat(children.RedisFolder); err != nil {
		t.Errorf("the folder of a running server: %v", err)
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait()
	if runtime.GOOS != "linux" { // the documentation does not promise it
		_ = syscall.Kill(children.Postgres, syscall.SIGQUIT)
		_ = syscall.Kill(children.Redis, syscall.SIGKILL)
	}
	// At once: the new server waits until the old one has let go of the folder.
	if got := one(t, startPostgres(t, PostgresOptions{Dir: dir}), "SELECT 1"); got != "1" {
		t.Errorf("after the parent was killed: %s", got)
	}
	eventually(t, "the servers end", func() bool { return !alive(children.Postgres) && !alive(children.Redis) })
	sweep(root, redisPrefix)
	if _, err := os.Stat(children.RedisFolder); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder that the dead server left: %v", err)
	}
}
