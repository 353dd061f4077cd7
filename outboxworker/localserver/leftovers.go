package localserver

// leftovers.go frees the shared memory that a killed PostgreSQL leaves.

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// freeSharedMemory is for a killed server that will not start again: a start frees
// what is left of the last one, and nobody else can, as what to free is written in the
// shared memory itself. The start that is made here has that done first and then
// refuses what it was told, so that no time goes into a recovery.
func (p *Postgres) freeSharedMemory() error {
	if err := os.WriteFile(filepath.Join(p.data(), "standby.signal"), nil, 0o600); err != nil {
		return fmt.Errorf("freeing shared memory of PostgreSQL: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), quitWithin)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(p.bin, "postgres"),
		"--single", "-D", p.data(), "-c", "fsync=off", superuser)
	out, err := p.runTool(cmd)
	if errors.As(err, new(*exec.ExitError)) && strings.Contains(out, "standby mode is not supported") {
		return nil
	}
	return fmt.Errorf("freeing shared memory of PostgreSQL: %w\n%s", err, out)
}

// runTool runs one of PostgreSQL's programs until it ends. It returns the end of what
// the program printed.
func (p *Postgres) runTool(cmd *exec.Cmd) (string, error) {
	p.environment(cmd)
	cmd.WaitDelay = quitWithin // what it forked may have its output and live on
	out, err := onOneThread(cmd.CombinedOutput)
	text := strings.TrimSpace(string(out))
	return text[max(0, len(text)-tailBytes):], err
}
