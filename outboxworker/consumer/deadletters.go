package consumer

// deadletters.go holds what an operator does with dead letters.

import (
	"time"

	"github.com/redis/go-redis/v9"
)

// DeadLetters are the dead letters of a stream and a group. Nothing removes them but
// Discard, and a replay that ends well. Make them with NewDeadLetters.
type DeadLetters struct{ access }

// NewDeadLetters returns the dead letters of a stream and a group. It asks Redis nothing.
func NewDeadLetters(client redis.UniversalClient, streamName, group string) (*DeadLetters, error) {
	a, err := newAccess(client, streamName, group)
	if err != nil {
		return nil, err
	}
	return &DeadLetters{a}, nil
}

// Filter selects dead letters, or what waits for a retry: those for which all that is set
// holds.
type Filter struct {
	Topic       string  `json:"topic,omitzero"`
	Key         *string `json:"key,omitzero"`
	Class       string  `json:"class,omitzero"`
	Fingerprint string  `json:"fingerprint,omitzero"`
	// Text is a part of the error, in small or capital letters.
	Text string `json:"text,omitzero"`
	// Since and Until bound when the message died, or began to wait: from Since on, before
	// Until.
	Since time.Time `json:"since,omitzero"`
	Until time.Time `json:"until,omitzero"`
	// State is StateRetry, which "" means too, or StateParked. Not for dead letters.
	State string `json:"state,omitzero"`
	// IDs are those of dead letters, or of the entries of what waits; MessageIDs those of
	// messages.
	IDs        []string `json:"ids,omitzero"`
	MessageIDs []string `json:"message_ids,omitzero"`
	BizID      string   `json:"biz_id,omitzero"`
}

// Dead is a dead letter.
type Dead struct {
	// ID is that of the dead letter; EntryID that of the entry in the stream.
	ID, EntryID string
	// Message is what could be read of the message; Payload only if it was asked for.
	Message Message
	// PayloadBytes is the payload's length.
	PayloadBytes int
	DiedAt       time.Time
	// Attempts counts all attempts, replays included.
	Attempts int
	Class    string
	Error    string
	// Fingerprint is the same for errors that differ in numbers and ids alone.
	Fingerprint string
	Replays     int
	// Replaying tells that a replay is under way.
	Replaying bool
}

// Group is dead letters with the same fingerprint.
type Group struct {
	Fingerprint, Class string
	// Sample is the error of one of them.
	Sample string
	Count  int
	// Topics are those of the messages, at most 20.
	Topics      []string
	First, Last time.Time
	Replaying   int
}

// Change says how an operator's command is carried out.
type Change struct {
	// Actor and Reason go into the audit stream.
	Actor, Reason string
	// DryRun counts what would be changed.
	DryRun bool
	// Rate is the most messages a second; 0 is no limit.
	Rate float64
	// Limit is the most messages; 0 is no limit. AuditLimit is what the audit stream is
	// told of it, where a command has one for several streams; 0: Limit.
	Limit, AuditLimit int
	// MaxReplays is how often a message may be replayed; 0 means 5.
	MaxReplays int
	// Run is noted in the audit stream, to find what one command did; may be empty.
	Run string
	// Owed is how many messages the same command has changed before, in another stream,
	// for which the rate was not waited: the Owed of that.
	Owed int
}

// Changed is what a command has done, also when it was stopped half-way.
type Changed struct {
	// Matched counts what the filter selects, Changed what was changed.
	Matched, Changed int
	// Owed is how many messages the last batch changed: the rate is waited for before the
	// next one alone.
	Owed int
	// Skipped counts what was not changed, by reason: "gone", somebody else was faster. Of
	// dead letters "replaying", a replay is under way; "replays", it was replayed too
	// often; "foreign", it is no dead letter of a consumer. Of what waits "due", it is
	// already; "handling", a consumer has taken it; "parked", it is behind another of its
	// key; "changed", it was tried meanwhile.
	Skipped map[string]int
}
