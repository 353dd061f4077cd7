package cli

// auditconsumer.go reads what operators did to what a consumer has.

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/weirproxy/weir/outboxworker/consumer"
)

// auditPage is how many entries of a stream are read at once. Each may have the ids of a
// hundred messages, and a filter that names as many as a command line holds.
const auditPage = 100

// auditTrail goes through the audits of a consumer's streams, the last entry first, and has
// a page of each at a time.
type auditTrail struct {
	of      *deadConsumer
	streams []auditPart
}

// auditPart is where a trail is in the audit of a stream.
type auditPart struct {
	page []consumer.Audit // what is read and not shown yet
	last string           // the id of the last that was read; "" before the first
	end  bool             // no more can be read
}

func newAuditTrail(of *deadConsumer) *auditTrail {
	return &auditTrail{of, make([]auditPart, len(of.letters))}
}

// next returns the entry before, or nil. Of two at the same time that of the first stream
// comes first.
func (t *auditTrail) next(ctx context.Context) (*audited, error) {
	newest := -1
	for i := range t.streams {
		part := &t.streams[i]
		if err := t.fill(ctx, i); err != nil {
			return nil, fmt.Errorf("stream %s: %w", t.of.names[i], err)
		}
		if len(part.page) > 0 && (newest < 0 || part.page[0].At.After(t.streams[newest].page[0].At)) {
			newest = i
		}
	}
	if newest < 0 {
		return nil, nil
	}
	part := &t.streams[newest]
	e := auditedOfConsumer(t.of.names[newest], &part.page[0])
	part.page = part.page[1:]
	return e, nil
}

// fill reads a page of a stream where none is left.
func (t *auditTrail) fill(ctx context.Context, i int) (err error) {
	part := &t.streams[i]
	if len(part.page) > 0 || part.end {
		return nil
	}
	if part.page, err = t.of.letters[i].Audit(ctx, part.last, auditPage); err != nil {
		return err
	}
	if part.end = len(part.page) < auditPage; len(part.page) > 0 {
		part.last = part.page[len(part.page)-1].ID
	}
	return nil
}

func auditedOfConsumer(stream string, e *consumer.Audit) *audited {
	filter := json.RawMessage(e.Filter)
	if !json.Valid(filter) {
		filter = json.RawMessage("{}")
	}
	return &audited{
		ID: e.ID, Stream: stream, At: e.At.UTC(), Run: e.Run, Actor: e.Actor, Action: e.Action,
		Filter: filter, Reason: e.Reason, Messages: int64(len(e.IDs)), IDs: e.IDs,
	}
}
