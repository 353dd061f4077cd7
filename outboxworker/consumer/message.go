package consumer

// message.go holds what an entry is to a handler.

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/weirproxy/weir/governance/tracecontext"
	"github.com/weirproxy/weir/outboxworker/idempotency"
)

// Message is an entry of a stream.
type Message struct {
	// ID identifies the message, also when it is delivered twice.
	ID string
	// Topic is what the message is about; never empty.
	Topic string
	// Key is what the producer kept messages in order by, if HasKey.
	Key    string
	HasKey bool
	// Type is the kind of event; may be empty.
	Type string
	// Payload may be anything, also nothing.
	Payload []byte
	// Headers may be nil. Numbers, true and false are as JSON writes them; what is no
	// text at all, as an object, is left out.
	Headers map[string]string
	// BizID is the producer's own id of what the message is about; may be empty.
	BizID string
	// CreatedAt is when the message was enqueued; zero if the entry does not say.
	CreatedAt time.Time
	// Stream and EntryID are where the message was appended.
	Stream, EntryID string
	// Attempt counts the attempts to handle the message, from 1. Attempts that did
	// not count are not counted: see Busy and Unavailable.
	Attempt int
	// Replays is how often an operator brought the message back from the dead letters.
	Replays int
}

// TraceID is the trace that the message belongs to, by its header traceparent; empty if
// there is none.
func (m *Message) TraceID() string {
	parsed, ok := tracecontext.ParseTraceparent(m.Headers["traceparent"])
	if !ok {
		return ""
	}
	return parsed.TraceID
}

// decode reads the fields of an entry, but for the payload. Its errors say what is wrong with the entry, and
// nothing of what is in it.
func (m *Message) decode(fields map[string]string, group string, maxBytes int) error {
	size := size(fields)
	m.ID, m.Topic, m.Type, m.BizID = clipped(fields["id"], idempotency.MaxLength), fields["topic"], fields["type"], fields["biz_id"]
	m.Key, m.HasKey = fields["key"]
	if size > maxBytes {
		return fmt.Errorf("the entry has %d bytes, %d at most are allowed", size, maxBytes)
	}
	for _, name := range []string{"id", "topic", "payload"} {
		if _, ok := fields[name]; !ok {
			return fmt.Errorf("the entry has no field %s", name)
		}
	}
	if err := idempotency.Check(group, fields["id"]); err != nil {
		return err
	}
	if fields["topic"] == "" {
		return errors.New("the entry's topic is empty")
	}
	if text := fields["headers"]; text != "" {
		var err error
		if m.Headers, err = decodeHeaders(text); err != nil {
			return err
		}
	}
	if text := fields["created_at"]; text != "" {
		at, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			return errors.New("the entry's created_at is not a time")
		}
		m.CreatedAt = at
	}
	return nil
}

// size is how many bytes the fields of an entry have.
func size(fields map[string]string) (bytes int) {
	for name, value := range fields {
		bytes += len(name) + len(value)
	}
	return bytes
}

// decodeHeaders reads the headers of an entry, into which SQL may have written any JSON.
func decodeHeaders(text string) (map[string]string, error) {
	var values map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &values); err != nil {
		return nil, errors.New("the entry's headers are not a JSON object")
	}
	headers := make(map[string]string, len(values))
	for name, raw := range values {
		switch raw[0] {
		case '{', '[', 'n':
		case '"':
			var value string
			if err := json.Unmarshal(raw, &value); err != nil {
				return nil, errors.New("the entry's headers are not a JSON object")
			}
			headers[name] = value
		default:
			headers[name] = string(raw)
		}
	}
	return headers, nil
}
