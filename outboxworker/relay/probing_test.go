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
