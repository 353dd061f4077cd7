// Package sink says what a relay delivers messages to, and what may become of them.
//
// A sink of an own kind implements Sink. One that delivers each message by itself,
// as most protocols do, implements Deliverer and is made a Sink by Keyed.
//
// The package depends on google/uuid for the ids of messages.
package sink

import (
	"context"
	"time"

	"github.com/google/uuid"
)

// Message is a message as it stands in the outbox.
type Message struct {
	// Position is the message's id in the table of pending messages. Per key it
	// grows in the order in which the messages are delivered.
	Position int64
	// ID identifies the message for its consumers, also when it is delivered twice.
	ID uuid.UUID
	// BizID is the producer's own id of what the message is about; may be empty.
	BizID string
	// Topic is what the message is about; never empty.
	Topic string
	// Key is what messages are kept in order by. Messages with HasKey false have
	// no order.
	Key    string
	HasKey bool
	// Type is the kind of event; may be empty.
	Type string
	// Payload may be anything, also nothing.
	Payload []byte
	// Headers is a JSON object, or empty.
	Headers []byte
	// CreatedAt is when the message was enqueued.
	CreatedAt time.Time
	// Attempt counts deliveries of the message, from 1.
	Attempt int
	// Lane is the part of the outbox that the message is in, 0 to 7. All messages of a
	// key are in one.
	Lane int
}

// Outcome is what became of a message. The zero value is NotSent.
type Outcome uint8

const (
	// NotSent: nothing was sent, and nothing is known about the message.
	NotSent Outcome = iota
	// Delivered: the receiver has taken the message over.
	Delivered
	// Refused: the receiver could not take this message; it may take it later.
	Refused
	// Failed: something went wrong when the receiver had the message, and either may be
	// at fault, the message or the receiver.
	Failed
	// Fatal: the receiver will never take this message.
	Fatal
	// Throttled: the receiver takes nothing until Result.RetryAfter has passed.
	Throttled
	// Unreachable: nobody answered. The message may or may not have arrived.
	Unreachable
)

// String returns the outcome as metrics and logs name it.
func (o Outcome) String() string {
	switch o {
	case Delivered:
		return "delivered"
	case Refused:
		return "refused"
	case Failed:
		return "failed"
	case Fatal:
		return "fatal"
	case Throttled:
		return "throttled"
	case Unreachable:
		return "unreachable"
	default:
		return "not_sent"
	}
}

// Result is the outcome of one message.
type Result struct {
	Outcome Outcome
	// Err says why a message was not delivered. Its text may hold what the
	// receiver answered, in any encoding, but never the message's payload.
	Err error
	// Class is the kind of Err, of which there are few, for operators to select by:
	// as "status 422" or "OOM". Empty: the outcome's name.
	Class string
	// RetryAfter is how long the receiver wants to be left alone after Throttled, or
	// wants the message to wait at least that it Refused or at which it Failed. 0: it
	// did not say.
	RetryAfter time.Duration
}

// Batch is one call's messages, in the order of their positions, and what becomes
// of them.
type Batch struct {
	Messages []Message
	// Results has one element for each message, all zero when Deliver is called.
	Results []Result
	// Until is when a sink should stop beginning to send; what it then has not
	// sent stays NotSent. Zero means no limit.
	Until time.Time
}

// Sink delivers messages. Deliver may be called by several workers at once, but
// never for two messages of one key at once.
//
// It fills in the results. It keeps three promises:
//   - no message of a key is sent after one of the same key in the batch was not
//     delivered: its followers stay NotSent;
//   - after Throttled and Unreachable it begins nothing new;
//   - when ctx is done it sends nothing more, and returns soon.
//
// It keeps nothing of the batch after it returned.
type Sink interface {
	Deliver(ctx context.Context, batch *Batch)
	// Close gives connections up. No Deliver is under way then.
	Close() error
}

// Deliverer delivers one message at a time. Deliver may be called by several
// goroutines at once.
type Deliverer interface {
	Deliver(ctx context.Context, message *Message) Result
	Close() error
}
