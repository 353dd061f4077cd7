package inbox

// store.go holds the inbox as an idempotency.Store: its claims are transactions.

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/weirproxy/weir/outboxworker/idempotency"
)

// Beginner begins transactions; a pgxpool.Pool is one.
type Beginner interface {
	BeginTx(ctx context.Context, options pgx.TxOptions) (pgx.Tx, error)
}

// Store is an idempotency.Store over the inbox. A claim is a READ COMMITTED transaction,
// which the handler finds with Tx in the context that Keep returns, and has its effect
// in. Done commits it, Release rolls it back. It has no lease: it lasts as long as its
// session, and so Extend has nothing to do.
type Store struct {
	inbox *Inbox
	db    Beginner
	wait  string // as lock_timeout has it
}

var _ idempotency.Store = (*Store)(nil)

// Store returns the inbox as a store. Every claim takes a connection of db until its end,
// and so does a Begin that waits for another handler of the message: wait is for how
// long, before it says Busy; at least 1ms.
func (i *Inbox) Store(db Beginner, wait time.Duration) (*Store, error) {
	if wait < time.Millisecond {
		return nil, fmt.Errorf("waiting for another handler: %s is less than 1ms", wait)
	}
	return &Store{inbox: i, db: db, wait: strconv.FormatInt(wait.Milliseconds(), 10)}, nil
}

// Begin begins a transaction with the message's row in it, see idempotency.Store. When
// ctx is done, the transaction can still be committed.
func (s *Store) Begin(ctx context.Context, group, messageID string) (idempotency.Claim, idempotency.State, error) {
	var none idempotency.State
	if err := idempotency.Check(group, messageID); err != nil {
		return nil, none, err
	}
	tx, err := s.db.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.ReadCommitted, AccessMode: pgx.ReadWrite})
	if err != nil {
		return nil, none, failed(ctx, err)
	}
	fresh, err := s.insert(ctx, tx, group, messageID)
	if err == nil && fresh {
		return &claim{tx}, idempotency.State{Status: idempotency.Started}, nil
	}
	rollback(ctx, tx)
	var refused *pgconn.PgError
	switch {
	case err == nil:
		return nil, idempotency.State{Status: idempotency.AlreadyDone}, nil
	case errors.As(err, &refused) && refused.Code == "55P03": // lock_not_available
		return nil, idempotency.State{Status: idempotency.Busy}, nil
	}
	return nil, none, failed(ctx, err)
}

// insert is Once with a bound for its wait alone: lock_timeout is for the handler's
// statements what it was before.
func (s *Store) insert(ctx context.Context, tx pgx.Tx, group, messageID string) (fresh bool, err error) {
	var before string
	batch := new(pgx.Batch)
	batch.Queue("SELECT current_setting('lock_timeout')").QueryRow(func(row pgx.Row) error { return row.Scan(&before) })
	batch.Queue("SELECT set_config('lock_timeout', $1, true)", s.wait)
	batch.Queue(s.inbox.insert, messageID, group).Exec(func(tag pgconn.CommandTag) error {
		fresh = tag.RowsAffected() == 1
		return nil
	})
	if err := tx.SendBatch(ctx, batch).Close(); err != nil || !fresh {
		return false, err
	}
	_, err = tx.Exec(ctx, "SELECT set_config('lock_timeout', $1, true)", before)
	return err == nil, err
}

// rollbackWithin bounds a rollback for which there is no time left.
const rollbackWithin = 5 * time.Second

// rollback gives the connection back, or closes it, whatever has become of ctx. A
// rollback that fails ends the session, which is one too.
func rollback(ctx context.Context, tx pgx.Tx) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackWithin)
	defer cancel()
	_ = tx.Rollback(ctx)
}

func failed(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("claiming a message: %w", err)
	}
	return fmt.Errorf("claiming a message: %w: %w", idempotency.ErrUnavailable, err)
}

// txKey is where the transaction is in the context of Keep.
type txKey struct{}

// Tx returns the transaction of the claim whose Keep has returned the context, or one
// derived from it, and nil if there is none. Whoever has it neither commits it nor rolls
// it back.
func Tx(ctx context.Context) pgx.Tx {
	tx, _ := ctx.Value(txKey{}).(pgx.Tx)
	return tx
}

// claim is a claim of one message.
type claim struct{ tx pgx.Tx }

// Done commits. If that fails the effect has not happened, or, when there was no answer,
// it has and the message is done: either way it may be delivered again.
func (c *claim) Done(ctx context.Context) error {
	if err := c.tx.Commit(ctx); err != nil {
		return fmt.Errorf("committing a message: %w", err)
	}
	return nil
}

// Release rolls back. It needs no answer to have done so.
func (c *claim) Release(ctx context.Context) error {
	rollback(ctx, c.tx)
	return nil
}

// Extend does nothing.
func (c *claim) Extend(context.Context) error { return nil }

// Keep returns a context with the transaction.
func (c *claim) Keep(ctx context.Context) (context.Context, func()) {
	kept, cancel := context.WithCancel(context.WithValue(ctx, txKey{}, c.tx))
	return kept, cancel
}
