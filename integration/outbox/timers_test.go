package outbox

import (
	"fmt"
	"testing"
	"time"

	"github.com/weirproxy/weir/internal/testserver"
)

// Workers die between the commit of a retry and the setting of its timer, again and
// again, and share the timers with others.
func TestWorkersThatDieBeforeATimerIsSetLoseNothing(t *testing.T) {
	t.Parallel()
	dieBeforeTimers(t, []int{1, 3, 10})
}

func TestSoakWorkersThatDieBeforeATimerIsSetLoseNothing(t *testing.T) {
	soak(t)
	var counts []int
	for n := range 40 {
		counts = append(counts, 1+n*n%50)
	}
	dieBeforeTimers(t, counts)
}

func dieBeforeTimers(t *testing.T, counts []int) {
	r := newReceiver(t, 700*time.Millisecond)
	r.refuse = doomed
	y := newSystem(t, r, settings{keys: 500, retries: 3, retryCap: 400 * time.Millisecond, redis: fmt.Sprintf("{url: %q}", testserver.Redis(t).URL())})
	y.mayDie = died
	y.produce()
	y.start("", "")
	for _, n := range counts {
		y.replace(0, fmt.Sprintf("before_schedule:%d", n))
		w := y.workers[0]
		y.await("a worker to die before it sets a timer", 30*time.Second, func() bool { return !w.runs() })
		if !w.killedItself() {
			t.Errorf("the worker ended with %s", w.cmd.ProcessState)
		}
	}
	y.replace(0, "")
	y.settle(time.Minute)
}
