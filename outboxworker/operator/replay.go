package operator

// replay.go delivers dead messages again, or removes them.

import (
	"context"
	"fmt"
	"math"

	"github.com/jackc/pgx/v5"
)

// Replay lets dead messages be delivered again, with all their attempts. Each stays in the
// table of the dead, marked, until it is delivered; should it die again, it is dead as
// before. It holds its key no more, and those of its key that wait come after it if their
// positions do; while another dead message holds the key, it waits for that one's fate.
//
// Skipped are those that are being replayed already ("replaying"), and those that were
// replayed Options.MaxReplays times ("replays").
func (o *Operator) Replay(ctx context.Context, filter Filter, options Options) (Result, error) {
	most := options.MaxReplays
	switch {
	case most == 0:
		most = DefaultMaxReplays
	case most < 0:
		most = math.MaxInt32
	}
	return o.run(ctx, &command{
		action: "replay",
		source: deadSource,
		verdict: func(c *conditions) string {
			return "CASE WHEN m.replaying_at IS NOT NULL THEN 'replaying' WHEN m.replays >= " + c.arg(most) + "::integer THEN 'replays' ELSE '' END"
		},
		apply: o.replay,
	}, filter, options)
}

func (o *Operator) replay(ctx context.Context, tx pgx.Tx, lane int16, chosen []picked) error {
	for _, name := range []string{"replay_demote", "replay"} {
		if _, err := tx.Exec(ctx, o.sql[name], lane, ids(chosen)); err != nil {
			return fmt.Errorf("replaying dead messages: %w", err)
		}
	}
	return o.promote(ctx, tx, lane, keys(chosen))
}

// Discard removes dead messages for good, also those that are being replayed. If one holds
// its key, the key goes on.
func (o *Operator) Discard(ctx context.Context, filter Filter, options Options) (Result, error) {
	return o.run(ctx, &command{action: "discard", source: deadSource, verdict: never, apply: o.discard}, filter, options)
}

func (o *Operator) discard(ctx context.Context, tx pgx.Tx, lane int16, chosen []picked) error {
	if _, err := tx.Exec(ctx, o.sql["discard"], lane, ids(chosen)); err != nil {
		return fmt.Errorf("discarding dead messages: %w", err)
	}
	return o.promote(ctx, tx, lane, keys(chosen))
}
