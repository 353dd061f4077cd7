package doctor

// waiting.go looks for messages that wait longer than they should.

import (
	"context"
	"fmt"
	"time"
)

// laneState is a row of waiting.sql.
type laneState struct {
	Lane     int16
	PausedAt *time.Time
	Reason   string
	Overdue  float64 // seconds
}

// stale is how old a pending message may be. It is an alert's limit, too; but of an outbox
// without a worker nobody else tells.
const stale = time.Minute

// pending is the row of pending.sql.
type pending struct{ Seconds float64 }

// pending tells of messages that nobody takes.
func (d *doctor) pending(ctx context.Context, o Outbox) {
	found, err := queryOf[pending](ctx, d, "pending", o.Schema)
	if err != nil {
		d.failed(o.Schema, "pending", err)
		return
	}
	for _, oldest := range found {
		age := time.Duration(oldest.Seconds * float64(time.Second))
		if age <= stale {
			continue
		}
		d.note(o.Schema, "pending", Warning, "see that a worker runs whose configuration has this outbox, and reaches its receiver (its log); if messages become fewer (outboxworker stats --watch), wait",
			"the oldest message is %s old: no worker takes it, or too few are there", age.Round(time.Second))
		return
	}
	d.note(o.Schema, "pending", OK, "", "no message is older than %s", stale)
}

// waiting tells of lanes that are paused, and of retries that nobody makes.
func (d *doctor) waiting(ctx context.Context, o Outbox) {
	lanes, err := queryOf[laneState](ctx, d, "waiting", o.Schema)
	if err != nil {
		d.failed(o.Schema, "waiting", err)
		return
	}
	sound, latest := true, 0.0
	for _, lane := range lanes {
		latest = max(latest, lane.Overdue)
		if lane.PausedAt == nil {
			continue
		}
		sound = false
		reason := ""
		if lane.Reason != "" {
			reason = ": " + lane.Reason
		}
		d.note(o.Schema, "lanes", Warning, fmt.Sprintf("when the reason is gone, outboxworker lanes resume --outbox %s --yes %d", o.Schema, lane.Lane),
			"lane %d has been paused since %s%s", lane.Lane, lane.PausedAt.UTC().Format(time.RFC3339), reason)
	}
	if sound {
		d.note(o.Schema, "lanes", OK, "", "none is paused")
	}
	if late := time.Duration(latest * float64(time.Second)); late > overdue {
		d.note(o.Schema, "retries", Warning, "see that a worker runs and reaches its receiver (outbox_receiver_away, its log), and outboxworker retries list",
			"a message has been due for %s: nobody tries it", late.Round(time.Second))
		return
	}
	d.note(o.Schema, "retries", OK, "", "none is overdue by more than %s", overdue)
}
