package operator

import (
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/weirproxy/weir/outboxworker/outbox"
	"github.com/weirproxy/weir/outboxworker/relay"
	"github.com/weirproxy/weir/outboxworker/sink"
)

// lane is the lane of a key.
func (f *fixture) lane(key string) int16 {
	f.Helper()
	n, err := strconv.Atoi(f.Ask("SELECT hashtextextended($1, 0) & 7", key))
	if err != nil {
		f.Fatal(err)
	}
	return int16(n)
}

func TestAPausedLaneSendsNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r := new(receiver)
	f.start(r)
	paused := f.lane("k")
	for i, want := range []bool{true, false} {
		if changed, err := f.o.PauseLane(t.Context(), paused); err != nil || changed != want {
			t.Fatalf("pausing for time %d: %v, %v", i, changed, err)
		}
	}
	other := "" // a key of another lane
	for i := 0; other == ""; i++ {
		if k := fmt.Sprint(i); f.lane(k) != paused {
			other = k
		}
	}
	f.Enqueue("k", "a", "b")
	for i := range 20 {
		f.Enqueue(other, fmt.Sprint(i))
		f.Eventually(fmt.Sprint(i+1), func() string { return fmt.Sprint(len(r.Taken())) })
	}
	if got := r.Texts("k"); got != "" {
		t.Errorf("a paused lane sent %q", got)
	}
	all, err := f.o.Lanes(t.Context())
	if err != nil || len(all) != outbox.Lanes {
		t.Fatalf("%d lanes, %v", len(all), err)
	}
	for i, l := range all {
		if is := l.PausedSince != nil; l.Lane != int16(i) || is != (l.Lane == paused) || is != (l.PausedFor == "a test") || is != (l.Pending == 2) {
			t.Errorf("lane %d: %+v", i, l)
		}
	}
	for i, want := range []bool{true, false} {
		if changed, err := f.o.ResumeLane(t.Context(), paused); err != nil || changed != want {
			t.Fatalf("resuming for time %d: %v, %v", i, changed, err)
		}
	}
	f.Eventually("a b", func() string { return r.Texts("k") })
	want := fmt.Sprintf("pause %[1]d ann a test, resume %[1]d ann a test", paused)
	if got := f.Ask(`SELECT string_agg(concat_ws(' ', action, filter->>'lane', actor, reason), ', ' ORDER BY id) FROM outbox.audit`); got != want {
		t.Errorf("the audit has %q, want %q", got, want)
	}
}

// The pauses of one command are told together in the audit.
func TestPausesHaveOneRun(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, lane := range []int16{1, 2} {
		if changed, err := f.o.PauseLane(t.Context(), lane); err != nil || !changed {
			t.Fatalf("pausing lane %d: %v, %v", lane, changed, err)
		}
	}
	if runs := f.Ask("SELECT format('%s of %s', count(DISTINCT run), count(*)) FROM outbox.audit"); runs != "1 of 2" {
		t.Errorf("the audit has these runs: %s", runs)
	}
}

// What waits is not sent either when its time comes, and is after the pause.
func TestAPausedLaneRetriesNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r := new(receiver)
	r.Set(answering(sink.Refused, "", "no"))
	f.start(r, func(s *relay.Settings) { s.Retries = 1000 })
	f.Enqueue("k", "a")
	f.Eventually("a retry", func() string { return f.waiting("k") })
	if _, err := f.o.PauseLane(t.Context(), f.lane("k")); err != nil {
		t.Fatal(err)
	}
	attempts := f.Ask("SELECT attempts FROM outbox.deferred")
	r.Set(nil)
	f.Eventually("true", func() string { return f.Ask("SELECT due_at < now() - interval '300 ms' FROM outbox.deferred") })
	if got := f.Ask("SELECT attempts FROM outbox.deferred"); got != attempts || len(r.Taken()) > 0 {
		t.Errorf("after %s attempts the lane was paused, and there were %s", attempts, got)
	}
	if _, err := f.o.ResumeLane(t.Context(), f.lane("k")); err != nil {
		t.Fatal(err)
	}
	f.Eventually("a", func() string { return r.Texts("k") })
}

// TestPauseWaitsForTheBatch: when PauseLane returns, nothing is under way, and nothing
// begins, at whatever moment of a batch it is called.
func TestPauseWaitsForTheBatch(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r := new(receiver)
	sending := make(chan struct{}, 1)
	r.Set(func(*sink.Message) sink.Result {
		select {
		case sending <- struct{}{}:
		default:
		}
		time.Sleep(2 * time.Millisecond) // a receiver that takes its time
		return sink.Result{Outcome: sink.Delivered}
	})
	f.start(r, func(s *relay.Settings) { s.BatchMessages = 5 })
	lane := f.lane("k")
	for round := range 10 {
		f.Exec("SELECT outbox.enqueue('test', 'x', key => 'k') FROM generate_series(1, 50)")
		<-sending
		if _, err := f.o.PauseLane(t.Context(), lane); err != nil {
			t.Fatal(err)
		}
		select { // what was sent before
		case <-sending:
		default:
		}
		taken, left := len(r.Taken()), f.Ask("SELECT count(*) FROM outbox.message")
		if fmt.Sprint(50-taken%50) != left && taken%50 != 0 {
			t.Errorf("round %d: %d were taken, %s are left: a batch was under way", round, taken, left)
		}
		f.Exec("SELECT pg_sleep(0.05)")
		if now := len(r.Taken()); now != taken {
			t.Fatalf("round %d: a paused lane sent %d messages", round, now-taken)
		}
		if _, err := f.o.ResumeLane(t.Context(), lane); err != nil {
			t.Fatal(err)
		}
		f.Eventually("0 pending, 0 deferred, 0 dead", f.Places)
		select {
		case <-sending:
		default:
		}
	}
}

func TestLanesTellWhoHoldsThem(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	holder := f.Connect()
	if _, err := holder.Exec(t.Context(), "SET application_name = 'the holder'"); err != nil {
		t.Fatal(err)
	}
	if _, err := holder.Exec(t.Context(), "SELECT pg_advisory_lock($1)", outbox.LaneLock(f.o.table, 3)); err != nil {
		t.Fatal(err)
	}
	all, err := f.o.Lanes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range all {
		pid, application := int32(0), ""
		if l.Lane == 3 {
			pid, application = int32(holder.PgConn().PID()), "the holder"
		}
		if l.Holder != pid || l.Application != application {
			t.Errorf("lane %d is held by %d (%s), want %d (%s)", l.Lane, l.Holder, l.Application, pid, application)
		}
	}
	f.o.waits.lock = 50 * time.Millisecond
	_, err = f.o.PauseLane(t.Context(), 3)
	if busy := (*LaneBusyError)(nil); !errors.As(err, &busy) || busy.Application != "the holder" {
		t.Errorf("pausing a lane that is held: %v", err)
	}
	for _, lane := range []int16{-1, 8} {
		if _, err := f.o.PauseLane(t.Context(), lane); err == nil {
			t.Errorf("lane %d was paused", lane)
		}
	}
}

// Beyond what is counted, the number is estimated from the ids.
func TestPendingIsEstimated(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.Exec("INSERT INTO outbox.message (topic, key, payload) SELECT 't', 'k', '' FROM generate_series(1, 30000)")
	f.Exec("INSERT INTO outbox.message (topic, payload) SELECT 't', '' FROM generate_series(1, 8)")
	all, err := f.o.Lanes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	stats, err := f.o.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !stats.PendingEstimated || stats.Pending < 29_900 || stats.Pending > 30_100 {
		t.Errorf("%d are pending, estimated %v", stats.Pending, stats.PendingEstimated)
	}
	for _, l := range all {
		if l.Lane != f.lane("k") {
			if l.Pending != 1 || l.PendingEstimated {
				t.Errorf("%+v", l)
			}
		} else if l.Pending < 29_900 || l.Pending > 30_100 || !l.PendingEstimated {
			t.Errorf("%+v", l)
		}
	}
}
