package operator

// lanes.go shows the lanes, and pauses them.

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/weirproxy/weir/outboxworker/outbox"
)

// Lane is one of the eight parts of an outbox.
type Lane struct {
	Lane int16 `json:"lane"`
	// Pending are the messages in table message. 10,000 are counted; if there are more,
	// how many is estimated from their ids.
	Pending          int64 `json:"pending"`
	PendingEstimated bool  `json:"pending_estimated,omitempty"`
	// Waiting are the messages in table deferred, counted up to 10,000.
	Waiting int64 `json:"waiting"`
	// Held is how many dead messages hold keys, counted up to 10,000.
	Held int64 `json:"held"`
	// Holder is the backend that holds the lane's lock at this moment, a relay's or an
	// operator's, 0 if none does; Application its application_name, if it may be seen.
	Holder      int32  `json:"holder,omitempty"`
	Application string `json:"application,omitempty"`
	// PausedSince is since when the lane is paused, or nil; PausedFor why.
	PausedSince *time.Time `json:"paused_since,omitempty"`
	PausedFor   string     `json:"paused_for,omitempty"`
}

// Lanes returns all lanes in their order.
func (o *Operator) Lanes(ctx context.Context) ([]Lane, error) {
	keys := make([]int64, outbox.Lanes)
	for lane := range keys {
		keys[lane] = outbox.LaneLock(o.table, int16(lane))
	}
	var all []Lane
	err := o.reading(ctx, func(tx pgx.Tx) error {
		if err := byIndex(ctx, tx); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, o.sql["lanes"], keys)
		if err != nil {
			return err
		}
		all, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Lane])
		return err
	})
	if err != nil {
		return nil, o.tooLong("reading the lanes", err)
	}
	return all, nil
}

// PauseLane stops a lane until ResumeLane: nothing of it is sent. When it returns, no
// message of the lane is under way: it waits for the batch that is, as all changes do. It
// returns false if the lane was paused before, whose time and reason stay. Relays of
// version 1 of the schema know no pause.
func (o *Operator) PauseLane(ctx context.Context, lane int16) (changed bool, err error) {
	return o.setPaused(ctx, lane, "pause")
}

// ResumeLane ends a pause, and wakes the relay. It returns false if there was none.
func (o *Operator) ResumeLane(ctx context.Context, lane int16) (changed bool, err error) {
	return o.setPaused(ctx, lane, "resume")
}

func (o *Operator) setPaused(ctx context.Context, lane int16, statement string) (changed bool, err error) {
	if lane < 0 || lane >= outbox.Lanes {
		return false, fmt.Errorf("there is no lane %d: lanes are 0 to %d", lane, outbox.Lanes-1)
	}
	err = o.inLane(ctx, lane, func(ctx context.Context, tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, o.sql[statement], lane, o.identity.Reason, o.pauses, o.identity.Actor)
		if err != nil {
			return fmt.Errorf("%s of lane %d: %w", statement, lane, err)
		}
		changed = tag.RowsAffected() > 0
		return o.notify(ctx, tx)
	})
	return changed && err == nil, err
}

// byIndex has the statements of a transaction count along indexes: of pending messages
// there are no statistics.
func byIndex(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, "SELECT set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true)")
	return err
}

// tooLong tells of an error that a statement took, or waited, longer than it may.
func (o *Operator) tooLong(what string, err error) error {
	var answer *pgconn.PgError
	switch {
	case errors.As(err, &answer) && answer.Code == "55P03":
		return fmt.Errorf("%s: a table is locked, as by a migration, and was not free within %s: %w", what, o.waits.lock, err)
	case outOfTime(err):
		return fmt.Errorf("%s: it took longer than %s, which is too long beside the relay: %w", what, o.waits.statement, err)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// outOfTime tells that the server ended a statement that took, or waited, too long.
func outOfTime(err error) bool {
	var answer *pgconn.PgError
	return errors.As(err, &answer) && (answer.Code == "57014" || answer.Code == "55P03")
}
