package freeport

import (
	"bytes"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"testing"
)

// asks names the variable that has this program, run again, try to reserve a port.
const asks = "WEIR_FREEPORT_ASKS_FOR"

func TestMain(m *testing.M) {
	if port, err := strconv.Atoi(os.Getenv(asks)); err == nil {
		_, _ = os.Stdout.WriteString(strconv.FormatBool(reserve(port)))
		return
	}
	os.Exit(m.Run())
}

func TestPortBelongsToOneProcess(t *testing.T) {
	port := Port(t)
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ask := func(port int) string {
		t.Helper()
		cmd := exec.Command(program)
		cmd.Env = append(os.Environ(), asks+"="+strconv.Itoa(port))
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		return string(bytes.TrimSpace(out))
	}
	runtime.GC() // has what nobody refers to closed
	runtime.GC()
	if got := ask(port); got != "false" {
		t.Errorf("another process that asks for port %d is told %q, want false", port, got)
	}
	// outside of what is drawn, so nobody's
	if got := ask(lastPort + 1); got != "true" {
		t.Errorf("another process that asks for a port of nobody's is told %q, want true", got)
	}
}
