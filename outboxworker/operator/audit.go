package operator

// audit.go records what operators do, and shows it.

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// record writes a row of the table audit.
func (r *running) record(ctx context.Context, tx pgx.Tx, changed []picked) error {
	o := r.o
	most := r.options.MaxReplays
	if most == DefaultMaxReplays {
		most = 0
	}
	text, err := json.Marshal(struct {
		*Filter
		Limit      int     `json:"limit,omitempty"`
		Rate       float64 `json:"rate,omitempty"`
		MaxReplays int     `json:"max_replays,omitempty"`
	}{r.filter, r.options.Limit, r.options.Rate, most})
	if err != nil {
		return fmt.Errorf("recording the change: %w", err)
	}
	all := make([]uuid.UUID, len(changed))
	for i := range changed {
		all[i] = changed[i].uuid
	}
	const sql = `INSERT INTO {schema}.audit (run, actor, action, filter, reason, messages, message_ids)
		VALUES ($1, COALESCE(NULLIF($2, ''), session_user::text), $3, $4, $5, $6, $7)`
	if _, err := tx.Exec(ctx, o.expand(sql), r.result.Run, o.identity.Actor, r.cmd.action, string(text), o.identity.Reason, len(all), all); err != nil {
		return fmt.Errorf("recording the change: %w", err)
	}
	return nil
}

// AuditEntry is a transaction in which an operator changed something.
type AuditEntry struct {
	ID int64     `json:"id"`
	At time.Time `json:"at"`
	// Run is the same for the transactions of one command.
	Run   uuid.UUID `json:"run"`
	Actor string    `json:"actor"`
	// Login is the user of the database's session, which an operator cannot choose.
	Login  string `json:"login"`
	Action string `json:"action"`
	// Filter is what the operator selected by, with the limit, the rate, and as
	// max_replays how often a message may be replayed, where these are not the default.
	Filter json.RawMessage `json:"filter"`
	Reason string          `json:"reason,omitempty"`
	// Messages is how many messages, or keys, were changed, and MessageIDs their ids.
	Messages   int64       `json:"messages"`
	MessageIDs []uuid.UUID `json:"message_ids,omitempty"`
}

// AuditFilter selects entries. All that is set must hold.
type AuditFilter struct {
	Run       uuid.UUID
	Actor     string
	Action    string
	MessageID uuid.UUID
	// Since and Until bound the time, from Since to before Until.
	Since, Until time.Time
}

// Audit returns what operators did, the last first. Page.After is the ID of the last entry
// of the page before.
func (o *Operator) Audit(ctx context.Context, filter AuditFilter, page Page) (entries []AuditEntry, err error) {
	where := new(conditions)
	if filter.Run != (uuid.UUID{}) {
		where.add("run = %s", filter.Run)
	}
	if filter.MessageID != (uuid.UUID{}) {
		where.add("%s = ANY (message_ids)", filter.MessageID)
	}
	if filter.Actor != "" {
		where.add("actor = %s", filter.Actor)
	}
	if filter.Action != "" {
		where.add("action = %s", filter.Action)
	}
	if !filter.Since.IsZero() {
		where.add("at >= %s", filter.Since)
	}
	if !filter.Until.IsZero() {
		where.add("at < %s", filter.Until)
	}
	if page.After != 0 {
		where.add("id < %s", page.After)
	}
	sql := fmt.Sprintf("SELECT id, at, run, actor, login, action, filter, reason, messages, message_ids FROM %s WHERE %s ORDER BY id DESC LIMIT %d",
		o.expand("{schema}.audit"), where, page.limit())
	err = o.reading(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, sql, where.args...)
		if err != nil {
			return err
		}
		entries, err = pgx.CollectRows(rows, pgx.RowToStructByPos[AuditEntry])
		return err
	})
	if err != nil {
		return nil, o.tooLong("reading the audit", err)
	}
	return entries, nil
}
