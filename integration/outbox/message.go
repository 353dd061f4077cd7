package outbox

// message.go holds how a message is recognised wherever it turns up.

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// message is the seq-th message of a key. Sequences begin at 1 and have no gaps: they
// are drawn under the lock that serialises the key's writers.
type message struct {
	key string
	seq int
}

func (m message) String() string { return fmt.Sprintf("%s:%d", m.key, m.seq) }

const (
	// payloadMark begins every payload. It must be in no log and in no error.
	payloadMark = "payload-of "
	// Messages whose keys begin so have no order: they were enqueued without a key,
	// or for a later time.
	loose = "loose"
	late  = "late"
	// big begins keys whose messages have bigPayload bytes.
	big        = "big"
	bigPayload = 1 << 20
)

// ordered tells whether the messages of a key have an order.
func (m message) ordered() bool {
	return !strings.HasPrefix(m.key, loose) && !strings.HasPrefix(m.key, late)
}

// payload is the message with bytes behind it that no text may hold, and as many more
// as the sequence says, so that one that was cut or changed is noticed.
func (m message) payload() []byte {
	head := payloadMark + m.String() + "\x00\xff"
	size := len(head) + m.seq%50
	if strings.HasPrefix(m.key, big) {
		size = bigPayload
	}
	payload := make([]byte, size)
	copy(payload, head)
	return payload
}

// parsePayload returns the message that a payload was made of.
func parsePayload(payload []byte) (message, error) {
	text, _, _ := strings.Cut(strings.TrimPrefix(string(payload), payloadMark), "\x00")
	at := strings.LastIndexByte(text, ':')
	if at < 0 {
		return message{}, fmt.Errorf("parsing a payload of %d bytes: it was never sent", len(payload))
	}
	seq, err := strconv.Atoi(text[at+1:])
	m := message{key: text[:at], seq: seq}
	if err != nil || !bytes.Equal(m.payload(), payload) {
		return message{}, fmt.Errorf("parsing a payload of %d bytes: it is not the one that was sent", len(payload))
	}
	return m, nil
}
