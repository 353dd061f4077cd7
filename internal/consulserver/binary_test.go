//go:build unix && !aix && !solaris

package consulserver

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// workshop is a computer on which Consul may have to be built.
type workshop struct {
	onPath, built bool
	may           bool
	broken        bool // nothing can be built
	another       bool // process builds it while this one waits for the lock

	ran    [][]string
	logged []string
	locked bool
}

func (w *workshop) builder(t *testing.T) *consulBuilder {
	t.Helper()
	module := t.TempDir()
	write(t, filepath.Join(module, "go.mod"), "module tools\n\nrequire (\n\texample.com/a v1.0.0\n\t"+consulModule+" v1.22.2 // indirect\n)\n")
	write(t, filepath.Join(module, "go.sum"), "sums")
	b := &consulBuilder{
		module: module,
		cache:  filepath.Join(t.TempDir(), "weir"),
		may:    w.may,
		logf:   func(format string, args ...any) { w.logged = append(w.logged, fmt.Sprintf(format, args...)) },
	}
	path, err := b.cached()
	if err != nil {
		t.Fatal(err)
	}
	if w.built {
		write(t, path, "built before")
	}
	b.onPath = func(context.Context) (string, error) {
		if w.onPath {
			return "/usr/bin/consul", nil
		}
		return "", errors.New("there is none on PATH")
	}
	b.lock = func(string) (func(), error) {
		w.locked = true
		if w.another {
			write(t, path, "built by another")
		}
		return func() { w.locked = false }, nil
	}
	b.run = func(_ context.Context, args ...string) error {
		w.ran = append(w.ran, args)
		out := args[slices.Index(args, "-o")+1]
		if !w.locked || isFile(path) || out == path || isFile(out) {
			t.Errorf("built without a lock (%t) into %s", w.locked, out)
		}
		if w.broken {
			return errors.New("no such module")
		}
		write(t, out, "built now")
		return nil
	}
	return b
}

func write(t *testing.T, file, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestConsulIsBuiltWhereItIsMissing(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		workshop workshop
		content  string // of the program; empty if there is none
		builds   int
		says     string // in the error
	}{
		"it was built before":      {workshop{built: true}, "built before", 0, ""},
		"it may not be built":      {workshop{}, "", 0, noInstall},
		"it is missing":            {workshop{may: true}, "built now", 1, ""},
		"another process was fast": {workshop{may: true, another: true}, "built by another", 0, ""},
		"it cannot be built":       {workshop{may: true, broken: true}, "", 1, "no such module"},
	} {
		b := c.workshop.builder(t)
		path, err := b.binary(t.Context())
		if c.says != "" {
			if err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), howConsul) {
				t.Errorf("%s: %v", name, err)
			}
		} else if content, readErr := os.ReadFile(path); err != nil || readErr != nil || string(content) != c.content {
			t.Errorf("%s: %v, %v, %q", name, err, readErr, content)
		}
		if len(c.workshop.ran) != c.builds || len(c.workshop.logged) != c.builds {
			t.Errorf("%s: ran %q, logged %q", name, c.workshop.ran, c.workshop.logged)
		}
		if c.workshop.locked {
			t.Errorf("%s: the lock is held", name)
		}
	}
}

func TestConsulOnPathIsUsedAsItIs(t *testing.T) {
	t.Parallel()
	w := workshop{onPath: true, built: true, may: true}
	if path, err := w.builder(t).binary(t.Context()); path != "/usr/bin/consul" || err != nil {
		t.Errorf("found %q, %v", path, err)
	}
}

func TestConsulIsBuiltAgain(t *testing.T) {
	t.Parallel()
	w := workshop{may: true}
	b := w.builder(t)
	first, err := b.binary(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if again, err := b.binary(t.Context()); again != first || err != nil || len(w.ran) != 1 {
		t.Errorf("the second time it is %q, %v, built %d times", again, err, len(w.ran))
	}
	write(t, filepath.Join(b.module, "go.sum"), "other sums")
	other, err := b.cached()
	if err != nil || other == first || !strings.HasPrefix(filepath.Base(filepath.Dir(other)), "consul-v1.22.2-") {
		t.Errorf("with other sums it is at %q, %v, with the first at %q", other, err, first)
	}
	write(t, filepath.Join(filepath.Dir(other), "building"), "half")
	b.run = func(_ context.Context, args ...string) error {
		out := args[slices.Index(args, "-o")+1]
		if isFile(out) {
			t.Error("what a killed build left is there")
		}
		write(t, out, "whole")
		return nil
	}
	if path, err := b.binary(t.Context()); path != other || err != nil {
		t.Errorf("after a killed build it is %q, %v", path, err)
	}
}

func TestConsulWithoutItsModule(t *testing.T) {
	t.Parallel()
	var w workshop
	b := w.builder(t)
	write(t, filepath.Join(b.module, "go.mod"), "module tools\n")
	if _, err := b.binary(t.Context()); err == nil {
		t.Error("there is a version where none is required")
	}
	for _, file := range []string{"go.sum", "go.mod"} {
		if err := os.Remove(filepath.Join(b.module, file)); err != nil {
			t.Fatal(err)
		}
		if _, err := b.binary(t.Context()); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("without %s: %v", file, err)
		}
	}
}

func TestConsulModuleOfTheRepository(t *testing.T) {
	t.Parallel()
	module, err := consulTools()
	if err != nil {
		t.Fatal(err)
	}
	b := consulBuilder{module: module}
	if _, err := b.cached(); err != nil {
		t.Error(err)
	}
}

func TestGoCommandSaysWhy(t *testing.T) {
	t.Parallel()
	if err := runGo(t.Context(), "version"); err != nil {
		t.Error(err)
	}
	if err := runGo(t.Context(), "absent"); err == nil || !strings.Contains(err.Error(), "unknown command") {
		t.Errorf("a command that is not there: %v", err)
	}
}

func TestConsulOnPathIsNewEnough(t *testing.T) {
	for _, c := range []struct {
		printed string
		will    bool
	}{
		{"Consul v1.22.2\nRevision abc\n", true},
		{"Consul v1.16.0-dev\n", true},
		{"Consul v2.0.0\n", true},
		{"Consul v1.15.11\n", false},
		{"Consul v0.99.0\n", false},
		{"consul, a shell\n", false},
		{"", false},
	} {
		if got := consulWillDo(c.printed); got != c.will {
			t.Errorf("%q will do: %t", c.printed, got)
		}
		dir := t.TempDir()
		script := fmt.Sprintf("#!/bin/sh\n[ \"$1\" = version ] && cat <<'end'\n%s\nend\n", c.printed)
		program := filepath.Join(dir, "consul")
		if err := os.WriteFile(program, []byte(script), 0o700); err != nil {
			t.Fatal(err)
		}
		t.Setenv("PATH", dir+string(filepath.ListSeparator)+os.Getenv("PATH"))
		path, err := consulOnPath(t.Context())
		if c.will && (path != program || err != nil) || !c.will && err == nil {
			t.Errorf("%q: %q, %v", c.printed, path, err)
		}
	}
	dir := t.TempDir()
	t.Setenv("PATH", dir)
	if _, err := consulOnPath(t.Context()); err == nil {
		t.Error("a program is found where there is none")
	}
	if err := os.WriteFile(filepath.Join(dir, "consul"), []byte("#!/bin/sh\nexit 1\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := consulOnPath(t.Context()); err == nil {
		t.Error("a program that fails will do")
	}
}
