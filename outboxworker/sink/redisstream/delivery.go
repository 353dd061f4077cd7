package redisstream

// delivery.go holds what becomes of a batch, step by step, without Redis: which
// messages are appended next, and what an answer means for them and for others.

import (
	"errors"
	"strings"

	"github.com/weirproxy/weir/outboxworker/sink"
)

const (
	// stepBytes bounds a step, so that memory, and the time for which the script
	// keeps Redis from other work, do not depend on the size of messages.
	stepBytes = 1 << 20
	// maxRefused is how many messages of one run may be refused in one call. Each
	// costs a round trip, and what follows them can as well wait for the next batch.
	maxRefused = 16
)

// chunk is messages that one call of the script appends.
type chunk struct {
	run *run
	// at are the messages' places in run.messages.
	at []int
}

// message is the place in the batch of the n-th message of the chunk.
func (c *chunk) message(n int) int { return int(c.run.messages[c.at[n]]) }

// delivery is one call of Deliver.
type delivery struct {
	batch *sink.Batch
	runs  []*run
	// undelivered are the keys of which a message was not delivered.
	undelivered map[string]struct{}
	// closed are the streams that take no message at all, and why.
	closed map[target]sink.Result
	// stopped tells that nothing more is to be begun.
	stopped bool
}

func newDelivery(batch *sink.Batch, by naming) *delivery {
	d := &delivery{
		batch:       batch,
		runs:        plan(batch.Messages, by),
		undelivered: make(map[string]struct{}),
		closed:      make(map[target]sink.Result),
	}
	for _, r := range d.runs {
		if by.lane && hasBrace(r.to.topic) {
			d.closed[r.to] = sink.Result{Outcome: sink.Fatal, Class: "topic", Err: errBrace}
		}
	}
	return d
}

// errBrace is why no lane of a topic has a stream whose slot its own braces tell.
var errBrace = errors.New("appending to a stream by lane: the topic has a brace, which the name of such a stream must not have")

func hasBrace(name string) bool { return strings.ContainsAny(name, "{}") }

// step returns the chunks that are sent next, each for another stream: they are sent
// together, since what becomes of one cannot concern the keys of another. It returns
// none at the end.
func (d *delivery) step(maxMessages int) []chunk {
	var chunks []chunk
	rank, bytes := 0, 0
	for _, r := range d.runs {
		if len(chunks) > 0 && r.rank != rank {
			break
		}
		c := chunk{run: r}
		for r.next < len(r.messages) && maxMessages > 0 {
			m := &d.batch.Messages[r.messages[r.next]]
			if !d.sendable(r, m) {
				r.next++
				continue
			}
			size := len(m.Payload) + len(m.Headers)
			if bytes > 0 && bytes+size > stepBytes {
				break
			}
			c.at = append(c.at, r.next)
			r.next++
			bytes += size
			maxMessages--
		}
		if len(c.at) > 0 {
			chunks = append(chunks, c)
			rank = r.rank
		}
	}
	return chunks
}

// sendable tells whether a message may be sent, and settles it if not.
func (d *delivery) sendable(r *run, m *sink.Message) bool {
	if m.HasKey {
		if _, ok := d.undelivered[m.Key]; ok {
			return false
		}
	}
	if result, ok := d.closed[r.to]; ok {
		d.settle(int(r.messages[r.next]), result)
		return false
	}
	if r.refused >= maxRefused {
		d.settle(int(r.messages[r.next]), sink.Result{})
		return false
	}
	return true
}

// settle notes what became of a message.
func (d *delivery) settle(i int, result sink.Result) {
	d.batch.Results[i] = result
	if m := &d.batch.Messages[i]; result.Outcome != sink.Delivered && m.HasKey {
		d.undelivered[m.Key] = struct{}{}
	}
}

// answered settles a chunk of which Redis appended the first n messages, and said v
// of the next one, if there is one.
func (d *delivery) answered(c *chunk, n int, v verdict) {
	for i := range n {
		d.settle(c.message(i), sink.Result{Outcome: sink.Delivered})
	}
	if n == len(c.at) {
		return
	}
	d.settle(c.message(n), v.Result)
	switch {
	case v.Outcome != sink.Refused:
		d.stopped = true
	case v.stream:
		d.closed[c.run.to] = v.Result
		c.run.next = c.at[n] + 1
	default:
		c.run.refused++
		c.run.next = c.at[n] + 1
	}
}

// unanswered settles a chunk of which nobody knows what Redis appended.
func (d *delivery) unanswered(c *chunk, v verdict) {
	for i := range c.at {
		d.settle(c.message(i), v.Result)
	}
	d.stopped = true
}
