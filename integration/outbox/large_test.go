package outbox

import (
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// maxMemory is the most memory that a worker may ever have in use.
const maxMemory = 200 << 20

// Rows of 1 MB fill no worker's memory, and small messages come through beside them.
func TestLargeRowsTakeBoundedMemory(t *testing.T) {
	t.Parallel()
	largeRows(t, 64)
}

func TestSoakLargeRowsTakeBoundedMemory(t *testing.T) {
	soak(t)
	largeRows(t, 1024)
}

func largeRows(t *testing.T, rows int) {
	y := newSystem(t, newReceiver(t, patience), settings{laneTimeout: patientLane, batch: 2000, pace: 20 * time.Millisecond})
	const keys, together = 16, 16
	var messages []message
	for n := range rows {
		messages = append(messages, message{numbered(big, n%keys), n/keys + 1})
		if len(messages) == together {
			y.producers.enqueueAll(messages)
			messages = nil
		}
	}
	y.producers.enqueueAll(messages)
	y.produce()
	y.start("", "")
	y.flow(20)
	y.producers.end()
	y.await("all messages to be delivered", 3*time.Minute, func() bool {
		c, err := y.database.counts()
		return err == nil && c.left() == 0
	})
	for _, w := range y.workers {
		used := peakMemory(t, w.pid())
		t.Logf("worker %d had %d MiB in use at most", w.pid(), used>>20)
		if used > maxMemory {
			t.Errorf("worker %d had %d MiB in use, at most %d are allowed", w.pid(), used>>20, maxMemory>>20)
		}
	}
	y.settle(time.Minute)
}

// peakMemory is the most resident memory that a process has had, in bytes.
func peakMemory(t *testing.T, pid int) int {
	t.Helper()
	status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if fields := strings.Fields(line); fields[0] == "VmHWM:" {
			kilobytes, err := strconv.Atoi(fields[1])
			if err != nil {
				t.Fatal(err)
			}
			return kilobytes << 10
		}
	}
	t.Fatalf("process %d has no VmHWM", pid)
	return 0
}
