package outboxtest

import (
	"context"
	"testing"

	"github.com/weirproxy/weir/internal/testserver"
	"github.com/weirproxy/weir/outboxworker/sink"
)

func TestMain(m *testing.M) { testserver.Main(m) }

func TestOutbox(t *testing.T) {
	o := New(t)
	o.Enqueue("k", "1", "2")
	if got := o.Places(); got != "2 pending, 0 deferred, 0 dead" {
		t.Error(got)
	}
	if got := o.Ask("SELECT max(topic) FROM outbox.dead"); got != "NULL" {
		t.Errorf("of no row %q", got)
	}
	conn := o.Connect()
	stop := o.Start(func(ctx context.Context) error {
		if _, err := conn.Exec(ctx, "DELETE FROM outbox.message"); err != nil {
			return err
		}
		<-ctx.Done()
		return nil
	})
	o.Eventually("0 pending, 0 deferred, 0 dead", o.Places)
	stop()
}

// A receiver passes over the followers of what it refuses, and remembers all it was sent.
func TestReceiver(t *testing.T) {
	message := func(key, text string) sink.Message {
		return sink.Message{Key: key, HasKey: true, Payload: []byte(text)}
	}
	deliver := func(r *Receiver) {
		batch := &sink.Batch{Messages: []sink.Message{message("a", "1"), message("a", "2"), message("b", "3"), message("a", "4")}}
		batch.Results = make([]sink.Result, len(batch.Messages))
		r.Deliver(t.Context(), batch)
	}
	for outcome, want := range map[sink.Outcome][3]string{
		sink.Delivered: {"1 2 4", "1 2 4", "3"}, sink.Refused: {"1", "1 2", "3"}, sink.Unreachable: {"1", "1 2", ""},
	} {
		r := new(Receiver)
		r.Set(func(m *sink.Message) sink.Result {
			if string(m.Payload) == "2" {
				return sink.Result{Outcome: outcome}
			}
			return sink.Result{Outcome: sink.Delivered}
		})
		deliver(r)
		if got := [3]string{r.Texts("a"), r.Tried("a"), r.Texts("b")}; got != want {
			t.Errorf("outcome %v: %q, want %q", outcome, got, want)
		}
		if sizes := r.Sizes(); len(sizes) != 1 {
			t.Errorf("outcome %v: batches of %v bytes", outcome, sizes)
		}
	}
}
