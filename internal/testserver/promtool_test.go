package testserver

import (
	"os/exec"
	"strings"
	"testing"
)

func TestPromtool(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), Promtool(t), "--version").CombinedOutput()
	if err != nil || !strings.HasPrefix(string(out), "promtool, version ") {
		t.Errorf("%v: %s", err, out)
	}
}
