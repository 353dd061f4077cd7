package cli

// message.go has what all lists of messages show, of an outbox and of a consumer.

import (
	"strconv"

	"github.com/weirproxy/weir/outboxworker/consumer"
	"github.com/weirproxy/weir/outboxworker/operator"
)

// message is what a message has wherever it is.
type message struct {
	ID    string  `json:"id"`
	BizID string  `json:"biz_id,omitempty"`
	Topic string  `json:"topic"`
	Key   *string `json:"key,omitempty"`
	Type  string  `json:"type,omitempty"`
}

func messageOf(m *operator.Message) message {
	return message{m.ID.String(), m.BizID, m.Topic, m.Key, m.Type}
}

func messageOfConsumer(m *consumer.Message) message {
	one := message{ID: m.ID, BizID: m.BizID, Topic: m.Topic, Type: m.Type}
	if m.HasKey {
		one.Key = &m.Key
	}
	return one
}

// located is a message of an outbox, or of a consumer's stream.
type located struct {
	// Position is the message's id in its outbox.
	Position int64 `json:"position,omitempty"`
	// Entry is the id of a consumer's entry in Stream, and Letter that of its dead letter,
	// or of the one of which it is a replay.
	Stream string `json:"stream,omitempty"`
	Entry  string `json:"entry,omitempty"`
	Letter string `json:"letter,omitempty"`
	message
}

// locatedColumns are the columns that say where a message is, at the beginning of a list.
func locatedColumns[T any](of string, in func(*T) *located) []column[T] {
	if of == "" {
		return []column[T]{{"POSITION", func(row *T) string { return strconv.FormatInt(in(row).Position, 10) }}}
	}
	return []column[T]{
		{"ENTRY", func(row *T) string { return in(row).Entry }},
		{"STREAM", func(row *T) string { return word(in(row).Stream) }},
	}
}
