package operator

// retries.go shows messages that wait, and lets them be tried at once.

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

var retrySource = &source{from: "{schema}.deferred m", at: "m.deferred_at", state: true, defaultState: "retry"}

// ListRetries returns messages that wait, those in state retry if the filter has none, in
// the order of their positions.
func (o *Operator) ListRetries(ctx context.Context, filter Filter, page Page) ([]Retry, error) {
	const columns = common + ", m.state, m.due_at, m.deferred_at"
	return list(ctx, o, retrySource, columns, filter, page, func(row pgx.CollectableRow) (r Retry, err error) {
		return r, row.Scan(r.into(&r.State, &r.Due, &r.Since)...)
	})
}

// RunNow makes messages due that wait for a retry, or for their time if the filter's state
// is delayed. Skipped are those that are due already ("due"), and those that are parked
// behind another of their key ("parked").
func (o *Operator) RunNow(ctx context.Context, filter Filter, options Options) (Result, error) {
	return o.run(ctx, &command{
		action: "run-now",
		source: retrySource,
		verdict: func(*conditions) string {
			return "CASE WHEN m.state = 'parked' THEN 'parked' WHEN m.due_at <= now() THEN 'due' ELSE '' END"
		},
		apply: o.runNow,
	}, filter, options)
}

func (o *Operator) runNow(ctx context.Context, tx pgx.Tx, lane int16, chosen []picked) error {
	const sql = "UPDATE {schema}.deferred SET due_at = now() WHERE lane = $1 AND id = ANY ($2::bigint[]) AND state <> 'parked'"
	if _, err := tx.Exec(ctx, o.expand(sql), lane, ids(chosen)); err != nil {
		return fmt.Errorf("making messages due: %w", err)
	}
	return nil
}
