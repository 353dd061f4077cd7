package outbox

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/integration"
)

// soak is for scenarios at their full counts.
func soak(t *testing.T) {
	t.Helper()
	integration.Soak(t)
}

func numbered(name string, n int) string { return fmt.Sprintf("%s%d", name, n) }

// Workers die at any moment, and others take their place.
func TestKilledWorkersLoseNothing(t *testing.T) {
	t.Parallel()
	killedAtRandom(t, 8, settings{topics: 3})
}

func TestSoakKilledWorkersLoseNothing(t *testing.T) {
	soak(t)
	killedAtRandom(t, 44, settings{topics: 3, keys: 10_000, producers: 8, pace: time.Millisecond, batch: 500})
}

func killedAtRandom(t *testing.T, kills int, s settings) {
	y := newSystem(t, newStreams(t, s.topics), s)
	y.produce()
	y.start("", "", "", "")
	for range kills {
		y.flow(20)
		time.Sleep(rand.N(500 * time.Millisecond))
		y.replace(rand.IntN(4), "")
	}
	y.flow(100)
	y.settle(time.Minute)
}

// failpoints are the named points at which a worker may die. The receiver refuses
// messages for a while and for good, so that all of them are come by.
var failpoints = []string{
	"before_claim", "after_read", "mid_publish", "after_publish", "before_defer", "before_bury", "before_commit", "after_commit",
}

// A worker dies at each named point, the first time that it comes there and later.
func TestWorkersThatDieAtAnyPointLoseNothing(t *testing.T) {
	t.Parallel()
	dieAtEachPoint(t, []int{2})
}

func TestSoakWorkersThatDieAtAnyPointLoseNothing(t *testing.T) {
	soak(t)
	dieAtEachPoint(t, []int{1, 2, 3, 5, 8})
}

func dieAtEachPoint(t *testing.T, counts []int) {
	r := newReceiver(t, 700*time.Millisecond)
	r.refuse = doomed
	y := newSystem(t, r, settings{keys: 500, retries: 3, retryCap: 400 * time.Millisecond})
	y.mayDie = died
	y.produce()
	y.start("", "")
	for _, n := range counts {
		for _, point := range failpoints {
			y.replace(0, fmt.Sprintf("%s:%d", point, n))
			w := y.workers[0]
			y.await("a worker to die at "+point, 30*time.Second, func() bool { return !w.runs() })
			if !w.killedItself() {
				t.Errorf("the worker that was to die at %s ended with %s", point, w.cmd.ProcessState)
			}
		}
	}
	y.replace(0, "")
	y.settle(time.Minute)
}

// A worker dies between two calls of the script of one batch.
func TestWorkersThatDieBetweenChunksLoseNothing(t *testing.T) {
	t.Parallel()
	to := newStreams(t, 1)
	to.timeout = patience
	y := newSystem(t, to, settings{batch: 200, laneTimeout: patientLane})
	var messages []message
	for seq := range 500 {
		messages = append(messages, message{"only", seq + 1}) // one lane, batches of ten calls
	}
	y.producers.enqueueAll(messages)
	for _, n := range []int{1, 3, 7} {
		y.start(fmt.Sprintf("mid_publish:%d", n))
		w := y.workers[0]
		y.await("a worker to die between two calls", 30*time.Second, func() bool { return !w.runs() })
		y.fault(y.settings.lanes)
		y.workers = nil
	}
	y.start("")
	e := y.settle(time.Minute)
	if want := (1 + 3 + 7) * 20; e.repeats() != want {
		t.Errorf("%d messages were delivered once more, want the %d of the calls before each death", e.repeats(), want)
	}
}

// A worker is stopped for longer than its lanes wait for it. Others go on with them,
// and what it sends when it wakes up are duplicates only.
func TestAStoppedWorkerLosesItsLanes(t *testing.T) {
	t.Parallel()
	stopped(t, 1, settings{})
}

func TestSoakAStoppedWorkerLosesItsLanes(t *testing.T) {
	soak(t)
	stopped(t, 8, settings{keys: 10_000, producers: 8, pace: time.Millisecond})
}

func stopped(t *testing.T, rounds int, s settings) {
	r := newReceiver(t, 700*time.Millisecond)
	y := newSystem(t, r, s)
	y.produce()
	y.start("")
	y.flow(50)
	for range rounds {
		frozen := y.workers[0]
		// It has a lane for sure while it waits for an answer.
		r.set(hanging)
		got := r.got.count()
		y.await("a message to be under way", 20*time.Second, func() bool { return r.got.count() > got })
		frozen.freeze()
		r.set(healthy)
		y.fault(y.settings.lanes)
		y.start("")
		// The other worker can deliver all only when it has got all lanes.
		before := y.committed.messages()
		y.await("what was committed before a worker was stopped to be accepted", 20*time.Second, func() bool {
			return len(missing(before, r.journal())) == 0
		})
		y.flow(100)
		frozen.thaw()
		y.flow(100)
		frozen.terminate()
		y.workers = y.workers[1:]
	}
	y.settle(time.Minute)
}

// missing are the messages that were not accepted.
func missing(messages []message, journal []arrival) (all []message) {
	accepted := make(map[message]bool)
	for _, a := range journal {
		accepted[a.message] = accepted[a.message] || a.accepted
	}
	for _, m := range messages {
		if !accepted[m] && !strings.HasPrefix(m.key, late) {
			all = append(all, m)
		}
	}
	return all
}
