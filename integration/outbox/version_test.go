package outbox

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/weirproxy/weir/internal/freeport"
)

// A worker whose schema is missing, or newer than it knows, says what to do, and works
// as soon as that was done.
func TestAWrongSchemaIsToldAndWaitedFor(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, 700*time.Millisecond)
	address := freeport.Address(t)
	y := newSystem(t, r, settings{address: address})
	y.watch.end() // before its tables go
	y.database.exec("DROP SCHEMA outbox CASCADE")
	y.start("")
	w := y.workers[0]
	y.await("the worker to say that it needs a migration", 30*time.Second, func() bool { return w.logged("run outboxworker migrate up") })
	if status := readiness(address); status != http.StatusServiceUnavailable {
		t.Errorf("the worker without a schema answers %d to /readyz", status)
	}

	migrate(t, y.config)
	y.await("the worker to be ready after the migration", 30*time.Second, func() bool { return readiness(address) == http.StatusOK })
	y.producers.enqueueAll([]message{{"a", 1}, {"a", 2}})
	y.await("messages to arrive after the migration", 30*time.Second, func() bool { return r.got.count() == 2 })

	y.database.exec("INSERT INTO outbox.migration (version) VALUES (99)")
	if _, err := y.database.terminate(false); err != nil { // it looks when it connects
		t.Fatal(err)
	}
	y.fault(y.lanes())
	y.await("the worker to say that it is too old", 30*time.Second, func() bool { return w.logged("run a newer outboxworker") })
	y.producers.enqueueAll([]message{{"a", 3}})
	y.await("the worker to be unready", 30*time.Second, func() bool { return readiness(address) == http.StatusServiceUnavailable })
	y.database.exec("DELETE FROM outbox.migration WHERE version = 99")
	y.settle(time.Minute)
}

// readiness is the status of /readyz, 0 if nobody answers.
func readiness(address string) int {
	client := http.Client{Timeout: 5 * time.Second}
	answer, err := client.Get("http://" + address + "/readyz")
	if err != nil {
		return 0
	}
	_ = answer.Body.Close()
	return answer.StatusCode
}

// migrate runs the worker's own command.
func migrate(t *testing.T, config string) {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), path, "migrate", "up", "-c", config)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatal(fmt.Errorf("migrating: %w\n%s", err, out))
	}
}
