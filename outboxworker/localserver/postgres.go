package localserver

// postgres.go runs PostgreSQL.

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

const (
	// superuser is the role as which everybody connects.
	superuser = "postgres"
	// postgresPrefix begins the names of temporary folders.
	postgresPrefix = "weir-postgres-"
)

// PostgresOptions are how a private PostgreSQL is started. The zero value is ready to
// use.
type PostgresOptions struct {
	// Dir is the folder of the server, made if it is not there. The database is kept
	// in its subfolder data and started again from there. Default: a temporary
	// folder, which Stop removes.
	//
	// Where the calling process is root's, the server runs as another user, who must
	// be able to enter Dir.
	Dir string
	// BinDir is where the programs postgres and initdb are. Default: the folder in
	// PATH, that which pg_config names, or the newest of those where packages put
	// them, the first of the three that has version 15 or later.
	BinDir string
	// Port is the TCP port on 127.0.0.1. Default: a free one below 32000.
	Port int
	// Settings are configuration parameters, such as shared_buffers, with their
	// values as in postgresql.conf but without quotes. Default: PostgreSQL's own.
	Settings map[string]string
}

// Postgres is a private PostgreSQL server. Its methods may be called from several
// goroutines.
type Postgres struct {
	server
	bin      string
	as       *account
	settings map[string]string
}

// StartPostgres makes a database cluster, unless Dir has one, and starts a server that
// listens on loopback alone. It returns when the server takes connections.
//
// ctx bounds the start and nothing afterwards; without a deadline it is 2 minutes. The
// error is a *NotInstalledError when there is no PostgreSQL 15 or later, and has the
// end of the server's log when it does not start.
func StartPostgres(ctx context.Context, options PostgresOptions) (*Postgres, error) {
	if err := checkSystem(); err != nil {
		return nil, err
	}
	bin, err := findPostgres(ctx, options.BinDir, postgresPlaces)
	if err != nil {
		return nil, err
	}
	p := &Postgres{bin: bin, settings: maps.Clone(options.Settings)}
	p.server = server{
		name:    "PostgreSQL",
		command: p.command,
		ready:   p.ready,
		waits: []string{
			"pre-existing shared memory block", // children of a killed server
			`lock file "postmaster.pid" already exists`,
		},
		// the fast shutdown, then the immediate one
		endings: []syscall.Signal{syscall.SIGINT, syscall.SIGQUIT},
		clean:   p.freeSharedMemory,
	}
	if p.as, err = unprivileged(); err != nil {
		return nil, err
	}
	if err := p.start(ctx, options); err != nil {
		if p.temporary {
			err = errors.Join(err, p.remove())
		}
		return nil, err
	}
	return p, nil
}

func (p *Postgres) start(ctx context.Context, options PostgresOptions) error {
	if err := p.choosePort(options.Port); err != nil {
		return err
	}
	if err := p.prepareFolder(options.Dir, postgresPrefix, p.as); err != nil {
		return err
	}
	if err := p.initialize(ctx); err != nil {
		return err
	}
	return p.launch(ctx)
}

func (p *Postgres) data() string { return filepath.Join(p.dir, "data") }

// initialize makes the cluster if there is none.
func (p *Postgres) initialize(ctx context.Context) error {
	if _, err := os.Stat(filepath.Join(p.data(), "PG_VERSION")); err == nil {
		return nil
	}
	if err := os.Mkdir(p.data(), 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("making the folder of the database: %w", err)
	}
	if err := p.as.own(p.data()); err != nil {
		return err
	}
	ctx, cancel := withDeadline(ctx, startWithin)
	defer cancel()
	args := []string{
		"--pgdata=" + p.data(), "--username=" + superuser, "--auth=trust",
		"--encoding=UTF8", "--locale=C", "--no-instructions",
	}
	if p.temporary {
		args = append(args, "--no-sync") // it does not outlive the machine anyway
	}
	out, err := p.runTool(exec.CommandContext(ctx, filepath.Join(p.bin, "initdb"), args...))
	if err == nil {
		return nil
	}
	if p.as != nil && (errors.Is(err, os.ErrPermission) || strings.Contains(out, "Permission denied")) {
		out += fmt.Sprintf("\nPostgreSQL does not run as root, so user %s must be able to enter %s", p.as.name, p.dir)
	}
	return fmt.Errorf("making a database cluster with initdb: %w\n%s", err, out)
}

// command ends the server by an immediate shutdown when this process dies: SIGKILL
// would leave its children to themselves.
func (p *Postgres) command() *exec.Cmd {
	var args []string
	for _, name := range slices.Sorted(maps.Keys(p.settings)) {
		args = append(args, "-c", name+"="+p.settings[name])
	}
	// the last one counts
	args = append(args, "-D", p.data(),
		"-c", "port="+strconv.Itoa(p.port), "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=",
		"-c", "logging_collector=off", "-c", "log_destination=stderr")
	cmd := exec.Command(filepath.Join(p.bin, "postgres"), args...)
	p.environment(cmd)
	return cmd
}

// environment passes on only what the programs need: what else this process was given
// is not for another user to see.
func (p *Postgres) environment(cmd *exec.Cmd) {
	cmd.SysProcAttr = attributes(p.as, syscall.SIGQUIT)
	cmd.Dir = p.dir
	cmd.Env = []string{"LC_ALL=C", "HOME=" + p.dir}
	for _, name := range []string{"PATH", "TZ", "LD_LIBRARY_PATH"} {
		if value, ok := os.LookupEnv(name); ok {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
}

// ready reads the file that pg_ctl reads too. A connection could reach a server of
// somebody else.
func (p *Postgres) ready(_ context.Context, pid int) bool {
	content, err := os.ReadFile(filepath.Join(p.data(), "postmaster.pid"))
	if err != nil {
		return false
	}
	lines := strings.Split(string(content), "\n")
	return len(lines) > 7 && strings.TrimSpace(lines[0]) == strconv.Itoa(pid) && strings.TrimSpace(lines[7]) == "ready"
}

// URL returns the connection string of a database, for the superuser. Database
// postgres is always there.
func (p *Postgres) URL(database string) string {
	u := url.URL{
		Scheme: "postgres", User: url.User(superuser), Host: loopback(p.port),
		Path: "/" + database, RawQuery: "sslmode=disable",
	}
	return u.String()
}

// Port returns the TCP port on 127.0.0.1. It never changes.
func (p *Postgres) Port() int { return p.port }

// BinDir returns the folder of the server's programs, psql and pg_dump among them
// where they are installed.
func (p *Postgres) BinDir() string { return p.bin }

// PID returns the id of the process that started all others of the server, or 0 when
// the server does not run.
func (p *Postgres) PID() int { return p.pid() }

// LogTail returns the last lines that the server logged, up to 4 KiB.
func (p *Postgres) LogTail() string { return tail(p.logFile(), 0) }

// Stop ends the server by a fast shutdown: transactions are rolled back and clients
// disconnected. When ctx is done, or after 30 seconds if it has no deadline, an
// immediate shutdown follows and, 8 seconds later, Kill. A temporary folder is removed,
// also when the server did not run any more.
func (p *Postgres) Stop(ctx context.Context) error { return p.stop(ctx) }

// Kill ends the server as a crash does: the first process gets SIGKILL, and its
// children end when they notice; those at work for 2 seconds more get SIGKILL as well
// (on Linux). It returns when all are gone. What was committed is there after Restart.
func (p *Postgres) Kill() error { return p.kill() }

// Restart starts the server again after Kill or Stop, on the same port and folder; one
// that runs it stops first. After Stop has removed a temporary folder it fails. ctx is
// as in StartPostgres.
func (p *Postgres) Restart(ctx context.Context) error { return p.restart(ctx) }
