package relay

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/weirproxy/weir/outboxworker/retryqueue"
)

// Retries and delayed messages come in time though nobody polls.
func TestTimersWakeWorkers(t *testing.T) {
	f := newTimedFixture(t)
	f.got.Set(refuseOnce(1))
	f.startTimed()
	f.up("1")
	retries := f.recovers()
	// Without timers, of two in a row one is found by a worker's look after 5 seconds.
	end := time.Now().Add(2 * deadline)
	for inRow := 0; inRow < 2; {
		began := time.Now()
		f.Exec(`SELECT outbox.enqueue(topic => 'test', payload => 'later'::text, deliver_after => now() + interval '700 milliseconds')`)
		f.Exec("SELECT pg_notify('outbox', '')")
		f.Eventually("0 pending, 0 deferred, 0 dead", f.Places)
		took := time.Since(began)
		if inRow++; took > 4*time.Second {
			inRow = 0
		}
		if took < 700*time.Millisecond || time.Now().After(end) {
			t.Fatalf("a message delayed by 0.7 s is delivered after %s", took)
		}
	}
	f.noTimers()
	if n := histogramCount(f.fixture, "outbox_retry_lateness_seconds"); n != retries {
		t.Errorf("the lateness of %d retries was observed, want %d", n, retries)
	}
}

func histogramCount(f *fixture, name string) (count uint64) {
	f.Helper()
	families, err := f.registry.Gather()
	if err != nil {
		f.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() == name {
			for _, m := range family.Metric {
				count += m.GetHistogram().GetSampleCount()
			}
		}
	}
	return count
}

// A claim is looked up in PostgreSQL: what is gone or parked is over, what is early goes
// back with the rest of its time, and what is due has its lane's worker told.
func TestPostgreSQLDecidesAboutClaims(t *testing.T) {
	f := newTimedFixture(t)
	r, err := New(f.settings, f.got, f.metrics, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	f.settings.Timers = f.queue
	r.settings.Timers = f.queue
	r.timers = newTimers(r, r.workers[0].sql)
	defer r.timers.table.close(t.Context())
	insert := `INSERT INTO outbox.deferred (id, lane, state, due_at, message_id, topic, key, type, payload, created_at)
		VALUES ($1, $2, $3, now() + $4 * interval '1 second', gen_random_uuid(), 't', 'k', '', '', now())`
	f.Exec(insert, 1, 3, "retry", -1)
	f.Exec(insert, 2, 4, "retry", 1000)
	f.Exec(insert, 3, 5, "parked", nil)
	f.Exec(insert, 4, 6, "delayed", 3e11) // as far ahead as there is time
	if _, err := f.queue.Rebuild(t.Context(), r.timers.table.pages(everything, everything)); err != nil {
		t.Fatal(err)
	}
	if stats, err := f.queue.Stats(t.Context()); err != nil || stats.Timers != 2 {
		t.Errorf("rebuilt: %+v, %v; want the timers of the two that wait for a time of this century", stats, err)
	}
	if err := f.queue.Schedule(t.Context(), retryqueue.Timer{ID: 2}, retryqueue.Timer{ID: 3}, retryqueue.Timer{ID: 4}, retryqueue.Timer{ID: 99}); err != nil {
		t.Fatal(err)
	}
	claimed, err := f.queue.Claim(t.Context(), 10, time.Minute)
	if err != nil || len(claimed.Claims) != 5 {
		t.Fatalf("claimed %d: %v", len(claimed.Claims), err)
	}
	if err := r.timers.wake(t.Context(), claimed.Claims); err != nil {
		t.Fatal(err)
	}
	for _, w := range r.workers {
		for _, l := range w.lanes {
			if got, want := l.asked.Load(), l.number == 3; got != want {
				t.Errorf("lane %d was asked: %t", l.number, got)
			}
		}
	}
	if stats, err := f.queue.Stats(t.Context()); err != nil || stats.Timers != 2 || stats.Leased != 0 || stats.Late != 0 {
		t.Errorf("%+v, %v; want the two timers that were early", stats, err)
	}
}

// Every page of every lane is read, also where many are due at one time.
func TestPagesHaveAllThatWaits(t *testing.T) {
	f := newTimedFixture(t)
	r, err := New(f.settings, f.got, f.metrics, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	table := &timerTable{relay: r, sql: r.workers[0].sql}
	defer table.close(t.Context())
	f.Exec(`INSERT INTO outbox.deferred (id, lane, state, due_at, message_id, topic, type, payload, created_at)
		SELECT i, i % 3, 'retry', now() + (i % 2) * interval '90 seconds', gen_random_uuid(), 't', '', '', now() FROM generate_series(1, 35000) i`)
	for ahead, want := range map[time.Duration]int{sweepAhead: 17500, everything: 35000} {
		seen := make(map[int64]bool)
		next := table.pages(everything, ahead)
		for {
			page, err := next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if len(page) == 0 {
				break
			}
			for _, row := range page {
				if seen[row.ID] {
					t.Fatalf("%d is read twice", row.ID)
				}
				seen[row.ID] = true
			}
		}
		if len(seen) != want {
			t.Errorf("%d messages are due within %s, want %d", len(seen), ahead, want)
		}
	}
}

// Two processes share a queue: one claims what the other may be working on, and nothing
// is lost, sent twice or out of order.
func TestTwoRelaysShareAQueue(t *testing.T) {
	f := newTimedFixture(t)
	f.settings.PollMin, f.settings.PollMax = 300*time.Millisecond, 300*time.Millisecond
	f.got.Set(refuseOnce(2))
	f.startTimed()
	other := f.newQueue(newClient(t, f.to.address()))
	f.start(f.got, func(s *Settings) { s.Timers = other })
	f.up("1")
	for n := range short.each {
		for key := range short.keys {
			f.Enqueue(fmt.Sprint("k", key), fmt.Sprintf("often-%d", n))
		}
	}
	f.delivered(short.keys, short.each)
	f.noTimers()
}

// noTimers waits until there are none: that of a message which a worker's own look found is
// gone a little after the message.
func (f *timedFixture) noTimers() {
	f.Helper()
	f.Eventually("{0 0}", func() string {
		stats, err := f.queue.Stats(f.Context())
		if err != nil {
			return err.Error()
		}
		return fmt.Sprint(struct{ timers, leased int64 }{stats.Timers, stats.Leased})
	})
}

// What becomes due in a lane that another worker has is tried again soon, and less often
// while it stays so.
func TestALaneThatAnotherWorkerHasIsNotForgotten(t *testing.T) {
	f := newTimedFixture(t)
	f.settings.PollMin, f.settings.PollMax = time.Millisecond, 250*time.Millisecond
	p := newProper(f.fixture)
	r := p.w.relay
	holder := f.Connect()
	l := p.w.lanes[3]
	if _, err := holder.Exec(t.Context(), "SELECT pg_advisory_lock($1)", p.w.lockKey(l)); err != nil {
		t.Fatal(err)
	}
	for _, l := range p.w.lanes {
		l.sweptAt = time.Now()
	}
	l.asked.Store(true)
	round := func() (began time.Time) {
		t.Helper()
		began = time.Now()
		if _, err := p.w.round(t.Context(), t.Context()); err != nil {
			t.Fatal(err)
		}
		return began
	}
	began := round()
	if rest := l.rest.Sub(began); rest < 200*time.Millisecond || l.asked.Load() {
		t.Errorf("the lane of another rests for %s, asked: %t", rest, l.asked.Load())
	}
	r.ask(3)
	for n, most := range []time.Duration{5, 10, 20, 40, 80, 160, 250, 250} {
		if n > 0 {
			l.rest = time.Time{}
		}
		round()
		if rest := l.resting(); rest > most*time.Millisecond || !l.asked.Load() || !l.timed.Load() {
			t.Errorf("the %d. time the lane rests for %s, asked: %t", n+1, rest, l.asked.Load())
		}
	}
	if _, err := holder.Exec(t.Context(), "SELECT pg_advisory_unlock_all()"); err != nil {
		t.Fatal(err)
	}
	l.rest = time.Time{}
	round()
	if l.asked.Load() || l.timed.Load() || l.busy != 0 {
		t.Error("the lane was read and is asked for still")
	}
}

// A Redis that was never there, and one that hangs, delay nothing but retries.
func TestWithoutRedisThereIsPolling(t *testing.T) {
	f := newTimedFixture(t)
	f.settings.PollMin, f.settings.PollMax = 2*time.Millisecond, 50*time.Millisecond
	f.got.Set(refuseOnce(1))
	f.to.lead("")
	f.startTimed()
	f.recovers()
	if up := f.metric("outbox_timers_up"); up != 0 {
		t.Errorf("outbox_timers_up is %v without Redis", up)
	}
	f.to.lead(address(f.redis))
	f.up("1")
	if err := syscall.Kill(f.redis.PID(), syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Kill(f.redis.PID(), syscall.SIGCONT) }()
	began := time.Now()
	for n := range 20 {
		f.Enqueue("steady", fmt.Sprint("m", n))
		f.Eventually("0 pending, 0 deferred, 0 dead", f.Places)
	}
	if took := time.Since(began); took > 15*time.Second { // a call to it takes 3 s
		t.Errorf("20 messages take %s while Redis hangs", took)
	}
	f.recovers()
	f.up("0")
	if err := syscall.Kill(f.redis.PID(), syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	f.up("1")
}

// The sweep adds what has no timer, and leaves alone what has one, or is overdue for long:
// on a lane that is paused it would be added and claimed for ever. Rows by hand, with ids
// that no timer can have, are in nobody's way.
func TestTheSweepAddsWhatIsMissing(t *testing.T) {
	f := newTimedFixture(t)
	r, err := New(f.settings, f.got, f.metrics, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	r.settings.Timers = f.queue
	r.timers = newTimers(r, r.workers[0].sql)
	defer r.timers.table.close(t.Context())
	f.Exec(`INSERT INTO outbox.deferred (id, lane, state, due_at, message_id, topic, type, payload, created_at)
		SELECT i, abs(i) % 8, 'retry', now() + CASE WHEN i <= 600 THEN interval '30 seconds' WHEN i <= 700 THEN interval '-2 seconds' WHEN i <= 750 THEN interval '-1 hour' ELSE interval '5 minutes' END,
		       gen_random_uuid(), 't', '', '', now() FROM generate_series(-1, 800) i`)
	for id := range int64(50) {
		if err := f.queue.Schedule(t.Context(), retryqueue.Timer{ID: id + 1, In: 20 * time.Second}); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := r.timers.sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		stats, err := f.queue.Stats(t.Context())
		if missing := f.metric("outbox_timers_missing_total"); err != nil || stats.Timers != 700 || missing != 650 {
			t.Errorf("%d timers, %v were missing: %v; want 700, 650", stats.Timers, missing, err)
		}
	}
}

// Foreign members and keys of the wrong type in the queue are set aside, and retries are
// on time afterwards.
func TestAForeignQueueIsMended(t *testing.T) {
	f := newTimedFixture(t)
	f.got.Set(refuseOnce(1))
	f.startTimed()
	f.up("1")
	for _, command := range []string{
		"ZADD retry:{shop.outbox}:due 1 not-an-id 1 123456789", "SET retry:{shop.outbox}:leased text", "LPUSH retry:{shop.outbox}:aside text",
	} {
		var args []any
		for _, word := range strings.Fields(command) {
			args = append(args, word)
		}
		if err := errors.Join(f.client.Del(t.Context(), fmt.Sprint(args[1])).Err(), f.client.Do(t.Context(), args...).Err()); err != nil {
			t.Fatal(err)
		}
	}
	f.recovers()
	f.noTimers()
}

// delivered waits until all messages are delivered, and checks the order of keys.
func (f *timedFixture) delivered(keys, each int) {
	f.Helper()
	f.Eventually("0 pending, 0 deferred, 0 dead", f.Places)
	var want []string
	for n := range each {
		want = append(want, fmt.Sprintf("often-%d", n))
	}
	for key := range keys {
		if got := f.got.Texts(fmt.Sprint("k", key)); got != strings.Join(want, " ") {
			f.Errorf("key k%d got %q", key, got)
		}
	}
}
