// Package redisstream is a sink that appends messages to Redis Streams.
//
// An entry of a stream has these fields, in this order, those in brackets only where
// the message has them:
//
//	id           the message's id: the same when a message is delivered twice
//	topic
//	[key]        there, though perhaps empty, for messages that are kept in order
//	[type]
//	payload      the bytes as they are, perhaps none
//	[headers]    a JSON object
//	[biz_id]
//	created_at   RFC 3339 with microseconds, in UTC
//
// # Order
//
// Up to 500 messages are one call of a script, which appends them in their order, stops
// at the first error and says how far it came. A message that Redis refuses leaves the
// later ones of its key NotSent, also those for other streams; messages of other keys
// are still sent. A batch takes one call for every 500 messages, however many topics
// there are, unless a key changes its topic within the batch: between streams there is
// no order that a consumer could see, but nothing may be appended after the failure of
// an earlier message of its key, and so such a message waits until the one before it is
// appended. Calls for different streams travel together.
//
// With Settings.Lanes a stream is eight, and all messages of a key are in one of them:
// consumers that take a stream each then keep the order of every key. The lane is the hash
// tag of the stream's name, as in events:orders:{3}, so whatever a consumer keeps for a
// lane can be in its slot of a cluster. A topic with a brace in it would be another hash
// tag, and is refused.
//
// # Outcomes
//
//	appended                                        delivered
//	no connection, no answer in time                unreachable: appended or not
//	LOADING MASTERDOWN READONLY CLUSTERDOWN         unreachable
//	TRYAGAIN NOREPLICAS MISCONF BUSY NOAUTH
//	WRONGPASS, no right to append (NOPERM)
//	OOM                                             throttled, for a second
//	WRONGTYPE, no right to the stream (NOPERM)      refused, and with it all messages for
//	                                                this stream in the batch
//	another answer of XADD                          refused
//	a topic with a brace, with Settings.Lanes       fatal, class "topic"
//	another answer to the script                    unreachable: no message is to blame
//
// # Delivery and durability
//
// Delivery is at least once. The client repeats nothing by itself: a call without an
// answer is told to the relay, which delivers its messages again. Redis Cluster is not
// supported. What Redis has taken over is as safe as its configuration makes it; Check
// says what that is.
//
// With Settings.Sentinel the sink follows the master that Sentinels name. A time without a
// master, and a master that became a replica, are unreachable. What the replica did not
// have when it was promoted is lost for the stream, and so is all that the former master
// takes until it knows, unless min-replicas-to-write makes it refuse.
//
// The package depends on go-redis; docs/decisions/0006-redis-client.md says why.
package redisstream

import (
	"context"

	"github.com/redis/go-redis/v9"

	"github.com/weirproxy/weir/internal/failpoint"
	"github.com/weirproxy/weir/internal/redisclient"
	"github.com/weirproxy/weir/outboxworker/sink"
)

// Sink appends messages to Redis Streams. Make one with New.
type Sink struct {
	settings Settings
	client   *redis.Client
}

var _ sink.Sink = (*Sink)(nil)

// New returns a sink. It connects when there is something to deliver.
func New(settings Settings) (*Sink, error) {
	if err := settings.Validate(); err != nil {
		return nil, err
	}
	client, err := redisclient.New(settings.client())
	if err != nil {
		return nil, err
	}
	return &Sink{settings: settings, client: client}, nil
}

// Close closes the connections.
func (s *Sink) Close() error { return s.client.Close() }

// Deliver appends the messages of a batch. When ctx is done, it waits for the call of
// the script that is under way, Settings.Timeout at most.
func (s *Sink) Deliver(ctx context.Context, batch *sink.Batch) {
	d := newDelivery(batch, s.settings.naming())
	for !d.stopped && !batch.Expired(ctx) {
		chunks := d.step(s.settings.ChunkMessages)
		if len(chunks) == 0 {
			return
		}
		s.send(ctx, d, chunks)
		failpoint.Hit("mid_publish")
	}
}

// send sends the chunks of a step and settles their messages.
func (s *Sink) send(ctx context.Context, d *delivery, chunks []chunk) {
	ctx, cancel := context.WithTimeout(ctx, s.settings.Timeout)
	defer cancel()
	e := encoders.Get().(*encoder)
	defer e.recycle()

	calls := make([]*redis.Cmd, len(chunks))
	for i := range chunks {
		c := &chunks[i]
		calls[i] = redis.NewCmd(ctx, e.call(s.settings.stream(c.run.to), s.settings.MaxLen, d.batch.Messages, c)...)
	}
	s.process(ctx, calls)
	s.processUnknown(ctx, calls)

	for i, call := range calls {
		c := &chunks[i]
		n, text, err := reply(call, len(c.at))
		if err != nil {
			v, answered := judgeCall(s.settings.stream(c.run.to), err)
			if answered {
				d.answered(c, 0, v)
			} else {
				d.unanswered(c, v)
			}
			continue
		}
		var v verdict
		if n < len(c.at) {
			v = judgeAppend(s.settings.stream(c.run.to), text)
		}
		d.answered(c, n, v)
	}
}

// process sends calls, together if there are several. Their errors are in the calls.
func (s *Sink) process(ctx context.Context, calls []*redis.Cmd) {
	if len(calls) == 1 {
		_ = s.client.Process(ctx, calls[0])
		return
	}
	pipeline := s.client.Pipeline()
	for _, call := range calls {
		_ = pipeline.Process(ctx, call)
	}
	_, _ = pipeline.Exec(ctx)
}

// processUnknown repeats calls that Redis did not make because it has no such script,
// with the script's text, which it then keeps.
func (s *Sink) processUnknown(ctx context.Context, calls []*redis.Cmd) {
	var again []*redis.Cmd
	for i, call := range calls {
		if isUnknownScript(call.Err()) {
			calls[i] = redis.NewCmd(ctx, withText(call.Args())...)
			again = append(again, calls[i])
		}
	}
	if len(again) > 0 {
		s.process(ctx, again)
	}
}
