package integration

// gateway.go runs a Caddy binary as a process.

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	// startWithin is generous: a busy machine starts slowly, and a process that
	// exits is noticed at once.
	startWithin = 60 * time.Second
	// stopWithin is how long SIGTERM gets before SIGKILL.
	stopWithin = 10 * time.Second
	// logTail is how much of the log a failed test shows, in bytes.
	logTail = 16 << 10
)

// Gateway is a running Caddy.
type Gateway struct {
	// Admin is the address of the admin API, host:port.
	Admin string

	t      testing.TB
	binary string
	home   string
	log    string
	client *http.Client

	cmd    *exec.Cmd
	exited chan struct{}
}

// Start runs binary with a configuration, a Caddyfile or JSON, whose admin API is
// at address admin, and returns when the configuration runs. The process has a
// home of its own and ends with the test.
func Start(t testing.TB, binary, admin, config string) *Gateway {
	t.Helper()
	g := &Gateway{
		Admin:  admin,
		t:      t,
		binary: binary,
		home:   t.TempDir(),
		// the admin API moves to another listener with every reload
		client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 60 * time.Second},
	}
	g.log = filepath.Join(g.home, "log")
	t.Cleanup(func() {
		g.Stop()
		if t.Failed() {
			t.Logf("log of %s:\n%s", filepath.Base(binary), g.LogTail())
		}
	})
	g.Run(config)
	return g
}

// Run starts the process, in the home of the last one if there was one.
func (g *Gateway) Run(config string) {
	g.t.Helper()
	file := filepath.Join(g.home, "Caddyfile")
	if isJSON(config) {
		file = filepath.Join(g.home, "caddy.json")
	}
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		g.t.Fatal(err)
	}
	log, err := os.OpenFile(g.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		g.t.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	g.cmd = command(g.binary, g.home, "run", "--config", file)
	g.cmd.Stdout, g.cmd.Stderr = log, log
	if err := g.cmd.Start(); err != nil {
		g.t.Fatal(err)
	}
	g.exited = make(chan struct{})
	go func(cmd *exec.Cmd, exited chan struct{}) {
		_ = cmd.Wait()
		close(exited)
	}(g.cmd, g.exited)
	g.waitUntilUp()
}

// waitUntilUp waits for the configuration, which the admin API shows only when
// all of it runs.
func (g *Gateway) waitUntilUp() {
	g.t.Helper()
	up := func() bool {
		select {
		case <-g.exited:
			g.t.Fatalf("%s ended while it started", filepath.Base(g.binary))
		default:
		}
		a, err := g.send(http.MethodGet, "/config/", "", nil)
		return err == nil && a.Status == http.StatusOK && strings.TrimSpace(a.Body) != "null"
	}
	if !Eventually(startWithin, up) {
		g.t.Fatalf("%s did not start within %v", filepath.Base(g.binary), startWithin)
	}
}

// Stop ends the process with SIGTERM or, if that does not do, SIGKILL.
func (g *Gateway) Stop() {
	if g.exited == nil {
		return
	}
	_ = g.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-g.exited:
	case <-time.After(stopWithin):
		_ = g.cmd.Process.Kill()
		<-g.exited
	}
	g.exited = nil
}

// Kill ends the process with SIGKILL, as a crash does.
func (g *Gateway) Kill() {
	if g.exited == nil {
		return
	}
	_ = g.cmd.Process.Kill()
	<-g.exited
	g.exited = nil
}

// Log returns all that the process logged, in all its runs.
func (g *Gateway) Log() string {
	g.t.Helper()
	log, err := os.ReadFile(g.log)
	if err != nil {
		g.t.Fatal(err)
	}
	return string(log)
}

// LogTail returns the end of what the process logged, without the lines that every
// reload and every request to the admin API write.
func (g *Gateway) LogTail() string {
	log, err := os.ReadFile(g.log)
	if err != nil {
		return err.Error()
	}
	var kept strings.Builder
	for line := range strings.Lines(string(log)) {
		if !strings.HasPrefix(line, `{"level":"info"`) && !strings.Contains(line, "because it requires TLS") {
			kept.WriteString(line)
		}
	}
	return kept.String()[max(0, kept.Len()-logTail):]
}

// Command runs binary with arguments, in a home of its own, until it ends. It
// returns what was printed and the exit status.
func Command(t testing.TB, binary string, args ...string) (output string, status int) {
	t.Helper()
	cmd := command(binary, t.TempDir(), args...)
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

func command(binary, home string, args ...string) *exec.Cmd {
	cmd := exec.Command(binary, args...)
	endWithParent(cmd)
	cmd.Dir = home
	for _, variable := range os.Environ() {
		// a proxy of the machine must not come between the gateway and loopback
		if !strings.HasSuffix(strings.ToLower(strings.SplitN(variable, "=", 2)[0]), "_proxy") {
			cmd.Env = append(cmd.Env, variable)
		}
	}
	cmd.Env = append(cmd.Env,
		"HOME="+home,
		"XDG_DATA_HOME="+filepath.Join(home, "data"),
		"XDG_CONFIG_HOME="+filepath.Join(home, "config"),
	)
	return cmd
}

// Eventually asks until the answer is yes or the time is over.
func Eventually(within time.Duration, yes func() bool) bool {
	deadline := time.Now().Add(within)
	for {
		if yes() {
			return true
		}
		if time.Now().After(deadline) {
			return false
		}
		time.Sleep(20 * time.Millisecond) // between two looks at another process
	}
}
