package operator

// stats.go counts what there is.

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// Stats is the state of an outbox at one moment.
type Stats struct {
	At time.Time `json:"at"`
	// Pending is how many messages are in table message. 12,500 of each lane are counted;
	// if there are more, how many is estimated from their ids.
	Pending          int64 `json:"pending"`
	PendingEstimated bool  `json:"pending_estimated,omitempty"`
	// OldestPending is when the oldest pending message was enqueued: of those at the
	// beginning of each lane; nil if there is none.
	OldestPending *time.Time `json:"oldest_pending,omitempty"`
	// Retry, Parked and Delayed are the messages that wait, by their state.
	Retry   int64 `json:"retry"`
	Parked  int64 `json:"parked"`
	Delayed int64 `json:"delayed"`
	// NextDue is when the next of them is due, or nil; Overdue how many are due on
	// lanes that are not paused, and OverdueSeconds for how long the first of these.
	NextDue        *time.Time `json:"next_due,omitempty"`
	Overdue        int64      `json:"overdue"`
	OverdueSeconds float64    `json:"overdue_seconds"`
	// Dead are the dead messages, with those that are Replaying.
	Dead      int64 `json:"dead"`
	Replaying int64 `json:"replaying"`
	// BlockedKeys are the keys of which a message waits or a dead one holds others.
	BlockedKeys int64 `json:"blocked_keys"`
	// PausedLanes are the lanes that are paused.
	PausedLanes []int16 `json:"paused_lanes"`
	// Bytes are the sizes of the tables with their indexes.
	Bytes TableBytes `json:"bytes"`
}

// TableBytes are the sizes of tables with their indexes.
type TableBytes struct {
	Message   int64 `json:"message"`
	Deferred  int64 `json:"deferred"`
	Dead      int64 `json:"dead"`
	Delivered int64 `json:"delivered"`
	Audit     int64 `json:"audit"`
}

// Stats counts. Messages that wait and dead ones are counted one by one, which is bounded
// by the time for a statement.
func (o *Operator) Stats(ctx context.Context) (*Stats, error) {
	s := new(Stats)
	err := o.reading(ctx, func(tx pgx.Tx) error {
		if err := byIndex(ctx, tx); err != nil {
			return err
		}
		return tx.QueryRow(ctx, o.sql["stats"]).Scan(&s.At, &s.Pending, &s.PendingEstimated, &s.OldestPending,
			&s.Retry, &s.Parked, &s.Delayed, &s.NextDue, &s.Overdue, &s.OverdueSeconds,
			&s.Dead, &s.Replaying, &s.BlockedKeys, &s.PausedLanes,
			&s.Bytes.Message, &s.Bytes.Deferred, &s.Bytes.Dead, &s.Bytes.Delivered, &s.Bytes.Audit)
	})
	if err != nil {
		return nil, o.tooLong("counting", err)
	}
	return s, nil
}
