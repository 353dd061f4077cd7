// Package operator is what an operator does to the messages of an outbox, over its tables
// in PostgreSQL: looks at those that died or wait, lets them be delivered again or at
// once, discards them, and lets keys go on that are blocked.
//
// Whatever changes messages holds the lock of their lane, as a relay's batch does, and so
// waits until a batch under way is settled. It works in transactions of at most 500
// messages of one lane, each with its row in the table audit, and wakes the relay. A
// command that is stopped half-way, in whatever way, leaves messages that it has dealt with
// and messages that it has not, and nothing between.
//
// A key is in order when of its waiting messages, delayed ones aside, the first is in state
// retry and all others are parked; or when all are parked, because a dead one holds the key.
// Of producers that do not take turns a lower id may come when a higher one is tried already;
// it is next then. Each transaction leaves the keys that it touches in order.
//
// The package depends on pgx, on outbox for the schema, and on fingerprint for the errors
// of messages that are skipped.
package operator

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/weirproxy/weir/outboxworker/outbox"
)

// Identity is who operates, for the table audit.
type Identity struct {
	// Actor is the operator's name. Default: the user of the database's session.
	Actor string
	// Reason is why; may be empty.
	Reason string
}

// Operator works on one outbox over one connection. It is not for concurrent use. When a
// call is cancelled in the middle of a statement, the connection is lost, and so is the
// Operator.
type Operator struct {
	conn     *pgx.Conn
	schema   string
	table    uint32 // object id of message
	identity Identity
	sql      map[string]string
	waits    waits
	// pauses is the run of its pauses and their ends, of which each lane has its own.
	pauses uuid.UUID
}

// Open connects to the outbox in a schema. It returns an *outbox.VersionError if the
// schema is not one that this version can use. The user needs the rights of the role
// <schema>_operator. Times that it returns are in UTC.
func Open(ctx context.Context, config *pgx.ConnConfig, schema string, identity Identity) (*Operator, error) {
	run, err := uuid.NewV7()
	if err != nil {
		return nil, fmt.Errorf("drawing an id: %w", err)
	}
	conn, err := pgx.ConnectConfig(ctx, config.Copy())
	if err != nil {
		return nil, fmt.Errorf("connecting: %w", err)
	}
	// Times are shown to people in many places.
	conn.TypeMap().RegisterType(&pgtype.Type{Name: "timestamptz", OID: pgtype.TimestamptzOID, Codec: &pgtype.TimestamptzCodec{ScanLocation: time.UTC}})
	o := &Operator{conn: conn, schema: schema, identity: identity, waits: defaultWaits, pauses: run}
	if err := o.prepare(ctx); err != nil {
		return nil, errors.Join(err, conn.Close(context.WithoutCancel(ctx)))
	}
	return o, nil
}

// PauseRun is the run in the table audit of all that PauseLane and ResumeLane do.
func (o *Operator) PauseRun() uuid.UUID { return o.pauses }

// Close ends the connection.
func (o *Operator) Close(ctx context.Context) error { return o.conn.Close(ctx) }

func (o *Operator) prepare(ctx context.Context) error {
	if err := outbox.CheckVersion(ctx, o.conn, o.schema); err != nil {
		return err
	}
	var err error
	if o.sql, err = statements(o.schema); err != nil {
		return err
	}
	name := pgx.Identifier{o.schema, "message"}.Sanitize()
	if err := o.conn.QueryRow(ctx, "SELECT $1::text::regclass::oid", name).Scan(&o.table); err != nil {
		return fmt.Errorf("finding the table: %w", err)
	}
	return nil
}

//go:embed sql/*.sql
var files embed.FS

// statements returns the SQL of an outbox, by the names of the files, without .sql. That
// which relays need too is in the package outbox.
func statements(schema string) (map[string]string, error) {
	entries, err := files.ReadDir("sql")
	if err != nil {
		return nil, fmt.Errorf("reading the statements: %w", err)
	}
	all := map[string]string{"promote": outbox.PromoteSQL(schema)}
	for _, entry := range entries {
		text, err := files.ReadFile(path.Join("sql", entry.Name()))
		if err != nil {
			return nil, fmt.Errorf("reading a statement: %w", err)
		}
		name := strings.TrimSuffix(entry.Name(), ".sql")
		all[name] = expand(string(text), schema)
	}
	return all, nil
}

func expand(sql, schema string) string {
	return strings.ReplaceAll(sql, "{schema}", pgx.Identifier{schema}.Sanitize())
}

// expand puts the name of the schema into SQL.
func (o *Operator) expand(sql string) string { return expand(sql, o.schema) }
