package relay

// scout_test.go: what the scout is told of while workers are busy.

import (
	"fmt"
	"testing"
	"time"

	"github.com/weirproxy/weir/outboxworker/sink"
)

// A message that is committed while the worker of its lane sends another one is found when
// that worker rests, not at the next poll.
func TestAWorkerThatWasBusyMissesNothing(t *testing.T) {
	f := newFixture(t)
	f.settings.PollMin, f.settings.PollMax = time.Minute, time.Minute
	r := new(receiver)
	entered, open := make(chan struct{}), make(chan struct{})
	r.Set(func(m *sink.Message) sink.Result {
		if string(m.Payload) == "first" {
			close(entered)
			<-open
		}
		return sink.Result{Outcome: sink.Delivered}
	})
	f.start(r)
	f.Eventually("1", func() string { return fmt.Sprint(f.metric("outbox_listening")) })
	f.Eventually("true", func() string { return f.Ask("SELECT last_value = 1 FROM outbox.wake") })
	f.Enqueue("k", "first")
	<-entered
	before := f.Ask("SELECT clock_timestamp()")
	f.Enqueue("k", "second")
	// The next probe comes of the notification. Of all connections, the scout's alone ends
	// what it does with COMMIT.
	f.Eventually("true", func() string {
		return f.Ask("SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND query = 'COMMIT' AND query_start > $1::timestamptz)", before)
	})
	began := time.Now()
	close(open)
	f.Eventually("first second", func() string { return r.Texts("k") })
	if took := time.Since(began); took > unscouted/2 {
		t.Errorf("the second came %s after the first", took)
	}
}
