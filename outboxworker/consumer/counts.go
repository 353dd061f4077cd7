package consumer

// counts.go holds how much there is of a stream and a group.

import (
	"context"
	"time"
)

// Counts are how much there is of a stream and a group.
type Counts struct {
	// Length is that of the stream, and Unread how many entries of it the group has not
	// read; less than 0 if Redis does not know.
	Length, Unread int64
	// Pending is what consumers have read and not ended.
	Pending int64
	// Retry, Parked and Handling are what waits, by their state.
	Retry, Parked, Handling int64
	// NextDue is when the first of Retry is due, or zero; Overdue for how long it has
	// been.
	NextDue time.Time
	Overdue time.Duration
	// Dead are the dead letters, Replaying those of them that are under replay.
	Dead, Replaying int64
}

// Counts counts. A stream that is not there is an empty one.
func (r *Retries) Counts(ctx context.Context) (Counts, error) {
	found, err := look(ctx, r.client, r.stream, true)
	if isCode(err, "WRONGTYPE") {
		if _, err := setAside(ctx, r.client, r.stream.logger, r.stream); err != nil {
			return Counts{}, err
		}
		found, err = look(ctx, r.client, r.stream, true)
	}
	if found.length == 0 {
		found.lag = 0
	}
	return Counts{
		Length: found.length, Unread: found.lag, Pending: found.pending,
		Retry: found.retry, Parked: max(0, found.waiting-found.retry-found.handling), Handling: found.handling,
		NextDue: found.next, Overdue: found.overdue, Dead: found.dead, Replaying: found.replaying,
	}, err
}
