package operator

// dead.go shows dead messages.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/weirproxy/weir/outboxworker/fingerprint"
)

var deadSource = &source{from: "{schema}.dead m", at: "m.died_at", dead: true}

// common are the columns of Message, in the order of scan.
const common = `m.id, m.message_id, COALESCE(m.biz_id, ''), m.topic, m.key, m.type, m.lane, m.attempts, m.class,
	COALESCE(m.last_error, ''), m.created_at, octet_length(m.payload)`

// into returns where the columns of common go.
func (m *Message) into(more ...any) []any {
	return append([]any{&m.Position, &m.ID, &m.BizID, &m.Topic, &m.Key, &m.Type, &m.Lane, &m.Attempts, &m.Class,
		&m.LastError, &m.CreatedAt, &m.Bytes}, more...)
}

const deadColumns = common + `, m.reason, m.fingerprint, m.died_at, m.holds, m.replaying_at, m.replays`

func (d *Dead) into(more ...any) []any {
	return d.Message.into(append([]any{&d.Reason, &d.Fingerprint, &d.DiedAt, &d.Holds, &d.ReplayingAt, &d.Replays}, more...)...)
}

// ListDead returns dead messages, in the order of their positions.
func (o *Operator) ListDead(ctx context.Context, filter Filter, page Page) ([]Dead, error) {
	return list(ctx, o, deadSource, deadColumns, filter, page, func(row pgx.CollectableRow) (d Dead, err error) {
		return d, row.Scan(d.into()...)
	})
}

// list reads a page of a source.
func list[T any](ctx context.Context, o *Operator, from *source, columns string, filter Filter, page Page, scan pgx.RowToFunc[T]) (all []T, err error) {
	where, err := filter.where(from)
	if err != nil {
		return nil, err
	}
	if page.After != 0 {
		where.add("m.id > %s", page.After)
	}
	sql := fmt.Sprintf("SELECT %s FROM %s WHERE %s ORDER BY m.id LIMIT %d", columns, o.expand(from.from), where, page.limit())
	err = o.reading(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, sql, where.args...)
		if err != nil {
			return err
		}
		all, err = pgx.CollectRows(rows, scan)
		return err
	})
	if err != nil {
		return nil, o.tooLong("listing messages", err)
	}
	return all, nil
}

// ShowDead returns a dead message and, if content is set, what it holds. There may be
// secrets in that. The error is ErrNotFound if no such message is dead.
func (o *Operator) ShowDead(ctx context.Context, position int64, content bool) (Dead, *Content, error) {
	var d Dead
	var holds Content
	var headers []byte
	err := o.reading(ctx, func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, o.expand("SELECT "+deadColumns+" FROM {schema}.dead m WHERE m.id = $1"), position).Scan(d.into()...)
		if err != nil || !content {
			return err
		}
		return tx.QueryRow(ctx, o.expand("SELECT m.payload, m.headers FROM {schema}.dead m WHERE m.id = $1"), position).
			Scan(&holds.Payload, &headers)
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return d, nil, ErrNotFound
	}
	if err != nil {
		return d, nil, fmt.Errorf("reading a dead message: %w", err)
	}
	if !content {
		return d, nil, nil
	}
	if len(headers) > 0 {
		if err := json.Unmarshal(headers, &holds.Headers); err != nil {
			return d, nil, fmt.Errorf("reading the headers of a dead message: %w", err)
		}
	}
	return d, &holds, nil
}

// DeadGroups returns the groups of dead messages whose errors are alike, the largest first,
// at most 1000.
func (o *Operator) DeadGroups(ctx context.Context, filter Filter) (groups []Group, err error) {
	where, err := filter.where(deadSource)
	if err != nil {
		return nil, err
	}
	sql := fmt.Sprintf(o.sql["groups"], where)
	err = o.reading(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, sql, where.args...)
		if err != nil {
			return err
		}
		groups, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (g Group, err error) {
			err = row.Scan(&g.Fingerprint, &g.Class, &g.Reason, &g.Count, &g.Topics, &g.First, &g.Last, &g.Replaying, &g.Sample)
			g.Shape = fingerprint.Shape(g.Sample)
			return g, err
		})
		return err
	})
	if err != nil {
		return nil, o.tooLong("grouping dead messages", err)
	}
	return groups, nil
}
