package stdout

// line.go holds how a message is written.

import (
	"bytes"
	"encoding/json"
	"fmt"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/weirproxy/weir/outboxworker/sink"
)

// timeLayout is RFC 3339 with the microseconds that PostgreSQL has. encoding/json
// would refuse years of five digits.
const timeLayout = "2006-01-02T15:04:05.000000Z07:00"

// line is a message as the package comment describes it.
type line struct {
	ID            uuid.UUID       `json:"id"`
	Topic         string          `json:"topic"`
	Key           *string         `json:"key,omitempty"`
	Type          string          `json:"type,omitempty"`
	BizID         string          `json:"biz_id,omitempty"`
	CreatedAt     string          `json:"created_at"`
	Headers       json.RawMessage `json:"headers,omitempty"`
	HeadersBase64 []byte          `json:"headers_base64,omitempty"`
	Payload       json.RawMessage `json:"payload,omitempty"`
	// A pointer, because bytes that are there but empty are to be seen.
	PayloadBase64 *[]byte `json:"payload_base64,omitempty"`
}

// appendLine writes a message and a line break to the buffer. After an error the
// buffer is as it was.
func appendLine(to *bytes.Buffer, m *sink.Message) error {
	l := line{ID: m.ID, Topic: m.Topic, Type: m.Type, BizID: m.BizID, CreatedAt: m.CreatedAt.UTC().Format(timeLayout)}
	if m.HasKey {
		l.Key = &m.Key
	}
	switch {
	case len(m.Headers) == 0:
	case isJSON(m.Headers):
		l.Headers = m.Headers
	default:
		l.HeadersBase64 = m.Headers
	}
	if isJSON(m.Payload) {
		l.Payload = m.Payload
	} else {
		l.PayloadBase64 = &m.Payload
		if m.Payload == nil {
			l.PayloadBase64 = &[]byte{}
		}
	}

	before := to.Len()
	encoder := json.NewEncoder(to)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(&l); err != nil {
		to.Truncate(before)
		return fmt.Errorf("encoding message %s: %w", m.ID, err)
	}
	return nil
}

// isJSON is stricter than json.Valid, which takes strings that are not UTF-8.
func isJSON(data []byte) bool { return utf8.Valid(data) && json.Valid(data) }
