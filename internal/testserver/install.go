package testserver

// install.go gets Redis and promtool where they are missing and can be had without asking
// anybody.

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"github.com/weirproxy/weir/internal/filelock"
	"github.com/weirproxy/weir/outboxworker/localserver"
)

const (
	// noInstall is the variable that forbids installing.
	noInstall     = "WEIR_NO_INSTALL"
	installWithin = 5 * time.Minute
)

// installRedis makes sure, once per process, that there is a Redis, or says how to get
// one.
var installRedis = sync.OnceValue(func() error {
	return install("redis-server", "redis-server", func() error {
		_, err := localserver.FindRedis()
		return err
	})
})

// installPromtool does the same for promtool, whose path it returns.
var installPromtool = sync.OnceValues(func() (path string, err error) {
	err = install("prometheus", "prometheus", func() error {
		path, err = exec.LookPath("promtool")
		if err != nil {
			return &localserver.NotInstalledError{Name: "promtool", Looked: []string{"PATH"},
				How: "apt-get install prometheus (Debian, Ubuntu), or a release of prometheus/prometheus"}
		}
		return nil
	})
	return path, err
})

// install installs a package, unless missing returns nil.
func install(name, service string, missing func() error) error {
	_, noApt := exec.LookPath("apt-get")
	i := installer{
		name:    name,
		service: service,
		missing: missing,
		may:     os.Geteuid() == 0 && noApt == nil && os.Getenv(noInstall) == "",
		lock:    func() (func(), error) { return filelock.Lock(filepath.Join(os.TempDir(), "weir-install.lock")) },
		run:     runQuietly,
	}
	ctx, cancel := context.WithTimeout(context.Background(), installWithin)
	defer cancel()
	return i.install(ctx)
}

// installer installs one of Debian's packages.
type installer struct {
	// name is the package, service what it may start.
	name, service string
	// missing returns nil when what is in it is there.
	missing func() error
	// may is whether installing is possible and allowed.
	may bool
	// lock keeps other processes out until what it returns is called: the tests of
	// several packages run at once.
	lock func() (func(), error)
	run  func(ctx context.Context, name string, args ...string) error
}

func (i *installer) install(ctx context.Context) error {
	missing := i.missing()
	if missing == nil || !i.may {
		return missing
	}
	unlock, err := i.lock()
	if err != nil {
		return errors.Join(missing, err)
	}
	defer unlock()
	if i.missing() == nil {
		return nil // another process was first
	}
	install := func() error {
		return i.run(ctx, "apt-get", "install", "-y", "--no-install-recommends", i.name)
	}
	if err = install(); err != nil {
		// the lists of packages may be old, or not there at all
		if err = i.run(ctx, "apt-get", "update"); err == nil {
			err = install()
		}
	}
	if err != nil {
		return errors.Join(missing, err)
	}
	// The package may have started a server, which nobody asked for.
	_ = i.run(ctx, "service", i.service, "stop")
	return i.missing()
}

// runQuietly runs a program and shows what it printed only if it failed.
func runQuietly(ctx context.Context, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("running %s %v: %w\n%s", name, args, err, out)
	}
	return nil
}
