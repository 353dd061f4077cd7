package consumer

// find.go looks for messages wherever a group may have them.

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// Place is where a message is, as a group sees it.
type Place string

const (
	// Unread: in the stream, and the group has not read it. Only the id of an entry finds
	// it there.
	Unread Place = "unread"
	// Pending: a consumer has read it and not ended it, or has vanished with it.
	Pending Place = "pending"
	// Waiting: for a retry, see Retry.State.
	Waiting Place = "waiting"
	// DeadLetter: among the dead letters.
	DeadLetter Place = "dead"
	// Acknowledged: in the stream, and the group has ended it. It is done, unless it
	// waits, or is or was a dead letter. Only the id of an entry finds it there.
	Acknowledged Place = "acknowledged"
)

// Search is what is looked for: exactly one of the three.
type Search struct {
	// ID is that of a message, or of its entry in the stream.
	ID string
	// BizID is the producer's own id.
	BizID string
	// Key is the key, which may be empty; nil: not looked for.
	Key *string
}

// Found is a message in one place.
type Found struct {
	Place Place
	// Retry says what else is known: of Waiting all, of the others the message, the entry,
	// and Since, which is when it was appended, was given to a consumer, or died; of
	// DeadLetter Attempts, Class and Error too.
	Retry
	// Replaying tells of a dead letter that a replay is under way.
	Replaying bool
}

// FindResult is what Find found.
type FindResult struct {
	// Found are the messages, at most as many as asked for.
	Found []Found
	// Truncated tells that there are more.
	Truncated bool
	// Unsearched are the places for which there was no time: a message may be there.
	Unsearched []Place
}

// Finder looks for messages of a stream and a group. Make one with NewFinder.
type Finder struct{ access }

// NewFinder returns what looks for messages of a stream and a group. It asks Redis nothing.
func NewFinder(client redis.UniversalClient, streamName, group string) (*Finder, error) {
	a, err := newAccess(client, streamName, group)
	if err != nil {
		return nil, err
	}
	return &Finder{a}, nil
}

// Find looks for messages among those that are pending, wait and are dead, in this order,
// which is the one they move in: what moves meanwhile may be found twice, and is not
// missed. It does not read the stream: what the group has not read, and what is done, it
// finds by the id of the entry alone, as long as that is in the stream.
//
// It returns limit of them at most, and looks, in small parts, through all that is in these
// places: when the deadline of ctx is over, the result says where it has not been.
func (f *Finder) Find(ctx context.Context, s Search, limit int) (*FindResult, error) {
	what, value, err := s.by()
	if err != nil {
		return nil, err
	}
	result := new(FindResult)
	add := func(found Found) bool {
		if result.Truncated = len(result.Found) == max(limit, 1); !result.Truncated {
			result.Found = append(result.Found, found)
		}
		return !result.Truncated
	}
	for _, in := range []struct {
		place Place
		look  func(context.Context, string, string, func(Found) bool) error
	}{{Unread, f.entry}, {Pending, f.pending}, {Waiting, f.waiting}, {DeadLetter, f.dead}} {
		if result.Truncated {
			break
		}
		err := context.Cause(ctx)
		if err == nil {
			err = in.look(ctx, what, value, add)
		}
		switch {
		case err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded):
			if in.place != Unread || entrySyntax.MatchString(value) {
				result.Unsearched = append(result.Unsearched, in.place)
			}
		case err != nil:
			return nil, fmt.Errorf("looking among the %s messages: %w", in.place, err)
		}
	}
	return result, nil
}

// by returns which field is looked at, and for which value.
func (s *Search) by() (what, value string, err error) {
	n := 0
	if s.ID != "" {
		what, value = "id", s.ID
		n++
	}
	if s.BizID != "" {
		what, value = "biz_id", s.BizID
		n++
	}
	if s.Key != nil {
		what, value = "key", *s.Key
		n++
	}
	if n != 1 {
		return "", "", errors.New("looking for messages: exactly one of id, biz id and key is needed")
	}
	return what, value, nil
}

// entry looks for an entry of the stream that the group has not read, or has ended.
func (f *Finder) entry(ctx context.Context, what, id string, add func(Found) bool) error {
	if what != "id" || !isEntry(id) {
		return nil
	}
	values, err := f.call(ctx, entryFindScript, f.stream.laneKeys(), f.stream.group, id)
	if err != nil || len(values) == 0 {
		return err
	}
	if len(values) != 3 {
		return errAnswer
	}
	last, isText := values[0].(string)
	bytes, isCount := values[1].(int64)
	fields, isList := values[2].([]any)
	if !isText || !isCount || !isList {
		return errAnswer
	}
	found := Found{Place: Acknowledged, Retry: f.ofStream(id, bytes, fields)}
	ms, _, _ := strings.Cut(id, "-")
	found.Since = timeOf(ms)
	if last == "" || compareIDs(last, id) < 0 {
		found.Place = Unread
	} else if pending, err := f.isPending(ctx, id); err != nil || pending {
		return err // it is found there
	}
	add(found)
	return nil
}

// isEntry tells whether a text can be the id of an entry.
func isEntry(text string) bool {
	if !entrySyntax.MatchString(text) {
		return false
	}
	for part := range strings.SplitSeq(text, "-") {
		if _, err := strconv.ParseUint(part, 10, 64); err != nil {
			return false
		}
	}
	return true
}

func (f *Finder) isPending(ctx context.Context, id string) (bool, error) {
	found, err := f.client.XPendingExt(ctx, &redis.XPendingExtArgs{Stream: f.stream.name, Group: f.stream.group, Start: id, End: id, Count: 1}).Result()
	if isMissing(err) {
		return false, nil
	}
	return len(found) > 0, clean(err)
}

// ofStream is what is known of an entry of the stream.
func (f *Finder) ofStream(id string, bytes int64, fields []any) Retry {
	return Retry{EntryID: id, Message: f.readBare(fields, id), PayloadBytes: int(bytes)}
}

func (f *Finder) pending(ctx context.Context, what, value string, add func(Found) bool) error {
	for from := "-"; from != ""; {
		values, err := f.call(ctx, pendingFindScript, f.stream.laneKeys(), f.stream.group, from, page, readBytes, what, value)
		if err != nil {
			return err
		}
		next, isText := values[0].(string)
		if !isText {
			return errAnswer
		}
		for _, value := range values[1:] {
			one, ok := value.([]any)
			if !ok || len(one) != 4 {
				return errAnswer
			}
			id, isText := one[0].(string)
			since, isTime := one[1].(int64)
			bytes, isCount := one[2].(int64)
			fields, isList := one[3].([]any)
			if !isText || !isTime || !isCount || !isList {
				return errAnswer
			}
			found := Found{Place: Pending, Retry: f.ofStream(id, bytes, fields)}
			found.Since = time.UnixMilli(since)
			if !add(found) {
				return nil
			}
		}
		from = next
	}
	return nil
}

func (f *Finder) waiting(ctx context.Context, what, value string, add func(Found) bool) error {
	seen := make(map[string]bool) // the same may come twice when Redis grows the hash
	for cursor := "0"; ; {
		values, err := f.call(ctx, waitingFindScript, f.stream.laneKeys(), cursor, what, value, page, readBytes)
		if err != nil {
			return err
		}
		next, isText := values[0].(string)
		if !isText {
			return errAnswer
		}
		for _, value := range values[1:] {
			row, ok := value.([]any)
			if !ok {
				return errAnswer
			}
			retry, err := f.decodeRow(row)
			if err != nil {
				return err
			}
			if seen[retry.name] {
				continue
			}
			seen[retry.name] = true
			if !add(Found{Place: Waiting, Retry: *retry}) {
				return nil
			}
		}
		if cursor = next; cursor == "0" {
			return nil
		}
	}
}

func (f *Finder) dead(ctx context.Context, what, value string, add func(Found) bool) error {
	letters := DeadLetters{f.access}
	return letters.each(ctx, Filter{}, "", "+", false, func(d Dead) bool {
		m := &d.Message
		switch {
		case what == "key" && m.HasKey && m.Key == value, what == "biz_id" && m.BizID == value,
			what == "id" && (value == m.ID || value == d.EntryID):
			return add(Found{Place: DeadLetter, Replaying: d.Replaying, Retry: Retry{
				EntryID: d.EntryID, Message: *m, PayloadBytes: d.PayloadBytes, Since: d.DiedAt,
				Attempts: d.Attempts, Class: d.Class, Error: d.Error, Fingerprint: d.Fingerprint, Letter: d.ID,
			}})
		}
		return true
	})
}
