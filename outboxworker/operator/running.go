package operator

// running.go makes a change: in batches, lane by lane.

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/weirproxy/weir/outboxworker/outbox"
)

const (
	// batchSize is the most messages that one transaction changes.
	batchSize = 500
	// chunkSize is how many messages are selected at once, before the lanes are taken.
	chunkSize = 5000
)

// running is a change that is being made.
type running struct {
	o       *Operator
	cmd     *command
	filter  *Filter // as the operator gave it
	bounded *Filter // with an end
	options *Options
	result  *Result
	last    int // how many messages the batch before changed
}

// chunk returns the next messages that match, in the order of their ids. No lane is taken:
// whether they still match is found out once it is.
func (r *running) chunk(ctx context.Context, last int64) (chunk []picked, err error) {
	where, err := r.bounded.where(r.cmd.source)
	if err != nil {
		return nil, err
	}
	where.add("m.id > %s", last)
	sql := fmt.Sprintf("SELECT m.id, m.lane, m.key FROM %s WHERE %s ORDER BY m.id", r.o.expand(r.cmd.source.from), where)
	if !r.cmd.byKey {
		sql += fmt.Sprintf(" LIMIT %d", chunkSize)
	}
	err = r.o.reading(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, sql, where.args...)
		if err != nil {
			return err
		}
		chunk, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (p picked, err error) {
			return p, row.Scan(&p.id, &p.lane, &p.key)
		})
		return err
	})
	if err != nil {
		return nil, r.o.tooLong("selecting messages", err)
	}
	return chunk, nil
}

// work deals with a chunk, and reports whether the limit is reached. With a limit those are
// changed that come first, whatever their lanes: the ones that a list begins with.
func (r *running) work(ctx context.Context, chunk []picked) (done bool, err error) {
	for len(chunk) > 0 {
		n := len(chunk)
		if limit := r.options.Limit; limit > 0 {
			n = min(n, limit-int(r.result.Changed))
		}
		if n == 0 {
			return true, nil
		}
		if err := r.byLane(ctx, chunk[:n]); err != nil {
			return false, err
		}
		chunk = chunk[n:]
	}
	return false, nil
}

// byLane deals with messages lane by lane.
func (r *running) byLane(ctx context.Context, chunk []picked) error {
	var lanes [outbox.Lanes][]picked
	for _, p := range chunk {
		lanes[p.lane] = append(lanes[p.lane], p)
	}
	for lane, all := range lanes {
		for len(all) > 0 {
			if err := r.pace(ctx); err != nil {
				return err
			}
			n := min(len(all), r.size())
			changed, err := r.batch(ctx, int16(lane), all[:n])
			r.result.Changed += int64(changed)
			if err != nil {
				return fmt.Errorf("working on lane %d: %w", lane, err)
			}
			all, r.last = all[n:], changed
		}
	}
	return nil
}

// size is how many messages the next transaction may change: half a second's worth of the
// rate.
func (r *running) size() int {
	if rate := r.options.Rate; rate > 0 {
		return max(1, int(min(rate/2, batchSize)))
	}
	return batchSize
}

// pace waits as long as the messages of the batch before take at the rate.
func (r *running) pace(ctx context.Context) error {
	if r.options.Rate <= 0 || r.last == 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(time.Duration(float64(r.last) / r.options.Rate * float64(time.Second)))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// batch deals with messages of one lane in one transaction, and returns how many it
// changed.
func (r *running) batch(ctx context.Context, lane int16, all []picked) (changed int, err error) {
	skipped := make(map[string]int64)
	err = r.o.inLane(ctx, lane, func(ctx context.Context, tx pgx.Tx) error {
		again, err := r.look(ctx, tx, lane, all)
		if err != nil {
			return err
		}
		if gone := len(all) - len(again); gone > 0 {
			skipped["changed"] += int64(gone)
		}
		var chosen []picked
		for _, p := range again {
			if p.verdict == "" {
				chosen = append(chosen, p)
			} else {
				skipped[p.verdict]++
			}
		}
		if len(chosen) == 0 {
			return nil
		}
		if err := r.cmd.apply(ctx, tx, lane, chosen); err != nil {
			return err
		}
		if err := r.record(ctx, tx, chosen); err != nil {
			return err
		}
		changed = len(chosen)
		return r.o.notify(ctx, tx)
	})
	if err != nil {
		return 0, err
	}
	for reason, n := range skipped {
		r.result.Skipped[reason] += n
	}
	return changed, nil
}

// look reads what was picked once more, now that its lane is taken.
func (r *running) look(ctx context.Context, tx pgx.Tx, lane int16, all []picked) ([]picked, error) {
	where, err := r.bounded.where(r.cmd.source)
	if err != nil {
		return nil, err
	}
	ids, keys := make([]int64, 0, len(all)), make([]string, 0, len(all))
	for _, p := range all {
		ids = append(ids, p.id)
		if p.key != nil {
			keys = append(keys, *p.key)
		}
	}
	where.add("m.lane = %s", lane)
	where.add("m.id = ANY (%s)", ids)
	if r.cmd.byKey {
		where.add("m.key = ANY (%s)", keys)
	}
	sql := fmt.Sprintf("SELECT m.id, m.message_id, m.key, %s FROM %s WHERE %s ORDER BY m.id", r.cmd.verdict(where), r.o.expand(r.cmd.source.from), where)
	rows, err := tx.Query(ctx, sql, where.args...)
	if err != nil {
		return nil, fmt.Errorf("reading messages: %w", err)
	}
	again, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (p picked, err error) {
		return p, row.Scan(&p.id, &p.uuid, &p.key, &p.verdict)
	})
	if err != nil {
		return nil, fmt.Errorf("reading messages: %w", err)
	}
	return again, nil
}
