package relay

// send.go sends what a batch has read.

import (
	"context"
	"time"

	"github.com/weirproxy/weir/outboxworker/sink"
)

// sendAll sends what waited, and then what is pending. When the first takes the time of a
// batch, the second is left to the next one, which leaves out the first: neither keeps the
// other from being sent.
func (w *worker) sendAll(ctx context.Context, l *lane, r *read) (again, first sent) {
	again.messages, first.messages = waitingMessages(r.waiting), pendingMessages(r.pending)
	began := time.Now()
	w.relay.observeLateness(r.waiting)
	again.results = w.send(ctx, again.messages)
	l.skipDue = time.Since(began) >= w.settings().BatchTime
	if held, unreachable := pause(again.results); l.skipDue || held > 0 || unreachable != nil {
		first.results = make([]sink.Result, len(first.messages))
		return again, first
	}
	first.results = w.send(ctx, first.messages)
	return again, first
}

// send delivers messages and returns the results.
func (w *worker) send(ctx context.Context, messages []sink.Message) []sink.Result {
	if len(messages) == 0 {
		return nil
	}
	batch := sink.Batch{Messages: messages, Results: make([]sink.Result, len(messages)), Until: time.Now().Add(w.settings().BatchTime)}
	w.relay.sink.Deliver(ctx, &batch)
	return batch.Results
}

func pendingMessages(all []pending) []sink.Message {
	messages := make([]sink.Message, 0, len(all))
	for i := range all {
		if !all[i].waits && !all[i].delayed {
			messages = append(messages, all[i].message)
		}
	}
	return messages
}

func waitingMessages(all []waiting) []sink.Message {
	messages := make([]sink.Message, 0, len(all))
	for i := range all {
		if all[i].state != "delayed" {
			messages = append(messages, all[i].message)
		}
	}
	return messages
}
