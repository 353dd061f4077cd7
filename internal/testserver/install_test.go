//go:build unix && !aix && !solaris

package testserver

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/weirproxy/weir/outboxworker/localserver"
)

// machine is a computer on which Redis may be missing.
type machine struct {
	installed, may bool
	lists          bool // of packages, which an installation needs
	broken         bool // nothing can be installed
	another        bool // process installs it while this one waits for the lock

	ran    []string
	locked bool
}

func (m *machine) installer() *installer {
	return &installer{
		name: "redis-server", service: "redis-server",
		missing: func() error {
			if m.installed {
				return nil
			}
			return &localserver.NotInstalledError{Name: "Redis", How: "do this"}
		},
		may: m.may,
		lock: func() (func(), error) {
			m.locked = true
			m.installed = m.installed || m.another
			return func() { m.locked = false }, nil
		},
		run: func(_ context.Context, name string, args ...string) error {
			command := strings.Join(append([]string{name}, args...), " ")
			if !m.locked {
				command = "unlocked " + command
			}
			m.ran = append(m.ran, command)
			switch {
			case strings.HasSuffix(command, "update"):
				m.lists = true
			case strings.Contains(command, "install"):
				if m.broken || !m.lists {
					return errors.New("no such package")
				}
				m.installed = true
			case strings.Contains(command, "service"):
				return errors.New("no such service") // in a container
			}
			return nil
		},
	}
}

func TestRedisIsInstalledWhereItMayBe(t *testing.T) {
	t.Parallel()
	const (
		install = "apt-get install -y --no-install-recommends redis-server"
		update  = "apt-get update"
		stop    = "service redis-server stop"
	)
	for name, c := range map[string]struct {
		machine machine
		ran     []string
		fails   bool
	}{
		"it is there":              {machine{installed: true, may: true}, nil, false},
		"it may not be installed":  {machine{lists: true}, nil, true},
		"it is missing":            {machine{may: true, lists: true}, []string{install, stop}, false},
		"the lists are missing":    {machine{may: true}, []string{install, update, install, stop}, false},
		"another process was fast": {machine{may: true, lists: true, another: true}, nil, false},
		"it cannot be installed":   {machine{may: true, broken: true}, []string{install, update, install}, true},
	} {
		err := c.machine.installer().install(t.Context())
		if !slices.Equal(c.machine.ran, c.ran) {
			t.Errorf("%s: ran %q, want %q", name, c.machine.ran, c.ran)
		}
		var missing *localserver.NotInstalledError
		if c.fails != errors.As(err, &missing) || !c.fails && err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if c.machine.locked {
			t.Errorf("%s: the lock is held", name)
		}
	}
}

func TestFailedProgramSaysWhy(t *testing.T) {
	t.Parallel()
	err := runQuietly(t.Context(), "/bin/sh", "-c", "echo $DEBIAN_FRONTEND; exit 3")
	if err == nil || !strings.Contains(err.Error(), "noninteractive") || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("a program that fails: %v", err)
	}
	if err := runQuietly(t.Context(), "/bin/sh", "-c", "exit 0"); err != nil {
		t.Error(err)
	}
}
