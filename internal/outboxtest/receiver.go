package outboxtest

// receiver.go has a receiver that does what a test says.

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/weirproxy/weir/outboxworker/sink"
)

// Receiver is a sink that does what a test says, and remembers what it was given. The zero
// value delivers all.
type Receiver struct {
	mu     sync.Mutex
	answer func(m *sink.Message) sink.Result // nil delivers all
	seen   []sink.Message
	got    []sink.Message
	sizes  []int // bytes of each batch
}

// Deliver passes over the followers of a message that it did not take, and ends at a
// message that says that others will fare no better.
func (r *Receiver) Deliver(ctx context.Context, batch *sink.Batch) {
	failed := make(map[string]bool)
	size := 0
	for i := range batch.Messages {
		m := &batch.Messages[i]
		size += len(m.Payload)
		if batch.Expired(ctx) {
			return
		}
		if m.HasKey && failed[m.Key] {
			continue
		}
		result := r.Answer(m)
		batch.Results[i] = result
		if result.Outcome != sink.Delivered {
			failed[m.Key] = true
		}
		if result.Outcome == sink.Throttled || result.Outcome == sink.Unreachable {
			break
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sizes = append(r.sizes, size)
}

// Answer takes one message, and returns what the test says.
func (r *Receiver) Answer(m *sink.Message) sink.Result {
	r.mu.Lock()
	answer := r.answer
	copied := *m
	copied.Payload = slices.Clone(m.Payload)
	r.seen = append(r.seen, copied)
	r.mu.Unlock()
	result := sink.Result{Outcome: sink.Delivered}
	if answer != nil {
		result = answer(&copied)
	}
	if result.Outcome == sink.Delivered {
		r.mu.Lock()
		r.got = append(r.got, copied)
		r.mu.Unlock()
	}
	return result
}

// Close does nothing.
func (r *Receiver) Close() error { return nil }

// Set changes what the receiver does; nil delivers all, as at first.
func (r *Receiver) Set(answer func(m *sink.Message) sink.Result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = answer
}

// Texts returns the payloads of the messages of a key that were taken, in order, with spaces
// between.
func (r *Receiver) Texts(key string) string { return texts(r.Taken(), key) }

// Tried is Texts of those that were sent, whatever became of them.
func (r *Receiver) Tried(key string) string { return texts(r.Seen(), key) }

// Taken returns what was taken, in order.
func (r *Receiver) Taken() []sink.Message {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.got)
}

// Seen returns what was sent, in order.
func (r *Receiver) Seen() []sink.Message {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.seen)
}

// Sizes returns the bytes of the payloads of each batch that was not cut off by its deadline.
func (r *Receiver) Sizes() []int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.sizes)
}

func texts(messages []sink.Message, key string) string {
	var all []string
	for _, m := range messages {
		if m.Key == key {
			all = append(all, string(m.Payload))
		}
	}
	return strings.Join(all, " ")
}
