package consumer

// retries.go holds what an operator does with what waits for a retry.

import (
	"context"
	"encoding/base64"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// Retries are what waits for a retry, of a stream and a group. Make them with NewRetries.
type Retries struct{ access }

// NewRetries returns what waits for a retry, of a stream and a group; an ordered stream has
// a name for each lane. It asks Redis nothing.
func NewRetries(client redis.UniversalClient, streamName, group string) (*Retries, error) {
	a, err := newAccess(client, streamName, group)
	if err != nil {
		return nil, err
	}
	return &Retries{a}, nil
}

// The states of what waits.
const (
	// StateRetry: it is handled when it is due.
	StateRetry = "retry"
	// StateParked: it is behind another message of its key, in an ordered group.
	StateParked = "parked"
	// StateHandling: a consumer has taken it to be handled again.
	StateHandling = "handling"
)

// Retry is a message that waits for a retry.
type Retry struct {
	// EntryID is that of the entry in the stream.
	EntryID string
	// Message is what could be read of the message, without payload and headers.
	Message Message
	// PayloadBytes is the payload's length.
	PayloadBytes int
	// State is StateRetry or StateParked; of what Find finds also StateHandling.
	State string
	// Due is when it is handled next; zero for what is parked or handled, or where it
	// has no time, or one of many thousand years.
	Due time.Time
	// Overdue tells that Due is over, by the server's clock.
	Overdue bool
	// Since is when it began to wait: when it last failed, or was replayed; of what was
	// never tried when it was appended.
	Since time.Time
	// Attempts counts attempts, as Message.Attempt does, without the next.
	Attempts int
	// Class, Error and Fingerprint are those of the last failure.
	Class, Error, Fingerprint string
	// Letter is the id of the dead letter of which this is a replay, or "".
	Letter string

	// name is what the scripts know it by.
	name string
}

// List returns what waits for a retry in the order of when it is due, or what is parked by
// keys, as Filter.State says: after a place ("" from the first on), limit at most; next is
// where to go on, or "". What is due when is read in pages, and nobody who claims meanwhile
// is held up: what moves in that time may be left out, or be there twice.
func (r *Retries) List(ctx context.Context, f Filter, after string, limit int) (found []Retry, next string, err error) {
	if limit < 1 {
		return nil, "", nil
	}
	last := ""
	err = r.each(ctx, f, after, func(retry *Retry, place string, _ int64) bool {
		if len(found) == limit {
			next = last
			return false
		}
		found, last = append(found, *retry), place
		return true
	})
	return found, next, err
}

// RunNow makes messages due at once that wait for a retry. A consumer looks within a
// second; while its handler is Unavailable they wait for that. Of an ordered group the
// first of a key is due, and those parked behind it come after it, in their order.
//
// A command works in the order in which messages are due, and leaves alone what fails while
// it runs, so that nothing is tried twice by it. When ctx is done, or Redis fails, what
// it has done so far stays, and is returned with the error.
func (r *Retries) RunNow(ctx context.Context, f Filter, c Change) (Changed, error) {
	var began int64
	keys := append(r.stream.laneKeys(), r.stream.audit)
	return change(ctx, f, c, func(do func(id string) bool) error {
		return r.each(ctx, f, "", func(retry *Retry, _ string, at int64) bool {
			if began == 0 {
				began = at
			}
			return retry.Since.UnixMilli() >= began || do(retry.name)
		})
	}, func(names, audit []any) ([]any, error) {
		return r.call(ctx, waitingRunScript, keys, append(append([]any{began}, audit...), names...)...)
	})
}

// each calls do for what a filter selects, after a place, until do says false. It tells the
// place, and when it was asked for, in ms of the server's clock.
func (r *Retries) each(ctx context.Context, f Filter, after string, do func(retry *Retry, place string, at int64) bool) error {
	state := f.State
	if state == "" {
		state = StateRetry
	}
	score, member := readPlace(after)
	for {
		values, err := r.call(ctx, waitingListScript, r.stream.laneKeys(), state, score, member, page, readBytes)
		if err != nil {
			return err
		}
		if len(values) < 4 {
			return errAnswer
		}
		at, isTime := values[0].(int64)
		more, isNumber := values[1].(int64)
		var isScore, isMember bool
		score, isScore = values[2].(string)
		member, isMember = values[3].(string)
		if !isTime || !isNumber || !isScore || !isMember {
			return errAnswer
		}
		for _, value := range values[4:] {
			one, ok := value.([]any)
			if !ok || len(one) != 3 {
				return errAnswer
			}
			itsScore, isScore := one[0].(string)
			itsMember, isMember := one[1].(string)
			row, isRow := one[2].([]any)
			if !isScore || !isMember || !isRow {
				return errAnswer
			}
			retry, err := r.decodeRow(row)
			if err != nil {
				return err
			}
			if f.selectsRetry(retry) && !do(retry, writePlace(itsScore, itsMember), at) {
				return nil
			}
		}
		if more == 0 {
			return nil
		}
	}
}

// A place is a score and a member, which may be anything.
func writePlace(score, member string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(score + " " + member))
}

func readPlace(place string) (score, member string) {
	text, err := base64.RawURLEncoding.DecodeString(place)
	if err != nil {
		return "", ""
	}
	score, member, _ = strings.Cut(string(text), " ")
	return score, member
}

// decodeRow reads a row of the scripts.
func (a *access) decodeRow(row []any) (*Retry, error) {
	if len(row) != 8 {
		return nil, errAnswer
	}
	name, isName := row[0].(string)
	what, isCondition := row[1].(string)
	due, isScore := row[2].(string)
	over, isNumber := row[3].(int64)
	since, isTime := row[4].(string)
	bytes, isCount := row[5].(int64)
	text, isState := row[6].(string)
	fields, isList := row[7].([]any)
	if !isName || !isCondition || !isScore || !isNumber || !isTime || !isCount || !isState || !isList {
		return nil, errAnswer
	}
	s := readState(text)
	r := &Retry{
		EntryID: s.Entry, PayloadBytes: int(bytes), State: what, Due: timeOf(due), Overdue: over == 1, Since: timeOf(since),
		Attempts: count(s.Attempts), Class: s.Class, Error: s.Error, Fingerprint: s.Fingerprint, Letter: s.Dead, name: name,
	}
	r.Message = a.readBare(fields, s.Entry)
	r.Message.Attempt, r.Message.Replays = r.Attempts, count(s.Replays)
	return r, nil
}

// readBare reads what it can of an entry whose payload and headers are not there.
func (a *access) readBare(fields []any, entry string) (m Message) {
	_ = m.decode(fieldsOf(fields), a.stream.group, math.MaxInt)
	m.Stream, m.EntryID = a.stream.name, entry
	return m
}

// timeOf is the time of a number of ms, which foreign hands make as large as they like:
// zero if it has no date.
func timeOf(text string) time.Time {
	const years10000 = 253402300800000
	ms, err := strconv.ParseFloat(text, 64)
	if err != nil || !(ms >= 0 && ms < years10000) {
		return time.Time{}
	}
	return time.UnixMilli(int64(ms))
}

// selectsRetry tells whether the filter selects what waits.
func (f *Filter) selectsRetry(r *Retry) bool {
	return f.selects(&r.Message, r.Class, r.Fingerprint, r.Error, r.Since) &&
		(len(f.IDs) == 0 || slices.Contains(f.IDs, r.EntryID))
}
