// Package stdout is a sink that writes each message as one line of JSON:
//
//	{"id":"0198...","topic":"orders","key":"42","type":"order.paid","biz_id":"o-7",
//	 "created_at":"2026-01-02T03:04:05.678901Z","headers":{"traceparent":"00-..."},
//	 "payload":{"amount":12}}
//
// key is there for messages with a key; type, biz_id and headers where they are not
// empty. A payload that is no JSON, an empty one included, is in payload_base64
// instead; so are headers that are none, in headers_base64. Line breaks inside of a
// payload's JSON are dropped.
//
// The package depends on google/uuid for the ids of messages.
package stdout

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/weirproxy/weir/outboxworker/sink"
)

// flushBytes is how much is written at once, so that memory does not grow with the
// batch and a stop is noticed within it.
const flushBytes = 64 << 10

// Settings are what the sink can be told.
type Settings struct {
	// Writer is where the lines go. The sink does not close it, and Deliver waits
	// as long as it does, also when ctx is done: the reader of a full pipe decides.
	// Default: os.Stdout.
	Writer io.Writer
}

// DefaultSettings are the defaults.
func DefaultSettings() Settings { return Settings{Writer: os.Stdout} }

// Validate tells what is wrong with the settings.
func (s *Settings) Validate() error {
	if s.Writer == nil {
		return errors.New("writer: not set")
	}
	return nil
}

// New returns the sink.
func New(settings Settings) (sink.Sink, error) {
	if err := settings.Validate(); err != nil {
		return nil, err
	}
	return &lines{writer: settings.Writer}, nil
}

type lines struct {
	mu     sync.Mutex
	writer io.Writer
	buffer bytes.Buffer
	// torn tells that the last write ended inside of a line.
	torn bool
}

// Close does nothing: the writer is not the sink's.
func (l *lines) Close() error { return nil }

// Deliver writes the messages in their order. A message that cannot be written is
// Unreachable, and those after it are not sent.
func (l *lines) Deliver(ctx context.Context, batch *sink.Batch) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for from := 0; from < len(batch.Messages) && !batch.Expired(ctx); {
		ends, err := l.fill(batch, from)
		if !l.flush(batch, from, ends) {
			return
		}
		from += len(ends)
		if err != nil {
			// The rest waits for the next batch: some of it may be of the same key.
			batch.Results[from] = sink.Result{Outcome: sink.Fatal, Err: err}
			return
		}
	}
}

// fill encodes messages from one on until there is enough to write, or until one
// cannot be encoded. It returns where in the buffer the line of each ends.
func (l *lines) fill(batch *sink.Batch, from int) (ends []int, err error) {
	l.buffer.Reset()
	if l.torn {
		l.buffer.WriteByte('\n')
	}
	for i := from; i < len(batch.Messages) && l.buffer.Len() < flushBytes; i++ {
		if err := appendLine(&l.buffer, &batch.Messages[i]); err != nil {
			return ends, err
		}
		ends = append(ends, l.buffer.Len())
	}
	return ends, nil
}

// flush writes the buffer and settles its messages. It returns false when not all
// was written.
func (l *lines) flush(batch *sink.Batch, from int, ends []int) bool {
	data := l.buffer.Bytes()
	written, err := l.writer.Write(data)
	written = max(0, min(written, len(data)))
	if written > 0 {
		l.torn = data[written-1] != '\n'
	}
	for i, end := range ends {
		if written >= end {
			batch.Results[from+i].Outcome = sink.Delivered
			continue
		}
		if err == nil {
			err = io.ErrShortWrite
		}
		batch.Results[from+i] = sink.Result{Outcome: sink.Unreachable, Err: fmt.Errorf("writing message: %w", err)}
		return false
	}
	return true
}
