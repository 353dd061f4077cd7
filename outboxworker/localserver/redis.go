package localserver

// redis.go runs Redis, or Valkey, which is the same to everybody here.

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// redisPrefix begins the names of temporary folders.
const redisPrefix = "weir-redis-"

// RedisOptions are how a private Redis is started. The zero value is ready to use and
// keeps everything in memory.
type RedisOptions struct {
	// Dir is the folder of the server, made if it is not there. Default: a temporary
	// folder, which Stop removes.
	Dir string
	// Binary is the server's program, a path or a name in PATH. Default: redis-server
	// or else valkey-server.
	Binary string
	// Port is the TCP port on 127.0.0.1. Default: a free one below 32000.
	Port int
	// AppendFsync is how an append-only file is kept: "always" before a write is
	// answered, "everysec" once a second. Default: there is none, and a server that
	// ends has lost everything.
	AppendFsync string
	// Settings are directives of redis.conf and their values, as they are written
	// there. Not supported are those that make clients log in. Default: Redis' own,
	// but without snapshots.
	Settings map[string]string
}

// Redis is a private Redis server. Its methods may be called from several goroutines.
type Redis struct {
	server
	binary string
}

// StartRedis starts a server that listens on loopback alone. It returns when the
// server takes connections and, if Dir has an append-only file, has read it.
//
// ctx bounds the start and nothing afterwards; without a deadline it is 2 minutes. The
// error is a *NotInstalledError when there is neither Redis nor Valkey, and has the end
// of the server's log when it does not start.
func StartRedis(ctx context.Context, options RedisOptions) (*Redis, error) {
	if err := checkSystem(); err != nil {
		return nil, err
	}
	if !slices.Contains([]string{"", "always", "everysec"}, options.AppendFsync) {
		return nil, fmt.Errorf("starting Redis: appendfsync %q is neither always nor everysec", options.AppendFsync)
	}
	binary, err := findRedis(options.Binary)
	if err != nil {
		return nil, err
	}
	r := &Redis{binary: binary}
	r.server = server{
		name:    "Redis",
		command: r.command,
		ready:   r.ready,
		endings: []syscall.Signal{syscall.SIGTERM},
	}
	if err := r.start(ctx, options); err != nil {
		if r.temporary {
			err = errors.Join(err, r.remove())
		}
		return nil, err
	}
	return r, nil
}

func (r *Redis) start(ctx context.Context, options RedisOptions) error {
	if err := r.choosePort(options.Port); err != nil {
		return err
	}
	if err := r.prepareFolder(options.Dir, redisPrefix, nil); err != nil {
		return err
	}
	if err := os.WriteFile(r.configuration(), options.directives(), 0o600); err != nil {
		return fmt.Errorf("writing the configuration of Redis: %w", err)
	}
	return r.launch(ctx)
}

func (r *Redis) configuration() string { return filepath.Join(r.dir, "redis.conf") }

// directives are the configuration file. Values of several words can be written only
// there, not as arguments.
func (o *RedisOptions) directives() []byte {
	var text strings.Builder
	text.WriteString("save \"\"\n")
	if o.AppendFsync != "" {
		text.WriteString("appendonly yes\nappendfsync " + o.AppendFsync + "\n")
	}
	for _, name := range slices.Sorted(maps.Keys(o.Settings)) {
		text.WriteString(name + " " + o.Settings[name] + "\n")
	}
	return []byte(text.String())
}

// command ends the server with SIGKILL when this process dies, as a server that runs a
// script does not heed SIGTERM.
func (r *Redis) command() *exec.Cmd {
	cmd := exec.Command(r.binary, r.configuration(),
		"--port", strconv.Itoa(r.port), "--bind", "127.0.0.1", "--daemonize", "no", "--dir", r.dir, "--logfile", "")
	cmd.SysProcAttr = attributes(nil, syscall.SIGKILL)
	cmd.Dir = r.dir
	return cmd
}

// ready asks the server who it is, since the port could be another server's.
func (r *Redis) ready(ctx context.Context, pid int) bool {
	conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", loopback(r.port))
	if err != nil {
		return false
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return false
	}
	info, err := redisInfo(conn)
	return err == nil && strings.Contains(info, fmt.Sprintf("\r\nprocess_id:%d\r\n", pid)) &&
		strings.Contains(info, "\r\nloading:0\r\n")
}

// redisInfo sends the command INFO.
func redisInfo(conn net.Conn) (string, error) {
	if _, err := io.WriteString(conn, "INFO\r\n"); err != nil {
		return "", fmt.Errorf("asking Redis: %w", err)
	}
	reader := bufio.NewReader(conn)
	header, err := reader.ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("reading the answer of Redis: %w", err)
	}
	length, err := strconv.Atoi(strings.TrimSpace(strings.TrimPrefix(header, "$")))
	if err != nil || length < 0 || length > 1<<20 {
		return "", fmt.Errorf("reading the answer of Redis: unexpected %q", header)
	}
	info := make([]byte, length)
	if _, err := io.ReadFull(reader, info); err != nil {
		return "", fmt.Errorf("reading the answer of Redis: %w", err)
	}
	return string(info), nil
}

// URL returns the connection string of database 0.
func (r *Redis) URL() string { return "redis://" + loopback(r.port) + "/0" }

// Port returns the TCP port on 127.0.0.1. It never changes.
func (r *Redis) Port() int { return r.port }

// PID returns the id of the server's process, or 0 when it does not run.
func (r *Redis) PID() int { return r.pid() }

// LogTail returns the last lines that the server logged, up to 4 KiB.
func (r *Redis) LogTail() string { return tail(r.logFile(), 0) }

// Stop ends the server with SIGTERM, which completes an append-only file. When ctx is
// done, or after 30 seconds if it has no deadline, SIGKILL follows. A temporary folder
// is removed, also when the server did not run any more.
func (r *Redis) Stop(ctx context.Context) error { return r.stop(ctx) }

// Kill ends the server with SIGKILL, as a crash does. It returns when the process is
// gone.
func (r *Redis) Kill() error { return r.kill() }

// Restart starts the server again after Kill or Stop, on the same port and folder; one
// that runs it stops first. After Stop has removed a temporary folder it fails. ctx is
// as in StartRedis.
func (r *Redis) Restart(ctx context.Context) error { return r.restart(ctx) }
