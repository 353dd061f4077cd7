// Package null is a sink that takes every message and does nothing with it: what a
// relay costs without a receiver.
package null

import (
	"context"

	"github.com/weirproxy/weir/outboxworker/sink"
)

// New returns the sink. There is nothing to set.
func New() sink.Sink { return discard{} }

type discard struct{}

// Deliver marks all messages as delivered, or none when ctx is done or the batch's
// Until has passed.
func (discard) Deliver(ctx context.Context, batch *sink.Batch) {
	if batch.Expired(ctx) {
		return
	}
	for i := range batch.Results {
		batch.Results[i].Outcome = sink.Delivered
	}
}

// Close does nothing.
func (discard) Close() error { return nil }
