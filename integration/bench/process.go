package main

// process.go builds and runs the processes that are measured.

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// startLimit is how long a process may take until it answers.
const startLimit = 20 * time.Second

// build builds both binaries with the flags of the Makefile. A profile for the
// compiler, which only weir's binary could have, is left out: it would make what
// weir costs look smaller.
func build(ctx context.Context, dir string) (map[bool]string, error) {
	binaries := map[bool]string{false: filepath.Join(dir, "plain"), true: filepath.Join(dir, "weir")}
	packages := map[bool]string{false: "integration/plaincaddy", true: "cmd/caddy"}
	for weir, binary := range binaries {
		cmd := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-pgo=off",
			"-ldflags", "-w -s", "-trimpath", "-tags", "nobadger,nomysql,nopgx",
			"-o", binary, "github.com/weirproxy/weir/"+packages[weir])
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if output, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("building %s: %w\n%s", packages[weir], err, output)
		}
	}
	return binaries, nil
}

// startBackends starts the process of the back ends. It ends with its standard
// input, and so with this process, however that ends.
func startBackends() (addresses []string, stop func(), err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	cmd := exec.Command(self, backendsArgument)
	cmd.Stderr = os.Stderr
	input, err := cmd.StdinPipe()
	if err != nil {
		return nil, nil, err
	}
	output, err := cmd.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, nil, err
	}
	stop = func() {
		_ = input.Close()
		_ = cmd.Wait() // it says itself what went wrong
	}
	if err := json.NewDecoder(output).Decode(&addresses); err != nil {
		stop()
		return nil, nil, fmt.Errorf("starting the back ends: %w", err)
	}
	return addresses, stop, nil
}

// proxy is a running Caddy, plain or weir.
type proxy struct {
	address, admin string
	pid            int
	ended          chan struct{}
	stop           func()       // also waits
	log            bytes.Buffer // to be read once it has ended
}

// start runs a variant and waits until it answers.
func (b *bench) start(ctx context.Context, v variant) (*proxy, error) {
	addresses, err := freeAddresses(2)
	if err != nil {
		return nil, err
	}
	p := &proxy{address: addresses[0], admin: addresses[1], ended: make(chan struct{})}
	config := filepath.Join(b.dir, "Caddyfile")
	if err := os.WriteFile(config, []byte(v.caddyfile(p.address, p.admin, b.contract, b.backends)), 0o600); err != nil {
		return nil, err
	}
	running, end := context.WithCancel(ctx)
	command := []string{b.binaries[v.weir], "run", "--config", config, "--adapter", "caddyfile"}
	if b.pin != "" {
		command = append([]string{"taskset", "-c", b.pin}, command...)
	}
	cmd := exec.CommandContext(running, command[0], command[1:]...)
	endWithParent(cmd)
	cmd.Env = append(os.Environ(), "HOME="+b.dir, "XDG_CONFIG_HOME="+b.dir, "XDG_DATA_HOME="+b.dir)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second // then it is killed
	cmd.Stdout, cmd.Stderr = &p.log, &p.log
	if err := cmd.Start(); err != nil {
		end()
		return nil, err
	}
	go func() {
		_ = cmd.Wait() // one that ends early breaks the connections to it
		close(p.ended)
	}()
	p.pid = cmd.Process.Pid
	p.stop = func() {
		end()
		<-p.ended
	}
	if err := p.awaitAnswer(ctx); err != nil {
		return nil, p.failed(ctx, err)
	}
	return p, nil
}

// failed stops the process and returns err with the end of its log, unless that is
// only about having been interrupted.
func (p *proxy) failed(ctx context.Context, err error) error {
	p.stop()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	log := p.log.Bytes()
	return fmt.Errorf("%w\n%s", err, log[max(0, len(log)-4000):])
}

// freeAddresses returns loopback addresses that nobody listens on.
func freeAddresses(n int) ([]string, error) {
	var addresses []string
	for range n {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer listener.Close() // only now, so that all differ
		addresses = append(addresses, listener.Addr().String())
	}
	return addresses, nil
}

func (p *proxy) awaitAnswer(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startLimit, errors.New("the proxy does not answer"))
	defer cancel()
	for {
		err := get(ctx, "http://"+p.address, io.Discard)
		if err == nil {
			return nil
		}
		select {
		case <-p.ended:
			return errors.New("the proxy ended")
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", context.Cause(ctx), err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func get(ctx context.Context, url string, to io.Writer) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	req.Close = true
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, res.Status)
	}
	_, err = io.Copy(to, res.Body)
	return err
}

// saveProfile writes a CPU profile of the next d to file.
func (p *proxy) saveProfile(ctx context.Context, d time.Duration, file string) error {
	var profile bytes.Buffer
	err := get(ctx, fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", p.admin, int(d.Seconds())), &profile)
	if err != nil {
		return err
	}
	return os.WriteFile(file, profile.Bytes(), 0o644)
}

// usage is what a process has used since it started, and holds now.
type usage struct {
	cpu                time.Duration // by itself and in the kernel, to 10 ms
	allocations, bytes float64
	resident           float64
}

// usage asks the process itself, as only it knows its allocations. The answer
// costs it about as much as ten requests.
func (p *proxy) usage(ctx context.Context) (usage, error) {
	var text bytes.Buffer
	if err := get(ctx, "http://"+p.admin+"/metrics", &text); err != nil {
		return usage{}, err
	}
	values := make(map[string]float64)
	for line := range strings.Lines(text.String()) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		values[name], _ = strconv.ParseFloat(value, 64) // comments are no numbers
	}
	u := usage{
		cpu:         time.Duration(values["process_cpu_seconds_total"] * float64(time.Second)),
		allocations: values["go_memstats_mallocs_total"],
		bytes:       values["go_memstats_alloc_bytes_total"],
		resident:    values["process_resident_memory_bytes"],
	}
	if u.cpu == 0 || u.allocations == 0 || u.bytes == 0 || u.resident == 0 {
		return u, errors.New("the proxy's metrics lack something")
	}
	return u, nil
}
