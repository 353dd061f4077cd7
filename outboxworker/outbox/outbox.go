// Package outbox writes messages into a table of the transaction that changes the data,
// so that either both happen or neither. A worker delivers them from there.
//
//	err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
//		// change the data in tx, then
//		_, err := outbox.Enqueue(ctx, tx, outbox.Message{
//			Topic: "orders", Key: orderID, Type: "order.paid", Payload: event,
//		})
//		return err
//	})
//
// It also makes the table: Migrate and SQL hold the versions of its schema. The runner
// is the package's own; docs/decisions/0004-own-migrations.md says why.
//
// Messages of one key are delivered in the order in which they were enqueued, provided
// that the lock that serialises the key's writers, most often that of the row that they
// change, is taken before the enqueue. docs/outbox-producers.md says more, and how to
// enqueue without Go.
//
// The package depends on pgx, which is one of the two kinds of transaction that it
// takes and what migrations run on; on google/uuid for the ids of messages; and on
// go.opentelemetry.io/otel/trace to find the trace that a context belongs to.
package outbox

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// DefaultSchema is the schema of the package-level functions and of the zero Outbox.
const DefaultSchema = "outbox"

// Outbox enqueues messages into the outbox of one schema. It holds no connection and
// may be used by several goroutines at once. The zero value, and nil, enqueue into
// DefaultSchema.
type Outbox struct {
	statements statements
}

var standard = &Outbox{newStatements(DefaultSchema)}

// New returns the outbox of a schema. The error says what is wrong with the name: it
// has 1 to 40 of the characters a-z, 0-9 and _, begins with no digit, and is neither
// public nor one of PostgreSQL's own.
func New(schema string) (*Outbox, error) {
	if err := checkSchema(schema); err != nil {
		return nil, err
	}
	return &Outbox{newStatements(schema)}, nil
}

// schemaName has names that need no care anywhere: not when they are folded to lower
// case, nor in the names of roles and channels that are made from them.
var schemaName = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,39}$`)

func checkSchema(schema string) error {
	switch {
	case !schemaName.MatchString(schema):
		return fmt.Errorf("checking the name of the outbox's schema: %q does not match %s", schema, schemaName)
	case schema == "public" || schema == "information_schema" || strings.HasPrefix(schema, "pg_"):
		return fmt.Errorf("checking the name of the outbox's schema: %s is not the outbox's own", schema)
	}
	return nil
}

// Enqueue enqueues a message into DefaultSchema. See Outbox.Enqueue.
func Enqueue(ctx context.Context, tx any, m Message) (uuid.UUID, error) {
	return standard.Enqueue(ctx, tx, m)
}

// EnqueueBatch enqueues messages into DefaultSchema. See Outbox.EnqueueBatch.
func EnqueueBatch(ctx context.Context, tx any, ms []Message) ([]uuid.UUID, error) {
	return standard.EnqueueBatch(ctx, tx, ms)
}

// Enqueue writes a message in the transaction tx, a pgx.Tx or a *sql.Tx of any driver
// for PostgreSQL, and returns the message's ID. The message is delivered after tx has
// been committed, and not at all if tx is rolled back.
//
// Anything else than a transaction is refused: the message has to be in the one that
// changes the data. So is a message that the table would not take, see Message; the
// transaction can then still be used. After an error of the database it can only be
// rolled back.
func (o *Outbox) Enqueue(ctx context.Context, tx any, m Message) (uuid.UUID, error) {
	ids, err := o.enqueue(ctx, tx, []Message{m})
	if err != nil {
		return uuid.UUID{}, err
	}
	return ids[0], nil
}

// EnqueueBatch is Enqueue for several messages, which it enqueues in their order with
// few statements: one for every 16 MiB. It returns their IDs, in the same order. If one
// of them cannot be enqueued, none is.
func (o *Outbox) EnqueueBatch(ctx context.Context, tx any, ms []Message) ([]uuid.UUID, error) {
	return o.enqueue(ctx, tx, ms)
}

func (o *Outbox) enqueue(ctx context.Context, tx any, ms []Message) ([]uuid.UUID, error) {
	in, err := transactionOf(tx)
	if err != nil {
		return nil, err
	}
	rows, err := newRows(ctx, ms)
	if err != nil {
		return nil, err
	}
	use := &standard.statements
	if o != nil && o.statements.one != "" {
		use = &o.statements
	}
	if len(rows) == 1 {
		err = use.insertOne(ctx, in, &rows[0])
	} else {
		err = use.insertMany(ctx, in, rows)
	}
	if err != nil {
		return nil, fmt.Errorf("enqueuing %s: %w", plural(len(rows)), err)
	}
	ids := make([]uuid.UUID, len(rows))
	for i := range rows {
		ids[i] = rows[i].id
	}
	return ids, nil
}

// newRows completes messages and checks them, all of them before the first is written.
func newRows(ctx context.Context, ms []Message) ([]row, error) {
	from := inherited(ctx)
	rows := make([]row, len(ms))
	for i := range ms {
		err := rows[i].set(&ms[i], &from)
		if err != nil && len(ms) == 1 {
			return nil, fmt.Errorf("enqueuing a message: %w", err)
		} else if err != nil {
			return nil, fmt.Errorf("enqueuing message %d of %d: %w", i+1, len(ms), err)
		}
	}
	return rows, nil
}

func plural(n int) string {
	if n == 1 {
		return "a message"
	}
	return fmt.Sprintf("%d messages", n)
}

// quoted returns the name of a schema as SQL has it.
func quoted(schema string) string { return pgx.Identifier{schema}.Sanitize() }
