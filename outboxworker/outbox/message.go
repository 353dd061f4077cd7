package outbox

// message.go holds what a message is, and what the table takes.

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
)

// Limits of a message, in bytes. The table has them too.
const (
	MaxBizID   = 255
	MaxTopic   = 255
	MaxKey     = 1024
	MaxType    = 255
	MaxPayload = 4 << 20
	// MaxHeaders bounds the headers as a JSON object, with a space after each colon
	// and comma.
	MaxHeaders = 64 << 10
)

// Message is a message to be enqueued. All text is valid UTF-8 without NUL, as
// PostgreSQL wants it; the payload may be anything.
type Message struct {
	// ID is what consumers recognise the message by when it is delivered twice. Zero
	// means a new UUID of version 7: it is known without asking the database, and as
	// such ids grow with time, an index over them, such as that of a consumer's
	// inbox, is written at its end and not all over. Nothing checks that an ID that
	// is given is new.
	ID uuid.UUID
	// BizID is the producer's own id of what the message is about; may be empty.
	BizID string
	// Topic is what the message is about. Never empty.
	Topic string
	// Key is what messages are kept in order by: those of one key are delivered in
	// order. Empty means no order.
	Key string
	// Type is the kind of event; may be empty.
	Type string
	// Payload may be anything, also nothing.
	Payload []byte
	// Headers go to the consumer with the payload. They are added to those of the
	// context, see ContextWithHeader, and win over them.
	Headers map[string]string
	// DeliverAfter is when the message is delivered at the earliest; until then it
	// is outside of its key's order, and later ones go before it. Zero means at
	// once, as does a time that has passed.
	DeliverAfter time.Time
}

// row is a message as it is written.
type row struct {
	*Message
	id      uuid.UUID
	headers string
}

// set makes the row of a message, or says why there can be none.
func (r *row) set(m *Message, from *headers) error {
	if err := m.check(); err != nil {
		return err
	}
	encoded, err := from.with(m.Headers)
	if err != nil {
		return err
	}
	id := m.ID
	if id == (uuid.UUID{}) {
		if id, err = uuid.NewV7(); err != nil {
			return fmt.Errorf("drawing an id: %w", err)
		}
	}
	*r = row{m, id, encoded}
	return nil
}

// size is about how many bytes of a statement a row takes.
func (r *row) size() int {
	const rest = 64 // ids, times, lengths
	return len(r.BizID) + len(r.Topic) + len(r.Key) + len(r.Type) + len(r.Payload) + len(r.headers) + rest
}

func (m *Message) check() error {
	if m.Topic == "" {
		return errors.New("checking topic: it is empty")
	}
	for _, text := range []struct {
		name, value string
		limit       int
	}{
		{"biz_id", m.BizID, MaxBizID},
		{"topic", m.Topic, MaxTopic},
		{"key", m.Key, MaxKey},
		{"type", m.Type, MaxType},
	} {
		if len(text.value) > text.limit {
			return fmt.Errorf("checking %s: %d bytes are more than %d", text.name, len(text.value), text.limit)
		}
		if err := checkText(text.value); err != nil {
			return fmt.Errorf("checking %s: %w", text.name, err)
		}
	}
	if len(m.Payload) > MaxPayload {
		return fmt.Errorf("checking payload: %d bytes are more than %d", len(m.Payload), MaxPayload)
	}
	// Neither PostgreSQL nor every driver has a form for other years.
	if year := m.DeliverAfter.UTC().Year(); !m.DeliverAfter.IsZero() && (year < 1 || year > 9999) {
		return fmt.Errorf("checking deliver_after: the year %d is not between 1 and 9999", year)
	}
	return nil
}

func checkText(s string) error {
	switch {
	case !utf8.ValidString(s):
		return errors.New("it is not valid UTF-8")
	case strings.IndexByte(s, 0) >= 0:
		return errors.New("it holds a NUL")
	}
	return nil
}
