package operator

// message.go holds what an operator sees of a message.

import (
	"errors"
	"time"

	"github.com/google/uuid"
)

// ErrNotFound says that there is no such message where it was looked for.
var ErrNotFound = errors.New("there is no such message")

// Message is what all messages have.
type Message struct {
	// Position is the message's id in its outbox.
	Position int64 `json:"position"`
	// ID is what consumers know the message by.
	ID uuid.UUID `json:"id"`
	// BizID is the producer's own id; may be empty.
	BizID string `json:"biz_id,omitempty"`
	Topic string `json:"topic"`
	// Key is nil if the message has none.
	Key  *string `json:"key,omitempty"`
	Type string  `json:"type,omitempty"`
	Lane int16   `json:"lane"`
	// Attempts is how often the message was sent and not taken.
	Attempts int `json:"attempts"`
	// Class is the kind of the last error, LastError its text.
	Class     string    `json:"class,omitempty"`
	LastError string    `json:"last_error,omitempty"`
	CreatedAt time.Time `json:"created_at"`
	// Bytes is the size of the payload.
	Bytes int `json:"bytes"`
}

// Dead is a dead message.
type Dead struct {
	Message
	// Reason is fatal, exhausted or skipped.
	Reason      string    `json:"reason"`
	Fingerprint string    `json:"fingerprint,omitempty"`
	DiedAt      time.Time `json:"died_at"`
	// Holds tells that later messages of its key wait for an operator.
	Holds bool `json:"holds,omitempty"`
	// ReplayingAt is since when it is being delivered again, or nil.
	ReplayingAt *time.Time `json:"replaying_at,omitempty"`
	// Replays is how often that was begun.
	Replays int `json:"replays,omitempty"`
}

// Content is what a message holds.
type Content struct {
	Payload []byte            `json:"payload"`
	Headers map[string]string `json:"headers,omitempty"`
}

// Retry is a message that waits.
type Retry struct {
	Message
	// State is retry, parked behind another of its key, or delayed.
	State string `json:"state"`
	// Due is when it is tried next; nil for one that is parked.
	Due *time.Time `json:"due,omitempty"`
	// Since is when it began to wait.
	Since time.Time `json:"since"`
}

// Group is dead messages whose errors differ in numbers and ids alone.
type Group struct {
	Fingerprint string `json:"fingerprint"`
	Class       string `json:"class"`
	Reason      string `json:"reason"`
	// Shape is the error without what differs, Sample the error of one of them.
	Shape  string `json:"shape"`
	Sample string `json:"sample"`
	Count  int64  `json:"count"`
	// Topics are those of the messages, at most 20.
	Topics []string `json:"topics"`
	// First and Last are when the first and the last of them died.
	First time.Time `json:"first"`
	Last  time.Time `json:"last"`
	// Replaying is how many of them are being delivered again.
	Replaying int64 `json:"replaying"`
}

// BlockedKey is a key whose messages wait.
type BlockedKey struct {
	Key  string `json:"key"`
	Lane int16  `json:"lane"`
	// State is retrying: its first message is tried again; held: a dead message holds
	// the key; or orphaned: messages wait behind nothing, which a relay finds and
	// mends.
	State string `json:"state"`
	// Head and HeadID are the position and the id of the message that is tried again,
	// or of the dead one.
	Head      int64     `json:"head"`
	HeadID    uuid.UUID `json:"head_id"`
	Topic     string    `json:"topic"`
	Attempts  int       `json:"attempts"`
	Class     string    `json:"class,omitempty"`
	LastError string    `json:"last_error,omitempty"`
	// Since is when the head began to wait, or died.
	Since time.Time `json:"since"`
	// Due is when the head is tried next, or nil.
	Due *time.Time `json:"due,omitempty"`
	// Parked is how many messages wait behind the head.
	Parked int64 `json:"parked"`
}
