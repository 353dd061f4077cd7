package outbox

// system.go puts a database, producers, workers and a target together, and says at the
// end whether all promises were kept.

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirproxy/weir/internal/testserver"
	"github.com/weirproxy/weir/outboxworker/localserver"
)

// settings are those of a system. Zero values are replaced by defaults.
type settings struct {
	postgres  *localserver.Postgres // default: the one that tests share
	topics    int                   // default: 1
	keys      int                   // default: 50
	producers int                   // default: 4 goroutines
	pace      time.Duration         // default: 5ms
	// Of each worker process.
	lanes       int           // at once; default: 4
	batch       int           // messages; default: 100
	laneTimeout time.Duration // default: 3.3s
	retries     int           // default: 12
	retryBase   time.Duration // default: 100ms
	retryCap    time.Duration // default: 2s
	address     string        // of metrics and readiness; default: none
	redis       string        // the section redis, for timers; default: there is none
}

func (s *settings) setDefaults(t testing.TB) {
	if s.postgres == nil {
		s.postgres = sharedPostgres(t)
	}
	orElse(&s.topics, 1)
	orElse(&s.keys, 50)
	orElse(&s.producers, 4)
	orElse(&s.pace, 5*time.Millisecond)
	orElse(&s.lanes, 4)
	orElse(&s.batch, 100)
	orElse(&s.laneTimeout, 3300*time.Millisecond)
	orElse(&s.retries, 12)
	orElse(&s.retryBase, 100*time.Millisecond)
	orElse(&s.retryCap, 2*time.Second)
}

func orElse[T comparable](value *T, fallback T) {
	var zero T
	if *value == zero {
		*value = fallback
	}
}

// system is everything that a scenario works with.
type system struct {
	t         testing.TB
	settings  settings
	database  *database
	producers *producers
	committed commits
	to        target
	config    string    // the file
	workers   []*worker // those that run or should
	all       []*worker
	// faults counts what went wrong, and inFlight the batches that may have been
	// under way then, each of which may be delivered once more.
	faults, inFlight atomic.Int64
	mayDie           func(dead) bool
	watch            *watch
}

// newSystem prepares a system in which nothing runs yet.
func newSystem(t testing.TB, to target, s settings) *system {
	t.Helper()
	s.setDefaults(t)
	if _, err := binary(); err != nil { // before producers run
		t.Fatal(err)
	}
	y := &system{t: t, settings: s, to: to}
	y.database = newDatabase(t, testserver.DatabaseOn(t, s.postgres))
	y.producers = &producers{t: t, database: y.database, journal: &y.committed, keys: newKeyChoice(s.keys), topics: s.topics, pace: s.pace}
	y.config = filepath.Join(t.TempDir(), "worker.yaml")
	if err := os.WriteFile(y.config, []byte(y.yaml()), 0o600); err != nil {
		t.Fatal(err)
	}
	y.watch = startWatch(y.database)
	t.Cleanup(func() { y.watch.end() })
	return y
}

// yaml is the configuration of the workers. They look from the start of their lanes
// all the time, so that what the low-water mark misses is told in the log.
func (y *system) yaml() string {
	s := &y.settings
	timers := ""
	if s.redis != "" {
		timers = "redis: " + s.redis
	}
	return fmt.Sprintf(`database: {url: %q}
http: {address: %q}
%s
outboxes:
- schema: outbox
  workers: %d
  batch_messages: %d
  lane_timeout: %s
  full_look: 1s
  retry: {base: %s, cap: %s, retries: %d}
  outage: {base: 100ms, cap: 1s}
  sink:
    %s
`, y.database.url, s.address, timers, s.lanes, s.batch, s.laneTimeout, s.retryBase, s.retryCap, s.retries, y.to.sink())
}

// start starts worker processes, one for each failpoint; the empty one never fails.
func (y *system) start(failpoints ...string) {
	y.t.Helper()
	for _, failpoint := range failpoints {
		y.workers = append(y.workers, y.newWorker(failpoint))
	}
}

func (y *system) newWorker(failpoint string) *worker {
	y.t.Helper()
	w := startWorker(y.t, y.config, "WEIR_FAILPOINT="+failpoint)
	y.all = append(y.all, w)
	return w
}

// replace kills a worker, if it still runs, and starts another in its place.
func (y *system) replace(i int, failpoint string) {
	y.t.Helper()
	y.workers[i].kill()
	y.fault(y.settings.lanes)
	y.workers[i] = y.newWorker(failpoint)
}

// fault notes that something went wrong while so many lanes were worked on.
func (y *system) fault(lanes int) {
	y.faults.Add(1)
	y.inFlight.Add(int64(min(8, lanes)))
}

// lanes is how many lanes all workers work on at once: no more than there are.
func (y *system) lanes() int { return min(8, y.settings.lanes*len(y.workers)) }

// produce starts the producers.
func (y *system) produce() { y.producers.start(y.settings.producers) }

// flow waits until n more messages have been committed, so that faults meet work.
func (y *system) flow(n int) {
	y.t.Helper()
	until := y.committed.count() + n
	within := time.Minute + time.Duration(n)*20*time.Millisecond
	y.await(fmt.Sprintf("%d more messages to be committed", n), within, func() bool { return y.committed.count() >= until })
}

// await waits until done, and tells the state of everything if that takes too long.
func (y *system) await(what string, within time.Duration, done func() bool) {
	y.t.Helper()
	for until := time.Now().Add(within); ; time.Sleep(20 * time.Millisecond) {
		if done() {
			return
		}
		if time.Now().After(until) {
			y.t.Fatalf("waited %s for %s\n%s", within, what, y.state())
		}
	}
}

// state is what a failure shows.
func (y *system) state() string {
	c, err := y.database.counts()
	text := fmt.Sprintf("%d committed; %s", y.committed.count(), c)
	if err != nil {
		text = fmt.Sprintf("the database: %v", err)
	}
	for _, w := range y.workers {
		text += fmt.Sprintf("\nworker %d, runs: %t, its log ends with\n%s", w.pid(), w.runs(), w.tail())
	}
	return text
}

// settle ends the producers, waits until nothing is pending or deferred, ends the
// workers, and checks the evidence.
func (y *system) settle(within time.Duration) *evidence {
	y.t.Helper()
	if y.producers.stop != nil {
		y.producers.end()
	}
	y.await("all messages to be delivered or dead", within, func() bool {
		c, err := y.database.counts()
		return err == nil && c.left() == 0
	})
	for _, w := range y.workers {
		w.terminate()
	}
	y.watch.end()
	e := &evidence{
		committed: y.committed.messages(), arrived: y.to.journal(),
		attempts: y.settings.retries + 1, mayDie: y.mayDie,
		duplicates: int(y.inFlight.Load()) * y.settings.batch,
	}
	y.database.rest(e)
	for _, problem := range append(e.problems(), y.watch.problems()...) {
		y.t.Error(problem)
	}
	y.checkLogs()
	y.t.Logf("%d messages committed (%d transactions rolled back, %d of unknown outcome), %d arrivals, %d dead; "+
		"%d faults, %d duplicates of %d allowed", len(e.committed), y.committed.rolledBack, y.committed.unknown, len(e.arrived), len(e.dead), y.faults.Load(), e.repeats(), e.duplicates)
	return e
}

// checkLogs looks for what should be in no log: payloads, and what the relay finds that
// it should not find.
func (y *system) checkLogs() {
	y.t.Helper()
	for _, w := range y.all {
		output := string(w.output())
		for _, text := range []string{
			payloadMark, "panic", "below the low-water mark", "waited behind nothing", "settling its messages one by one",
		} {
			if strings.Contains(output, text) {
				at := strings.Index(output, text)
				y.t.Errorf("the log of worker %d has %q: %s", w.pid(), text, output[max(0, at-200):min(len(output), at+300)])
			}
		}
	}
}
