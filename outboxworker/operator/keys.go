package operator

// keys.go shows keys whose messages wait, and lets them go on.

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/weirproxy/weir/outboxworker/fingerprint"
)

// headSource has a row for each blocked key: its dead message that holds it, or else the one
// that is tried, which need not be the first that waits, or else that.
var headSource = &source{from: heads, at: "m.at", dead: true, state: true}

const heads = `(
    SELECT h.id, h.lane, h.key, COALESCE(x.message_id, d.message_id) AS message_id, COALESCE(x.biz_id, d.biz_id) AS biz_id,
           COALESCE(x.topic, d.topic) AS topic, COALESCE(x.attempts, d.attempts) AS attempts, COALESCE(x.class, d.class) AS class,
           x.reason, x.fingerprint, COALESCE(x.last_error, d.last_error) AS last_error, COALESCE(x.died_at, d.deferred_at) AS at, d.due_at,
           CASE WHEN h.dead THEN 'held' WHEN d.state = 'retry' THEN 'retrying' ELSE 'orphaned' END AS state
    FROM (SELECT DISTINCT ON (u.lane, u.key) u.lane, u.key, u.id, u.dead
          FROM (SELECT lane, key, id, true AS dead, false AS parked FROM {schema}.dead WHERE holds
                UNION ALL
                SELECT lane, key, id, false, state = 'parked' FROM {schema}.deferred WHERE key IS NOT NULL AND state <> 'delayed') AS u
          ORDER BY u.lane, u.key, u.dead DESC, u.parked, u.id) AS h
    LEFT JOIN {schema}.dead x ON h.dead AND x.id = h.id
    LEFT JOIN {schema}.deferred d ON NOT h.dead AND d.id = h.id
) AS m`

// BlockedKeys returns keys whose messages wait, in the order of their heads' positions. The
// filter selects by the head.
func (o *Operator) BlockedKeys(ctx context.Context, filter Filter, page Page) ([]BlockedKey, error) {
	columns := o.expand(`m.key, m.lane, m.state, m.id, m.message_id, m.topic, m.attempts, m.class, COALESCE(m.last_error, ''), m.at, m.due_at,
		(SELECT count(*) FROM {schema}.deferred p
		 WHERE p.lane = m.lane AND p.key = m.key AND p.state <> 'delayed' AND p.state = 'parked' AND (m.state = 'held' OR p.id <> m.id))`)
	return list(ctx, o, headSource, columns, filter, page, func(row pgx.CollectableRow) (k BlockedKey, err error) {
		return k, row.Scan(&k.Key, &k.Lane, &k.State, &k.Head, &k.HeadID, &k.Topic, &k.Attempts, &k.Class, &k.LastError,
			&k.Since, &k.Due, &k.Parked)
	})
}

// ReleaseKeys lets blocked keys go on, which the filter selects by their heads: a key that
// is held is held no more, though its dead messages stay dead; a message that is tried
// again is due at once. The result counts keys.
func (o *Operator) ReleaseKeys(ctx context.Context, filter Filter, options Options) (Result, error) {
	return o.run(ctx, &command{action: "release", source: headSource, byKey: true, verdict: never, apply: o.release}, filter, options)
}

func (o *Operator) release(ctx context.Context, tx pgx.Tx, lane int16, chosen []picked) error {
	for _, sql := range []string{
		"UPDATE {schema}.dead SET holds = false WHERE lane = $1 AND key = ANY ($2::text[]) AND holds AND $3::bigint[] IS NOT NULL",
		"UPDATE {schema}.deferred SET due_at = now() WHERE lane = $1 AND key = ANY ($2::text[]) AND id = ANY ($3::bigint[]) AND state = 'retry' AND due_at > now()",
	} {
		if _, err := tx.Exec(ctx, o.expand(sql), lane, keys(chosen), ids(chosen)); err != nil {
			return fmt.Errorf("releasing keys: %w", err)
		}
	}
	return o.promote(ctx, tx, lane, keys(chosen))
}

// SkipHeads gives up the messages that keys wait for, which the filter selects by those heads:
// they are dead, with the reason skipped, and the next of their keys go on. The result
// counts keys. Skipped are keys whose head is dead already ("held"): release them, or
// discard it.
func (o *Operator) SkipHeads(ctx context.Context, filter Filter, options Options) (Result, error) {
	return o.run(ctx, &command{
		action: "skip-head", source: headSource, byKey: true, apply: o.skip,
		verdict: func(*conditions) string { return "CASE WHEN m.state = 'held' THEN 'held' ELSE '' END" },
	}, filter, options)
}

func (o *Operator) skip(ctx context.Context, tx pgx.Tx, lane int16, chosen []picked) error {
	prints, err := o.fingerprints(ctx, tx, lane, chosen)
	if err != nil {
		return fmt.Errorf("reading messages: %w", err)
	}
	if _, err := tx.Exec(ctx, o.sql["skip"], lane, ids(chosen), prints); err != nil {
		return fmt.Errorf("giving up messages: %w", err)
	}
	return o.promote(ctx, tx, lane, keys(chosen))
}

// fingerprints returns those of the last errors of waiting messages, in their order.
func (o *Operator) fingerprints(ctx context.Context, tx pgx.Tx, lane int16, chosen []picked) ([]string, error) {
	const sql = "SELECT id, class, COALESCE(last_error, '') FROM {schema}.deferred WHERE lane = $1 AND id = ANY ($2::bigint[])"
	rows, err := tx.Query(ctx, o.expand(sql), lane, ids(chosen))
	if err != nil {
		return nil, err
	}
	found := make(map[int64]string)
	var id int64
	var class, text string
	if _, err := pgx.ForEachRow(rows, []any{&id, &class, &text}, func() error {
		found[id] = fingerprint.Of(class, text)
		return nil
	}); err != nil {
		return nil, err
	}
	prints := make([]string, len(chosen))
	for i := range chosen {
		prints[i] = found[chosen[i].id]
	}
	return prints, nil
}
