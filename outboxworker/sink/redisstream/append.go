package redisstream

// append.go holds the call of the script and its answer.

import (
	"crypto/sha1" // what Redis names scripts by
	_ "embed"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"github.com/weirproxy/weir/outboxworker/sink"
)

//go:embed append-1.lua
var script string

var scriptName = func() string {
	sum := sha1.Sum([]byte(script))
	return hex.EncodeToString(sum[:])
}()

const timeLayout = "2006-01-02T15:04:05.000000Z07:00"

// Which fields a message has.
const (
	hasKey = 1 << iota
	hasType
	hasHeaders
	hasBizID
)

// layouts are the names of an entry's fields, by what the message has.
var layouts = func() (all [16]string) {
	for has := range all {
		names := []string{"id", "topic"}
		if has&hasKey != 0 {
			names = append(names, "key")
		}
		if has&hasType != 0 {
			names = append(names, "type")
		}
		names = append(names, "payload")
		if has&hasHeaders != 0 {
			names = append(names, "headers")
		}
		if has&hasBizID != 0 {
			names = append(names, "biz_id")
		}
		all[has] = strings.Join(append(names, "created_at"), ",")
	}
	return all
}()

// sameLayout says that a message has the fields of the one before it.
var sameLayout = ""

// encoder builds calls of the script. The client takes arguments as values of type
// any: pointers, to strings or to a value, go into one without an allocation, where a
// string or a slice of bytes would cost one.
type encoder struct {
	args   []any
	values []value
	text   []byte
}

// value is an argument of bytes.
type value []byte

// MarshalBinary returns the bytes.
func (v *value) MarshalBinary() ([]byte, error) { return *v, nil }

var encoders = sync.Pool{New: func() any { return new(encoder) }}

// recycle forgets the messages.
func (e *encoder) recycle() {
	clear(e.args)
	clear(e.values)
	e.args, e.values, e.text = e.args[:0], e.values[:0], e.text[:0]
	encoders.Put(e)
}

// call returns the arguments of the call that appends a chunk. They are valid until
// recycle.
func (e *encoder) call(stream string, maxLen int64, messages []sink.Message, c *chunk) []any {
	from := len(e.args)
	trim := ""
	if maxLen > 0 {
		trim = strconv.FormatInt(maxLen, 10)
	}
	e.args = append(e.args, "evalsha", scriptName, "1", stream, trim)
	before := -1
	for i := range c.at {
		m := &messages[c.message(i)]
		has := fields(m)
		if has == before {
			e.args = append(e.args, &sameLayout)
		} else {
			e.args = append(e.args, &layouts[has])
		}
		before = has
		e.message(m, has)
	}
	return e.args[from:len(e.args):len(e.args)]
}

// withText is a call with the script's text in place of its name.
func withText(args []any) []any {
	args[0], args[1] = "eval", script
	return args
}

func fields(m *sink.Message) (has int) {
	if m.HasKey {
		has |= hasKey
	}
	if m.Type != "" {
		has |= hasType
	}
	if len(m.Headers) > 0 {
		has |= hasHeaders
	}
	if m.BizID != "" {
		has |= hasBizID
	}
	return has
}

func (e *encoder) message(m *sink.Message, has int) {
	start := len(e.text)
	e.text = appendUUID(e.text, m.ID)
	e.bytes(e.text[start:])
	e.args = append(e.args, &m.Topic)
	if has&hasKey != 0 {
		e.args = append(e.args, &m.Key)
	}
	if has&hasType != 0 {
		e.args = append(e.args, &m.Type)
	}
	e.bytes(m.Payload)
	if has&hasHeaders != 0 {
		e.bytes(m.Headers)
	}
	if has&hasBizID != 0 {
		e.args = append(e.args, &m.BizID)
	}
	start = len(e.text)
	e.text = m.CreatedAt.UTC().AppendFormat(e.text, timeLayout)
	e.bytes(e.text[start:])
}

// bytes adds an argument. When values grows, earlier arguments point into what it was
// before, where they still are.
func (e *encoder) bytes(data []byte) {
	e.values = append(e.values, data)
	e.args = append(e.args, &e.values[len(e.values)-1])
}

func appendUUID(to []byte, id uuid.UUID) []byte {
	to = hex.AppendEncode(to, id[:4])
	for _, part := range [...][]byte{id[4:6], id[6:8], id[8:10], id[10:]} {
		to = append(to, '-')
		to = hex.AppendEncode(to, part)
	}
	return to
}

// reply reads the script's answer to a chunk of that many messages.
func reply(call *redis.Cmd, messages int) (n int, text string, err error) {
	answer, err := call.Slice()
	if err != nil {
		return 0, "", err
	}
	if len(answer) == 2 {
		count, isCount := answer[0].(int64)
		text, isText := answer[1].(string)
		if isCount && isText && count >= 0 && (count == int64(messages) || count < int64(messages) && text != "") {
			return int(count), text, nil
		}
	}
	return 0, "", fmt.Errorf("reading the answer of the script: got %d elements that are not a count and an error", len(answer))
}
