//go:build unix && !aix && !solaris

package localserver

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

func TestRedisFromStartToStop(t *testing.T) {
	t.Parallel()
	r := startRedis(t, RedisOptions{Settings: map[string]string{
		"client-output-buffer-limit": "pubsub 1mb 1mb 10",
		"maxmemory-policy":           "noeviction",
		"bind":                       "0.0.0.0", // not theirs to say
	}})
	client := redisClient(t, r)
	for name, want := range map[string]string{
		"client-output-buffer-limit": "pubsub 1048576 1048576 10",
		"bind":                       "127.0.0.1",
		"save":                       "",
		"appendonly":                 "no",
		"dir":                        r.dir,
	} {
		got, err := client.ConfigGet(t.Context(), name).Result()
		if err != nil {
			t.Fatal(err)
		}
		if value := got[name]; value != want && !strings.Contains(value, want) || want == "" && value != "" {
			t.Errorf("%s is %q, want %q", name, value, want)
		}
	}
	pid := r.PID()
	if !alive(pid) {
		t.Fatalf("process %d does not run", pid)
	}
	if !strings.Contains(r.LogTail(), "Ready to accept connections") {
		t.Errorf("the log does not end as expected: %s", r.LogTail())
	}
	if err := r.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if alive(pid) || r.PID() != 0 {
		t.Error("it runs after Stop")
	}
	if _, err := os.Stat(r.dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("its temporary folder after Stop: %v", err)
	}
	if err := r.Restart(t.Context()); err == nil {
		t.Error("restarting without a folder succeeds")
	}
}

func TestRedisIsStartedAgainAfterKill(t *testing.T) {
	t.Parallel()
	for fsync, kept := range map[string]int64{"": 0, "always": 100} {
		r := startRedis(t, RedisOptions{AppendFsync: fsync})
		url, client := r.URL(), redisClient(t, r)
		for range 100 {
			if err := client.XAdd(t.Context(), &redis.XAddArgs{Stream: "s", Values: []string{"a", "b"}}).Err(); err != nil {
				t.Fatal(err)
			}
		}
		pid := r.PID()
		if err := r.Kill(); err != nil {
			t.Fatal(err)
		}
		if alive(pid) || r.PID() != 0 {
			t.Error("it runs after Kill")
		}
		if err := r.Kill(); err == nil {
			t.Error("killing a dead server succeeds")
		}
		if err := r.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		length, err := redisClient(t, r).XLen(t.Context(), "s").Result()
		if err != nil || length != kept || r.URL() != url {
			t.Errorf("appendfsync %q: %d entries at %s after Kill, %v, want %d at %s", fsync, length, r.URL(), err, kept, url)
		}
	}
}

func TestRedisKeepsTheFolderItIsGiven(t *testing.T) {
	t.Parallel()
	options := RedisOptions{Dir: filepath.Join(t.TempDir(), "below", "server"), AppendFsync: "everysec"}
	first := startRedis(t, options)
	if err := redisClient(t, first).Set(t.Context(), "k", "v", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if err := first.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, err := redisClient(t, startRedis(t, options)).Get(t.Context(), "k").Result(); err != nil || got != "v" {
		t.Errorf("the second server has %q, %v", got, err)
	}
}

func TestTwoRedisAtOnce(t *testing.T) {
	t.Parallel()
	first, second := startRedis(t, RedisOptions{}), startRedis(t, RedisOptions{})
	if err := redisClient(t, first).Set(t.Context(), "k", "v", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if err := redisClient(t, second).Get(t.Context(), "k").Err(); !errors.Is(err, redis.Nil) {
		t.Errorf("two servers share their keys: %v", err)
	}
	if err := first.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := redisClient(t, second).Ping(t.Context()).Err(); err != nil {
		t.Errorf("the second one after the first was stopped: %v", err)
	}
}

// A script that never ends: SIGTERM has no effect.
func TestRedisStopsWhenItHangs(t *testing.T) {
	t.Parallel()
	r := startRedis(t, RedisOptions{})
	conn, err := net.Dial("tcp", loopback(r.Port()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := io.WriteString(conn, "EVAL \"while true do end\" 0\r\n"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the script runs", func() bool { return !r.ready(t.Context(), r.PID()) })
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	pid := r.PID()
	if err := r.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	if alive(pid) {
		t.Error("it runs after Stop")
	}
}

// A stopped process gets no signal but SIGKILL until it is continued.
func TestRedisStopsWhenItIsSuspended(t *testing.T) {
	t.Parallel()
	r := startRedis(t, RedisOptions{})
	if err := syscall.Kill(r.PID(), syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if err := r.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took > stopWithin/2 {
		t.Errorf("it took %v", took)
	}
}

func TestRedisIsNotConfusedWithAnother(t *testing.T) {
	t.Parallel()
	r := startRedis(t, RedisOptions{})
	if !r.ready(t.Context(), r.PID()) {
		t.Error("it is not ready")
	}
	if r.ready(t.Context(), r.PID()+1) {
		t.Error("another process is taken for it")
	}
	again := &Redis{binary: r.binary}
	again.server = server{
		name: "Redis", command: again.command, ready: again.ready, endings: r.endings, port: r.Port(), anyPort: true,
	}
	t.Cleanup(func() { _ = again.Stop(context.Background()) })
	if err := again.prepareFolder("", redisPrefix, nil); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(again.configuration(), (&RedisOptions{}).directives(), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := again.launch(t.Context()); err != nil {
		t.Fatal(err)
	}
	if again.Port() == r.Port() {
		t.Error("two servers have one port")
	}
}

func TestRedisThatDoesNotStartSaysWhy(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, err := StartRedis(t.Context(), RedisOptions{Dir: dir, Settings: map[string]string{"maxmemory": "nonsense"}})
	if err == nil || !strings.HasPrefix(err.Error(), "starting Redis: ") || !strings.Contains(err.Error(), "maxmemory nonsense") {
		t.Errorf("starting with a bad setting: %v, want what Redis printed", err)
	}
	if _, err := StartRedis(t.Context(), RedisOptions{AppendFsync: "no"}); err == nil {
		t.Error("an unknown appendfsync is accepted")
	}
}

func TestRedisInfoOfSomethingElse(t *testing.T) {
	t.Parallel()
	for _, answer := range []string{"", "HTTP/1.1 400 Bad Request\r\n\r\n", "-NOAUTH\r\n", "$-1\r\n", "$99999999999\r\n", "$10\r\nabc"} {
		ours, theirs := net.Pipe()
		go func() {
			_, _ = bufio.NewReader(theirs).ReadString('\n')
			_, _ = io.WriteString(theirs, answer)
			_ = theirs.Close()
		}()
		if info, err := redisInfo(ours); err == nil {
			t.Errorf("%q is understood as %q", answer, info)
		}
		_ = ours.Close()
	}
}
