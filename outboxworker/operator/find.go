package operator

// find.go looks for a message wherever it may be.

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Place is where a message is.
type Place string

const (
	// Pending: in table message, to be delivered.
	Pending Place = "pending"
	// Deferred: it waits, in table deferred.
	Deferred Place = "deferred"
	// DeadLetter: in table dead.
	DeadLetter Place = "dead"
	// Delivered: it is gone, and noted in table delivered, if the relay keeps that.
	Delivered Place = "delivered"
)

// Search is what is looked for: exactly one of the four.
type Search struct {
	// ID is what consumers know the message by.
	ID uuid.UUID
	// Position is its id in the outbox.
	Position int64
	// BizID is the producer's own id.
	BizID string
	// Key is the key, which may be empty; nil: not looked for.
	Key *string
}

// Found is a message in one place.
type Found struct {
	Place Place `json:"place"`
	// State is retry, parked or delayed of a deferred message; fatal, exhausted or
	// skipped of a dead one, or replaying, if it is in deferred, too.
	State    string    `json:"state,omitempty"`
	Position int64     `json:"position"`
	ID       uuid.UUID `json:"id"`
	BizID    string    `json:"biz_id,omitempty"`
	Topic    string    `json:"topic"`
	Key      *string   `json:"key,omitempty"`
	Type     string    `json:"type,omitempty"`
	// Since is when it was enqueued, began to wait, died, was replayed, or was
	// delivered.
	Since time.Time `json:"since"`
	// Due is when it is sent next, or nil.
	Due *time.Time `json:"due,omitempty"`
	// Attempts is how often it was sent; of a delivered message with the last.
	Attempts  int       `json:"attempts"`
	Class     string    `json:"class,omitempty"`
	LastError string    `json:"last_error,omitempty"`
	CreatedAt time.Time `json:"created_at"`
}

// FindResult is what Find found.
type FindResult struct {
	// Found are the messages in the order of their positions, at most as many as asked
	// for.
	Found []Found `json:"found"`
	// Truncated tells that there are more.
	Truncated bool `json:"truncated,omitempty"`
	// Unsearched are the places that took too long to be searched: a message may be
	// there.
	Unsearched []Place `json:"unsearched,omitempty"`
}

// Find looks for messages in all places, as they are at one moment. It returns at most
// limit of them, 100 if that is 0 and never more than 1000. A place that takes longer than
// the time for a statement, as pending messages may of which there are millions and which
// have no index for ids, is left out and named in the result.
func (o *Operator) Find(ctx context.Context, search Search, limit int) (*FindResult, error) {
	column, value, err := search.by()
	if err != nil {
		return nil, err
	}
	limit = Page{Limit: limit}.limit()
	result := &FindResult{Found: []Found{}}
	err = o.reading(ctx, func(tx pgx.Tx) error {
		for _, place := range []Place{Pending, Deferred, DeadLetter, Delivered} {
			found, err := o.findIn(ctx, tx, place, column, value, limit+1)
			switch {
			case outOfTime(err):
				result.Unsearched = append(result.Unsearched, place)
			case err != nil:
				return fmt.Errorf("looking among the %s messages: %w", place, err)
			}
			result.Found = append(result.Found, found...)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(result.Found, func(a, b Found) int { return cmp.Compare(a.Position, b.Position) })
	if result.Truncated = len(result.Found) > limit; result.Truncated {
		result.Found = result.Found[:limit]
	}
	return result, nil
}

// by returns what the search looks at, and for which value.
func (s *Search) by() (column string, value any, err error) {
	n := 0
	if s.ID != (uuid.UUID{}) {
		column, value = "message_id", s.ID
		n++
	}
	if s.Position != 0 {
		column, value = "id", s.Position
		n++
	}
	if s.BizID != "" {
		column, value = "biz_id", s.BizID
		n++
	}
	if s.Key != nil {
		column, value = "key", *s.Key
		n++
	}
	if n != 1 {
		return "", nil, errors.New("looking for messages: exactly one of id, position, biz id and key is needed")
	}
	return column, value, nil
}

// lanesOf narrows a search to the lanes that its messages can be in, which their indexes
// begin with.
var lanesOf = map[string]string{
	"key":        "m.lane = hashtextextended($1, 0) & 7 AND",
	"id":         "m.lane = ANY ('{0,1,2,3,4,5,6,7}') AND",
	"message_id": "",
	"biz_id":     "",
}

// findIn searches one place, in a transaction of its own within tx, so that one that takes
// too long does not end the others.
func (o *Operator) findIn(ctx context.Context, tx pgx.Tx, place Place, column string, value any, limit int) (found []Found, err error) {
	within := lanesOf[column]
	if place == Delivered { // which has no lanes
		within = ""
	}
	sql := strings.NewReplacer("{column}", "m."+column, "{within}", within).Replace(o.sql["find_"+string(place)])
	err = pgx.BeginFunc(ctx, tx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, sql, value, limit)
		if err != nil {
			return err
		}
		found, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Found])
		return err
	})
	return found, err
}
