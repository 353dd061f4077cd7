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
	f := newFixture(t)
	f.settings.Retry = backoff.Policy{Base: time.Hour, Cap: time.Hour}
	r := new(receiver)
	f.start(r)
	f.exec("SELECT outbox.enqueue(topic => 'test', key => 'd', payload => 'delayed'::text, deliver_after => now() + interval '1 s')")
	f.eventually("0 pending, 1 deferred, 0 dead", f.places)
	r.set(func(*sink.Message) sink.Result { return failed() })
	for i := range 3 {
		f.enqueue(fmt.Sprintf("p%d", i), "poison")
	}
	f.eventually("true", func() string { return f.ask("SELECT count(*) = 3 FROM outbox.deferred WHERE state = 'retry'") })
	r.set(nil)
	f.enqueue("p0", "follower")
	f.eventually("delayed", func() string { return r.texts("d") })
	f.eventually("0 pending, 4 deferred, 0 dead", f.places)
}

// A message at which the receiver, or what is before it, goes away does not keep others of
// its lane.
func TestOneThatNobodyAnswersKeepsNobody(t *testing.T) {
	f := newFixture(t)
	r := new(receiver)
	r.set(func(m *sink.Message) sink.Result {
		if string(m.Payload) == "poison" {
			return sink.Result{Outcome: sink.Unreachable, Err: errNo}
		}
		return sink.Result{Outcome: sink.Delivered}
	})
	f.enqueue("k", "poison")
	for i := range 50 {
		f.enqueue(fmt.Sprintf("g%d", i), "good")
	}
	f.exec("DELETE FROM outbox.message WHERE lane <> (SELECT lane FROM outbox.message WHERE key = 'k')")
	f.start(r)
	f.eventually("1 pending, 0 deferred, 0 dead", f.places)
}

// A lane that keeps its worker busy, as messages at which the receiver fails do and as a
// backlog does, keeps no other lane of that worker.
func TestALaneKeepsNoOther(t *testing.T) {
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
		r.set(test.answer)
		f.exec(`SELECT outbox.enqueue('test', 'poison', key => key)
			FROM (SELECT 'p' || i AS key FROM generate_series(1, 10000) i) k WHERE hashtextextended(key, 0) & 7 = 2 LIMIT $1`, test.texts)
		stop := f.start(r, func(s *Settings) { s.Workers = 1 })
		f.eventually("true", func() string { return fmt.Sprint(r.attempts() > 20) })
		key := f.ask("SELECT key FROM (SELECT 'g' || i AS key FROM generate_series(1, 100) i) k WHERE hashtextextended(key, 0) & 7 = 5 LIMIT 1")
		f.enqueue(key, "good")
		f.eventually("good", func() string { return r.texts(key) })
		if r.attempts() > 500 {
			t.Errorf("%s: a message in another lane came after %d attempts", test.name, r.attempts())
		}
		stop()
	}
}
