package operator

// transaction.go has the transactions in which an operator reads and changes.

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/weirproxy/weir/outboxworker/outbox"
)

// waits bound how long an operator waits.
type waits struct {
	lock      time.Duration // for a lane
	statement time.Duration // for one statement
	// idle is when the server ends the transaction of an operator that stopped or was cut
	// off, which frees the lane.
	idle time.Duration
}

var defaultWaits = waits{lock: 15 * time.Second, statement: time.Minute, idle: 10 * time.Second}

// LaneBusyError says that a lane could not be taken in time. Nothing was changed in it.
type LaneBusyError struct {
	Lane   int16
	Waited time.Duration
	// PID is the backend that holds the lane, 0 if it could not be found.
	PID int32
	// Application is the application_name of that backend, if the user may see it.
	Application string
}

// Error says who holds the lane.
func (e *LaneBusyError) Error() string {
	who := "a relay's batch or another operator"
	if e.PID != 0 {
		who = fmt.Sprintf("backend %d", e.PID)
		if e.Application != "" {
			who += fmt.Sprintf(" (%s)", e.Application)
		}
	}
	return fmt.Sprintf("lane %d is busy: %s has not let go of it for %s", e.Lane, who, e.Waited)
}

// inLane runs f in a transaction that holds the lock of a lane, and commits. Once the lane
// is taken, it is not cancelled with ctx: what f does is done or is not, and the caller
// knows which. The isolation is READ COMMITTED, so that f sees what was done in the lane
// before it was taken.
func (o *Operator) inLane(ctx context.Context, lane int16, f func(context.Context, pgx.Tx) error) error {
	tx, err := o.conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.ReadCommitted, AccessMode: pgx.ReadWrite})
	if err != nil {
		return fmt.Errorf("beginning a transaction: %w", err)
	}
	hard, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*o.waits.statement)
	defer cancel()
	defer func() { _ = tx.Rollback(hard) }()
	if err := o.set(ctx, tx, true); err != nil {
		return err
	}
	if err := o.take(ctx, tx, lane); err != nil {
		return err
	}
	if err := f(hard, tx); err != nil {
		return err
	}
	err = tx.Commit(hard)
	var answer *pgconn.PgError
	switch {
	case errors.As(err, &answer):
		return fmt.Errorf("committing: %w", err)
	case err != nil:
		return fmt.Errorf("committing: the answer was lost, and only the audit tells whether it was done: %w", err)
	}
	return nil
}

// take waits for a lane.
func (o *Operator) take(ctx context.Context, tx pgx.Tx, lane int16) error {
	key := outbox.LaneLock(o.table, lane)
	_, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", key)
	if err == nil {
		return nil
	}
	var answer *pgconn.PgError
	if !errors.As(err, &answer) || answer.Code != "55P03" {
		return fmt.Errorf("taking lane %d: %w", lane, err)
	}
	busy := &LaneBusyError{Lane: lane, Waited: o.waits.lock}
	if err := tx.Rollback(ctx); err == nil {
		// Who it is only helps; it may be gone by now.
		_ = o.conn.QueryRow(ctx, o.sql["holder"], key).Scan(&busy.PID, &busy.Application)
	}
	return busy
}

// reading runs f in a transaction that sees one moment of the outbox and changes nothing.
func (o *Operator) reading(ctx context.Context, f func(pgx.Tx) error) error {
	options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	return pgx.BeginTxFunc(ctx, o.conn, options, func(tx pgx.Tx) error {
		if err := o.set(ctx, tx, false); err != nil {
			return err
		}
		return f(tx)
	})
}

// set bounds the times of a transaction. It sets them for the transaction alone, since
// settings of a session do not last behind a pooler. A change looks up a few rows by their
// ids and keys, and must not read whole tables, of which there are no statistics, while it
// holds a lane.
func (o *Operator) set(ctx context.Context, tx pgx.Tx, byIndex bool) error {
	scan := "on"
	if byIndex {
		scan = "off"
	}
	ms := func(d time.Duration) string { return fmt.Sprint(d.Milliseconds()) }
	_, err := tx.Exec(ctx, `SELECT set_config('lock_timeout', $1, true), set_config('statement_timeout', $2, true),
		set_config('idle_in_transaction_session_timeout', $3, true), set_config('jit', 'off', true),
		set_config('plan_cache_mode', 'force_custom_plan', true), set_config('enable_seqscan', $4, true)`,
		ms(o.waits.lock), ms(o.waits.statement), ms(o.waits.idle), scan)
	if err != nil {
		return fmt.Errorf("setting up a transaction: %w", err)
	}
	return nil
}

// notify wakes a relay that rests, when the transaction commits; as the trigger on message
// does.
func (o *Operator) notify(ctx context.Context, tx pgx.Tx) error {
	wake := pgx.Identifier{o.schema, "wake"}.Sanitize()
	if _, err := tx.Exec(ctx, "SELECT pg_notify($1, '') WHERE (SELECT last_value FROM "+wake+") = 1", o.schema); err != nil {
		return fmt.Errorf("waking the relay: %w", err)
	}
	return nil
}
