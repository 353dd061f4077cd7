package relay

// floor.go holds the floor of a lane: the time before which nothing that waits is due. It
// keeps the index entries of retries that were made, which stay while some transaction holds
// back vacuum, out of the way of what is due, as the low-water mark does for what is pending.
//
// Whoever makes a message wait holds the lane, and lets it be due at a time that is later
// than when his transaction began, which is no longer before he got the lane than operators
// wait for it. So what a claim finds to be the first that is due, or else a time that is a
// little before the claim, is a floor until the server is another one. Where its clock is set
// back by more, or somebody wrote to the table by hand, the next look from the start finds
// what lies below.

import (
	"time"

	"github.com/jackc/pgx/v5/pgtype"
)

// floorSlack is more than operators wait for a lane.
const floorSlack = 30 * time.Second

// known is what others may know of a lane.
type known struct {
	mark
	floor time.Time
}

// timestamp is a floor as PostgreSQL reads it. The zero one is below everything.
func timestamp(floor time.Time) pgtype.Timestamptz {
	if floor.IsZero() {
		return pgtype.Timestamptz{InfinityModifier: pgtype.NegativeInfinity, Valid: true}
	}
	return pgtype.Timestamptz{Time: floor, Valid: true}
}

// floors are those of all lanes, by their numbers, as far as workers of this relay know.
func (r *Relay) floors() []pgtype.Timestamptz {
	all := make([]pgtype.Timestamptz, lanes)
	for _, w := range r.workers {
		for _, l := range w.lanes {
			var floor time.Time
			if known := l.known.Load(); known != nil {
				floor = known.floor
			}
			all[l.number] = timestamp(floor)
		}
	}
	return all
}
