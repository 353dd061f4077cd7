package integration

// binary.go builds the binaries that the tests run.

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// Weir returns the path of the weir binary, built when first asked for.
func Weir(t testing.TB) string { return built(t, weir) }

// PlainCaddy returns the path of a Caddy without weir, built with the same flags.
func PlainCaddy(t testing.TB) string { return built(t, plainCaddy) }

var (
	weir       = sync.OnceValues(func() (string, error) { return build("./cmd/caddy", "weir") })
	plainCaddy = sync.OnceValues(func() (string, error) { return build("./integration/plaincaddy", "plaincaddy") })

	// folder holds the binaries; Cleanup removes it.
	folder = sync.OnceValues(func() (string, error) { return os.MkdirTemp("", "weir-integration-") })
)

func built(t testing.TB, binary func() (string, error)) string {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// build uses the flags of the Makefile, which are xcaddy's: the tests are about
// the binary that users get, and what `make build` compiled is not compiled again.
// Only the version is not stamped: git refuses to read a checkout that somebody
// else owns, and then nothing would be built.
func build(pkg, name string) (string, error) {
	dir, err := folder()
	if err != nil {
		return "", err
	}
	root, err := Root()
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, name)
	cmd := exec.Command("go", "build", "-buildvcs=false", "-ldflags", "-w -s", "-trimpath",
		"-tags", "nobadger,nomysql,nopgx", "-o", path, pkg)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building %s: %w\n%s", pkg, err, out)
	}
	return path, nil
}

// Root returns the folder of go.mod, at or above the working directory.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		above := filepath.Dir(dir)
		if above == dir {
			return "", fmt.Errorf("no go.mod above the working directory")
		}
		dir = above
	}
}

// Cleanup removes what was built. TestMain calls it when all tests are over.
func Cleanup() {
	if dir, err := folder(); err == nil {
		_ = os.RemoveAll(dir)
	}
}
