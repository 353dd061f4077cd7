package relay

// keep.go notes delivered messages in table delivered, where the settings say so. What is
// noted helps an operator; whatever is wrong with it never keeps a message from being
// delivered and removed.

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"go.uber.org/zap"
)

const (
	// rotateEvery is how often partitions of delivered messages are made and dropped:
	// well within the hour that each is for.
	rotateEvery = 5 * time.Minute
	// rotateTimeout is more than the function waits for locks.
	rotateTimeout = 8 * time.Second
)

// rotate makes the partitions of this hour and the next and drops those that are old.
// From then on what is delivered is noted. Without KeepDelivered it drops what an earlier
// setting has left.
func (r *Relay) rotate(ctx context.Context, conn *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, rotateTimeout)
	defer cancel()
	var b pgx.Batch
	b.Queue(begin)
	b.Queue("SELECT "+pgx.Identifier{r.settings.Schema, "rotate_delivered"}.Sanitize()+"($1)", r.settings.KeepDelivered)
	b.Queue("COMMIT")
	if err := conn.SendBatch(ctx, &b).Close(); err != nil {
		if conn.PgConn().TxStatus() != 'I' {
			_, failed := conn.Exec(ctx, "ROLLBACK")
			err = errors.Join(err, failed)
		}
		return fmt.Errorf("making partitions for delivered messages: %w", err)
	}
	r.keeping.Store(r.settings.KeepDelivered > 0)
	return nil
}

// rotateOften rotates every few minutes, when last is so long ago.
func (r *Relay) rotateOften(ctx context.Context, conn *pgx.Conn, last *time.Time) {
	if time.Since(*last) < rotateEvery {
		return
	}
	*last = time.Now()
	if err := r.rotate(ctx, conn); err != nil && ctx.Err() == nil {
		r.logger.Warn("rotating delivered messages", zap.Error(err))
	}
}

// beginKeeping makes sure, before a session's first batch, that there are partitions.
func (w *worker) beginKeeping(ctx context.Context, conn *pgx.Conn) {
	if w.settings().KeepDelivered == 0 || w.relay.keeping.Load() {
		return
	}
	if err := w.relay.rotate(ctx, conn); err != nil {
		w.relay.logger.Error("delivered messages are not kept", zap.Error(err))
	}
}

// keepOrForget returns the statements that remove delivered messages.
func (w *worker) keepOrForget() (pending, waiting string) {
	if w.relay.keeping.Load() {
		return w.sql.keep, w.sql.keepWaiting
	}
	return w.sql.forget, w.sql.forgetWaiting
}

// removalError is an error of a statement that removes delivered messages, and so of the notes
// that it makes.
type removalError struct{ error }

func (e *removalError) Unwrap() error { return e.error }

// removing says of an error, if there is one, which statement it is of.
func removing(err error) error {
	if err == nil {
		return nil
	}
	return &removalError{err}
}

// mendKeeping sees to it that a batch can be settled that could not be noted: it makes
// the partition that is missing, or else lets messages be removed without a note until
// the next rotation succeeds. It reports whether the notes were at fault. Then the
// transaction, which has failed, is ended.
func (w *worker) mendKeeping(ctx context.Context, reason error) (mended bool, err error) {
	var answer *pgconn.PgError
	if !errors.As(reason, &answer) {
		return false, nil
	}
	// A table that is not there at all is found missing before any statement is run.
	if !errors.As(reason, new(*removalError)) && answer.Code != "42P01" {
		return false, nil
	}
	if err := w.rollback(ctx); err != nil {
		return false, err
	}
	if answer.Code == "23514" && answer.TableName == "delivered" {
		reason = w.relay.rotate(ctx, w.conn)
	}
	if reason != nil && w.relay.keeping.Swap(false) {
		w.relay.logger.Error("delivered messages are not kept", zap.Error(reason))
	}
	return true, nil
}
