package relay

// probing_test.go: what goes on while the breaker is not closed, in a real PostgreSQL.

import (
	"fmt"
	"testing"
	"time"

	"github.com/weirproxy/weir/internal/backoff"
	"github.com/weirproxy/weir/outboxworker/sink"
)

// While all that failed waits for long, there is nothing to try the receiver with: what
// becomes due is tried, and what is to be parked is.
func TestNothingToTryIsNoReasonToWait(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.settings.Retry = backoff.Policy{Base: time.Hour, Cap: time.Hour}
	r := new(receiver)
	f.start(r)
	f.connected()
	f.Exec("SELECT outbox.enqueue(topic => 'test', key => 'd', payload => 'delayed'::text, deliver_after => now() + interval '5 s')")
	f.Eventually("0 pending, 1 deferred, 0 dead", f.Places)
	r.Set(func(m *sink.Message) sink.Result {
		if string(m.Payload) == "delayed" { // which is due before the others are there on a machine that is slow
			return sink.Result{Outcome: sink.Delivered}
		}
		return failed()
	})
	for i := range 3 {
		f.Enqueue(fmt.Sprintf("p%d", i), "poison")
	}
	f.Eventually("true", func() string { return f.Ask("SELECT count(*) = 3 FROM outbox.deferred WHERE state = 'retry'") })
	r.Set(nil)
	f.Enqueue("p0", "follower")
	f.Eventually("delayed", func() string { return r.Texts("d") })
	f.Eventually("0 pending, 4 deferred, 0 dead", f.Places)
}

// A message at which the receiver, or what is before it, goes away does not keep others of
// its lane.
func TestOneThatNobodyAnswersKeepsNobody(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r := new(receiver)
	r.Set(func(m *sink.Message) sink.Result {
		if string(m.Payload) == "poison" {
			return sink.Result{Outcome: sink.Unreachable, Err: errNo}
		}
		return sink.Result{Outcome: sink.Delivered}
	})
	f.Enqueue("k", "poison")
	for i := range 50 {
		f.Enqueue(fmt.Sprintf("g%d", i), "good")
	}
	f.Exec("DELETE FROM outbox.message WHERE lane <> (SELECT lane FROM outbox.message WHERE key = 'k')")
	f.start(r)
	f.Eventually("1 pending, 0 deferred, 0 dead", f.Places)
}

// A lane that keeps its worker busy, as messages at which the receiver fails do and as a
// backlog does, keeps no other lane of that worker.
func TestALaneKeepsNoOther(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		texts  int
		answer func(m *sink.Message) sink.Result
	}{
		{"poison", 3, poisoned},
		{"a backlog", 1000, func(*sink.Message) sink.Result {
			sleep(t.Context(), 50*time.Millisecond, nil)
			return sink.Result{Outcome: sink.Delivered}
		}},
	} {
		f := newFixture(t)
		r := new(receiver)
		r.Set(test.answer)
		f.Exec(`SELECT outbox.enqueue('test', 'poison', key => key)
			FROM (SELECT 'p' || i AS key FROM generate_series(1, 10000) i) k WHERE hashtextextended(key, 0) & 7 = 2 LIMIT $1`, test.texts)
		stop := f.start(r, func(s *Settings) { s.Workers = 1 })
		f.Eventually("true", func() string { return fmt.Sprint(len(r.Seen()) > 20) })
		key := f.Ask("SELECT key FROM (SELECT 'g' || i AS key FROM generate_series(1, 100) i) k WHERE hashtextextended(key, 0) & 7 = 5 LIMIT 1")
		f.Enqueue(key, "good")
		f.Eventually("good", func() string { return r.Texts(key) })
		if len(r.Seen()) > 500 {
			t.Errorf("%s: a message in another lane came after %d attempts", test.name, len(r.Seen()))
		}
		stop()
	}
}

// What is tried while the breaker is open is looked for among all that is due, not among the
// first of it alone: messages that always fail keep no retry for ever, also where there are
// more than are remembered.
func TestManyThatFailKeepNoRetry(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ messages, good int }{{heads + 20, heads + 20}, {maxSuspects + 5*heads, maxSuspects + 4*heads + 75}} {
		t.Run(fmt.Sprint(test.messages), func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.settings.Retry = backoff.Policy{Base: time.Hour, Cap: time.Hour}
			f.settings.Outage = backoff.Policy{Base: time.Millisecond, Cap: time.Millisecond}
			f.settings.PollMin, f.settings.PollMax = time.Millisecond, time.Millisecond
			r := new(receiver)
			r.Set(poisoned)
			// all of them due at one time
			f.Exec(`INSERT INTO outbox.deferred (id, lane, state, due_at, message_id, topic, key, type, payload, created_at)
				SELECT i, 3, 'retry', now(), gen_random_uuid(), 'test', 'k' || i, '', CASE WHEN i = $2 THEN 'good' ELSE 'poison' END::bytea, now()
				FROM generate_series(1, $1::int) i`, test.messages, test.good)
			f.start(r)
			// a transaction for each, half a minute on two processors
			f.Within(5*time.Minute, "good", func() string { return r.Texts(fmt.Sprintf("k%d", test.good)) })
		})
	}
}
