package consulserver

// binary.go finds Consul's program, or builds it: there is no package of it that
// could be installed without asking anybody.

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirproxy/weir/internal/filelock"
)

const (
	// noInstall is the variable that forbids building.
	noInstall    = "WEIR_NO_INSTALL"
	consulModule = "github.com/hashicorp/consul"
	// buildWithin is generous: a build takes four minutes on two processors that do
	// nothing else.
	buildWithin = 45 * time.Minute
	howConsul   = "to get one: install Consul 1.16 or newer so that it is on PATH, or allow the build (unset " + noInstall + ")"
)

var consulFound struct {
	once sync.Once
	path string
	err  error
}

// consulBinary returns the path of Consul's program, found or built once per process.
func consulBinary(t testing.TB) (string, error) {
	consulFound.once.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), buildWithin)
		defer cancel()
		consulFound.path, consulFound.err = findConsul(ctx, t.Logf)
	})
	return consulFound.path, consulFound.err
}

func findConsul(ctx context.Context, logf func(string, ...any)) (string, error) {
	module, err := consulTools()
	if err != nil {
		return "", err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir() // there is no home
	}
	b := consulBuilder{
		module: module,
		cache:  filepath.Join(cache, "weir"),
		may:    os.Getenv(noInstall) == "",
		onPath: consulOnPath,
		lock:   filelock.Lock,
		run:    runGo,
		logf:   logf,
	}
	return b.binary(ctx)
}

// consulTools returns the folder of the module that names Consul as a tool. Tests run in
// the folder of their package.
func consulTools() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("finding tools/consul: %w", err)
	}
	for {
		module := filepath.Join(dir, "tools", "consul")
		if _, err := os.Stat(filepath.Join(module, "go.mod")); err == nil {
			return module, nil
		}
		above := filepath.Dir(dir)
		if above == dir {
			return "", errors.New("finding tools/consul: it is not at or above the working directory")
		}
		dir = above
	}
}

// consulBuilder finds Consul or builds it.
type consulBuilder struct {
	// module is the folder of the module that names Consul as a tool, cache where builds
	// are kept.
	module, cache string
	// may is whether building is allowed.
	may bool
	// onPath returns a program of the machine that will do, or why there is none.
	onPath func(context.Context) (string, error)
	// lock keeps other processes out until what it returns is called.
	lock func(name string) (func(), error)
	// run runs the go command.
	run  func(ctx context.Context, args ...string) error
	logf func(string, ...any)
}

func (b *consulBuilder) binary(ctx context.Context) (string, error) {
	path, missing := b.onPath(ctx)
	if missing == nil {
		return path, nil
	}
	path, err := b.cached()
	if err != nil {
		return "", err
	}
	if isFile(path) {
		return path, nil
	}
	if !b.may {
		return "", fmt.Errorf("finding Consul: %w, and it was not built before; %s", missing, howConsul)
	}
	if err := b.build(ctx, path); err != nil {
		return "", fmt.Errorf("building Consul: %w; %s", err, howConsul)
	}
	return path, nil
}

var consulRequired = regexp.MustCompile(`(?m)^(?:require)?\s+` + regexp.QuoteMeta(consulModule) + ` (v\S+)`)

// cached returns where the program is, or will be, that is built from the module as it is.
func (b *consulBuilder) cached() (string, error) {
	required, err := os.ReadFile(filepath.Join(b.module, "go.mod"))
	if err != nil {
		return "", fmt.Errorf("finding Consul's version: %w", err)
	}
	sums, err := os.ReadFile(filepath.Join(b.module, "go.sum"))
	if err != nil {
		return "", fmt.Errorf("finding Consul's version: %w", err)
	}
	version := consulRequired.FindSubmatch(required)
	if version == nil {
		return "", fmt.Errorf("finding Consul's version: it is not in %s", filepath.Join(b.module, "go.mod"))
	}
	with := strings.Join([]string{string(sums), runtime.Version(), runtime.GOOS, runtime.GOARCH}, "\n")
	sum := sha256.Sum256([]byte(with))
	return filepath.Join(b.cache, fmt.Sprintf("consul-%s-%x", version[1], sum[:6]), "consul"), nil
}

// build waits while another process builds, which has a deadline of its own.
func (b *consulBuilder) build(ctx context.Context, path string) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	unlock, err := b.lock(filepath.Join(b.cache, "consul.lock"))
	if err != nil {
		return err
	}
	defer unlock()
	if isFile(path) {
		return nil // another process was first
	}
	b.logf("building Consul into %s; that takes minutes, and is done once", dir)
	// What a build left that was killed, go would not overwrite.
	building := filepath.Join(dir, "building")
	if err := os.RemoveAll(building); err != nil {
		return err
	}
	err = b.run(ctx, "build", "-C", b.module, "-mod=readonly", "-buildvcs=false", "-trimpath", "-ldflags", "-w -s", "-o", building, consulModule)
	if err != nil {
		return err
	}
	return os.Rename(building, path)
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// runGo runs the go command, whose environment is that of a build by hand: without cgo
// the program is the same everywhere, and flags for weir's own tests do not concern it.
func runGo(ctx context.Context, args ...string) error {
	return onOneThread(func() error {
		cmd := exec.CommandContext(ctx, "go", args...)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off")
		endWithParent(cmd)
		out, err := cmd.CombinedOutput()
		if err != nil {
			return fmt.Errorf("running go %v: %w\n%s", args, err, out)
		}
		return nil
	})
}

// consulOnPath returns the program named consul, if it is new enough.
func consulOnPath(ctx context.Context) (string, error) {
	path, err := exec.LookPath("consul")
	if err != nil {
		return "", errors.New("there is no consul on PATH")
	}
	out, err := exec.CommandContext(ctx, path, "version").Output()
	if err != nil {
		return "", fmt.Errorf("asking %s for its version: %w", path, err)
	}
	if !consulWillDo(string(out)) {
		first, _, _ := strings.Cut(string(out), "\n")
		return "", fmt.Errorf("%s is %q, not Consul 1.16 or newer", path, first)
	}
	return path, nil
}

var consulVersion = regexp.MustCompile(`^Consul v(\d+)\.(\d+)\.`)

// consulWillDo understands what `consul version` prints.
func consulWillDo(printed string) bool {
	version := consulVersion.FindStringSubmatch(printed)
	if version == nil {
		return false
	}
	major, _ := strconv.Atoi(version[1]) // digits; too many of them are no version
	minor, _ := strconv.Atoi(version[2])
	return major > 1 || major == 1 && minor >= 16
}
