package relay

// rows.go reads messages from the results of look and due.

import (
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/weirproxy/weir/outboxworker/sink"
)

// pending is a message of a look.
type pending struct {
	message sink.Message
	place   pgtype.TID
	// waits tells that a message of its key waits, delayed that its own time has
	// not come.
	waits, delayed bool
}

// waiting is a message of those that waited.
type waiting struct {
	message sink.Message
	state   string
	// late is for how many seconds a retry had been due when it was read; nil for
	// what is no retry.
	late *float64
}

// scanMessage holds what columns of a message are read into; texts that are NULL are
// empty.
type scanned struct {
	id        int64
	messageID uuid.UUID
	bizID     pgtype.Text
	topic     string
	key       pgtype.Text
	kind      string
	payload   []byte
	headers   []byte
	createdAt time.Time
}

func (s *scanned) message(l *lane, attempt int) sink.Message {
	return sink.Message{
		Position:  s.id,
		ID:        s.messageID,
		BizID:     s.bizID.String,
		Topic:     s.topic,
		Key:       s.key.String,
		HasKey:    s.key.Valid,
		Type:      s.kind,
		Payload:   s.payload,
		Headers:   s.headers,
		CreatedAt: s.createdAt,
		Attempt:   attempt,
		Lane:      int(l.number),
	}
}

// readPending reads the result of a look. last is the id of its last message if it was
// cut off, and 0 if it has all there was.
func readPending(l *lane, result pgx.Rows, into []pending) (messages []pending, last int64, err error) {
	messages = into[:0]
	for result.Next() {
		var s scanned
		var p pending
		var cut bool
		err := result.Scan(&p.place, &s.id, &s.messageID, &s.bizID, &s.topic, &s.key, &s.kind, &s.payload, &s.headers, &s.createdAt,
			&p.waits, &p.delayed, &cut)
		if err != nil {
			result.Close()
			return nil, 0, fmt.Errorf("reading a message: %w", err)
		}
		p.message = s.message(l, 1)
		messages = append(messages, p)
		last = 0
		if cut {
			last = s.id
		}
	}
	return messages, last, result.Err()
}

// due is where a message stands among those that are due.
type due struct {
	at time.Time
	id int64
}

// readWaiting reads the result of due. last is the last message that is tried again; zero
// if there is none.
func readWaiting(l *lane, result pgx.Rows) (messages []waiting, last due, err error) {
	for result.Next() {
		var s scanned
		var w waiting
		var attempts int
		err := result.Scan(&s.id, &w.state, &w.late, &attempts, &s.messageID, &s.bizID, &s.topic, &s.key, &s.kind, &s.payload, &s.headers, &s.createdAt, &last.at, &last.id)
		if err != nil {
			result.Close()
			return nil, due{}, fmt.Errorf("reading a waiting message: %w", err)
		}
		w.message = s.message(l, attempts+1)
		messages = append(messages, w)
	}
	return messages, last, result.Err()
}
