package testserver

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/weirproxy/weir/internal/freeport"
	"github.com/weirproxy/weir/outboxworker/localserver"
)

// Sentinel starts a Sentinel that watches a master under a name, until the test ends, and
// returns its address. It fails over to a replica when the master is down for that long.
func Sentinel(t testing.TB, master *localserver.Redis, name string, downAfter time.Duration) (address string) {
	t.Helper()
	address = freeport.Address(t)
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "sentinel.conf")
	content := fmt.Sprintf("port %s\nbind 127.0.0.1\nsentinel monitor %[2]s 127.0.0.1 %[3]d 1\n"+
		"sentinel down-after-milliseconds %[2]s %[4]d\nsentinel failover-timeout %[2]s %[5]d\n",
		port, name, master.Port(), downAfter.Milliseconds(), 3*downAfter.Milliseconds())
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	program, err := exec.LookPath("redis-server")
	if err != nil {
		program = "valkey-server"
	}
	cmd := exec.CommandContext(t.Context(), program, file, "--sentinel")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Wait() }) // the context is done then
	return address
}
