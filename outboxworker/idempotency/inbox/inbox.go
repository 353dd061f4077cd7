// Package inbox has messages take effect exactly once, in PostgreSQL.
//
// That a message is done is a row of the table inbox, written in the transaction which
// has the effect: both are there, or neither is, whenever a handler dies.
//
//	tx, err := pool.Begin(ctx)
//	...
//	fresh, err := messages.Once(ctx, tx, "billing", message.ID)
//	if err == nil && fresh {
//		_, err = tx.Exec(ctx, "UPDATE account SET ...")
//	}
//	... // tx.Commit or tx.Rollback, then acknowledge the message
//
// Effects outside of that database are not covered.
//
// # Two at once
//
// The row is inserted before the effect, with ON CONFLICT DO NOTHING. If a transaction
// that is still running has inserted the same one, the second waits for its end, and does
// not decide before it. It does so by a lock on the first one's transaction id, as a
// unique index demands:
//
//   - the first commits: the second finds the message done. In REPEATABLE READ and
//     SERIALIZABLE, whose snapshot is older than that row, PostgreSQL fails it with
//     SQLSTATE 40001 instead: it is rolled back and run again;
//   - the first rolls back, or its session ends: the second's insert goes through, and it
//     has the effect.
//
// lock_timeout and the context bound the wait. Transactions which handle several
// messages each may wait for one another in a circle; PostgreSQL then fails one with
// 40P01, which is run again. Handling them in the order of their ids avoids it.
//
// # Installing and pruning
//
// Schema is the SQL that makes the table, in the database that has the effects, with or
// without an outbox. Whoever handles messages needs USAGE on the schema and INSERT on
// the table; whoever prunes it, SELECT and DELETE. Rows are about 200 bytes with their index entries; Prune deletes old ones.
//
// The package depends on pgx.
package inbox

import (
	"context"
	_ "embed"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/weirproxy/weir/outboxworker/idempotency"
	"github.com/weirproxy/weir/outboxworker/outbox"
)

//go:embed inbox.sql
var definition string

// Retention is how long to keep rows, for want of a better reason: longer than a message
// is retried, and than an operator takes to replay it.
const Retention = 7 * 24 * time.Hour

// Inbox is the inbox of one schema. It holds no connection and may be used by several
// goroutines at once. Make one with New.
type Inbox struct {
	schema        string
	insert, prune string
}

// New returns the inbox in a schema, for instance outbox.DefaultSchema. The error says
// what is wrong with the name, as that of outbox.New.
func New(schema string) (*Inbox, error) {
	if _, err := outbox.New(schema); err != nil {
		return nil, err
	}
	table := quoted(schema) + ".inbox"
	return &Inbox{
		schema: schema,
		// No conflict target: it would need the right to read the table.
		insert: "INSERT INTO " + table + " (message_id, consumer_group) VALUES ($1, $2) ON CONFLICT DO NOTHING",
		// now(), as an index cannot be searched with clock_timestamp().
		prune: "DELETE FROM " + table + " WHERE ctid = ANY (ARRAY(SELECT ctid FROM " + table +
			" WHERE done_at < now() - $1::interval ORDER BY done_at LIMIT $2))",
	}, nil
}

func quoted(name string) string { return pgx.Identifier{name}.Sanitize() }

// Schema returns the SQL that makes the table, and its schema if that is missing. It is
// one statement, for psql or another tool; running it again changes nothing. Which roles
// may use the table is left to be granted.
func (i *Inbox) Schema() string {
	return strings.NewReplacer("{schema}", quoted(i.schema), "{name}", i.schema).Replace(definition)
}

// Once writes into the handler's transaction that it handles the message for the group,
// and tells whether it is the first to do so; if not, the transaction has nothing more to
// do. It waits while another transaction handles the message, see the package. Asked
// again in the same transaction, it says false.
//
// The effect must be in tx, and in no savepoint that Once is not in.
//
// The error is an idempotency.ErrInvalid, after which tx can still be used, or one of the
// database, after which it can only be rolled back.
func (i *Inbox) Once(ctx context.Context, tx pgx.Tx, group, messageID string) (fresh bool, err error) {
	if err := idempotency.Check(group, messageID); err != nil {
		return false, err
	}
	tag, err := tx.Exec(ctx, i.insert, messageID, group)
	if err != nil {
		return false, fmt.Errorf("writing a message into the inbox: %w", err)
	}
	return tag.RowsAffected() == 1, nil
}

// Execer is a connection or a pool.
type Execer interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}

// Prune deletes the rows that are older than age, batch of them in a statement, and
// returns how many it has deleted, also with an error. Two at once do no harm, but gain
// nothing. A message that is delivered after its row is gone takes effect again.
//
// age is above 0, by the database's clock, for instance Retention; a batch has 1 to 10000
// rows. db is no transaction, which would keep all rows locked until its end.
func (i *Inbox) Prune(ctx context.Context, db Execer, age time.Duration, batch int) (deleted int64, err error) {
	switch {
	case age <= 0:
		return 0, fmt.Errorf("pruning the inbox: the age %s is not above 0", age)
	case batch < 1 || batch > 10000:
		return 0, fmt.Errorf("pruning the inbox: a batch of %d is not between 1 and 10000", batch)
	}
	for {
		tag, err := db.Exec(ctx, i.prune, age, batch)
		if err != nil {
			return deleted, fmt.Errorf("pruning the inbox: %w", err)
		}
		deleted += tag.RowsAffected()
		if tag.RowsAffected() < int64(batch) {
			return deleted, nil
		}
	}
}
