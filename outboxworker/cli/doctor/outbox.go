package doctor

// outbox.go holds the checks of an outbox's schema: what the relay's order and speed
// rest on, as it is in this database and not as the migrations made it once.

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	outboxes "github.com/weirproxy/weir/outboxworker/outbox"
)

// outbox makes the checks of one outbox.
func (d *doctor) outbox(ctx context.Context, o Outbox) {
	if !d.schema(ctx, o) {
		return
	}
	if !d.objects(ctx, o) {
		return
	}
	d.columns(ctx, o)
	d.indexes(ctx, o)
	d.rights(ctx, o)
	d.pending(ctx, o)
	d.waiting(ctx, o)
}

// schema compares the version of the schema with the one this worker knows.
func (d *doctor) schema(ctx context.Context, o Outbox) bool {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	if err := outboxes.CheckVersion(ctx, d.conn, o.Schema); err != nil {
		d.note(o.Schema, "schema", Error, schemaFix(o.Schema, err), "%v", err)
		return false
	}
	version, err := outboxes.Version(ctx, d.conn, o.Schema)
	if err != nil {
		d.failed(o.Schema, "schema", err)
		return false
	}
	d.note(o.Schema, "schema", OK, "", "version %d", version)
	return true
}

// schemaFix tells what to do about the error of a check of the version.
func schemaFix(schema string, err error) string {
	wrong := (*outboxes.VersionError)(nil)
	switch {
	case !errors.As(err, &wrong):
		return "if a permission is missing, make the worker's role a member of " + schema + "_worker"
	case wrong.Version > outboxes.SchemaVersion:
		return "run a newer outboxworker"
	default:
		return "outboxworker migrate up --schema " + schema + ", as a role that may create the schema or owns it"
	}
}

// objects tells whether everything is there that the other checks and the relay use.
func (d *doctor) objects(ctx context.Context, o Outbox) bool {
	lacking, err := query[missing](ctx, d, "objects", pgx.Identifier{o.Schema}.Sanitize())
	if err != nil {
		d.failed(o.Schema, "schema", err)
		return false
	}
	for _, object := range lacking {
		d.note(o.Schema, "schema", Error, "somebody removed it: restore it as outboxworker migrate sql --schema "+o.Schema+" shows",
			"%s is missing", object.Text)
	}
	return len(lacking) == 0
}

// columns is a row of columns.sql.
type columns struct {
	TxidFirst        bool
	TxidDefault      string
	Identity         string
	Cache, Increment int64
	Cycles           bool
	Wakes            bool
}

// columns checks what the low-water mark is proven with: an id is drawn after its
// transaction has an xid, from one sequence, in the order of time.
func (d *doctor) columns(ctx context.Context, o Outbox) {
	table := qualified(o.Schema, "message")
	found, err := query[columns](ctx, d, "columns", table)
	if err != nil {
		d.failed(o.Schema, "table", err)
		return
	}
	const remake = "the table was not made by outboxworker migrate, or was changed since: empty it, drop the schema and migrate again"
	if len(found) != 1 {
		d.note(o.Schema, "table", Error, remake, "%s lacks the column txid or id", table)
		return
	}
	c := found[0]
	sound := true
	complain := func(fix, format string, args ...any) {
		sound = false
		d.note(o.Schema, "table", Error, fix, format, args...)
	}
	if !c.TxidFirst {
		complain(remake, "the column txid comes after id: an id may be drawn before its transaction has an xid, and messages be missed")
	}
	if !strings.Contains(c.TxidDefault, "pg_current_xact_id()") {
		complain("ALTER TABLE "+table+" ALTER COLUMN txid SET DEFAULT pg_current_xact_id()",
			"the default of txid is not pg_current_xact_id()")
	}
	if c.Identity != "a" {
		complain("ALTER TABLE "+table+" ALTER COLUMN id SET GENERATED ALWAYS",
			"the column id is not GENERATED ALWAYS AS IDENTITY: producers may write ids of their own")
	}
	if c.Identity != "" && (c.Cache != 1 || c.Increment != 1 || c.Cycles) {
		complain("ALTER TABLE "+table+" ALTER COLUMN id SET CACHE 1 SET INCREMENT 1 SET NO CYCLE",
			"the sequence of id has cache %d, increment %d, cycle %t: ids are not in the order of time", c.Cache, c.Increment, c.Cycles)
	}
	if sound {
		d.note(o.Schema, "table", OK, "", "txid before id, identity always, cache 1")
	}
	if !c.Wakes {
		d.note(o.Schema, "trigger", Warning, "ALTER TABLE "+table+" ENABLE TRIGGER wake_relay, or migrate again",
			"the trigger wake_relay is missing or disabled: no notification is sent, messages wait up to poll_max")
	}
}

// index is a row of indexes.sql.
type index struct {
	Name   string
	Usable bool
}

// needed are the indexes of the relay's statements.
var needed = []string{"message_lane", "message_txid", "deferred_pkey", "deferred_due", "deferred_key", "deferred_head", "dead_pkey", "dead_holds"}

// searched are those by which an operator looks for messages that were delivered.
var searched = []string{"delivered_id", "delivered_message", "delivered_biz", "delivered_key"}

func (d *doctor) indexes(ctx context.Context, o Outbox) {
	found, err := query[index](ctx, d, "indexes", o.Schema)
	if err != nil {
		d.failed(o.Schema, "indexes", err)
		return
	}
	usable := make(map[string]bool)
	for _, i := range found {
		usable[i.Name] = i.Usable
	}
	sound := true
	for _, name := range searched {
		if !usable[name] {
			sound = false
			d.note(o.Schema, "indexes", Warning, "make it again as outboxworker migrate sql shows",
				"the index %s is missing or invalid: outboxworker find reads the whole table of delivered messages", name)
		}
	}
	for _, name := range needed {
		works, there := usable[name]
		switch {
		case !there:
			sound = false
			d.note(o.Schema, "indexes", Error, "make it as outboxworker migrate sql shows, with CONCURRENTLY",
				"the index %s is missing: batches read the whole table", name)
		case !works:
			sound = false
			d.note(o.Schema, "indexes", Error, "REINDEX INDEX CONCURRENTLY "+qualified(o.Schema, name),
				"the index %s is invalid: batches read the whole table", name)
		}
	}
	if sound {
		d.note(o.Schema, "indexes", OK, "", "all %d are there and valid", len(needed)+len(searched))
	}
}

// missing is a row of objects.sql or rights.sql.
type missing struct{ Text string }

func (d *doctor) rights(ctx context.Context, o Outbox) {
	lacking, err := query[missing](ctx, d, "rights", pgx.Identifier{o.Schema}.Sanitize())
	if err != nil {
		d.failed(o.Schema, "rights", err)
		return
	}
	if len(lacking) == 0 {
		d.note(o.Schema, "rights", OK, "", "the role may do all that a relay does")
		return
	}
	role := pgx.Identifier{d.conn.Config().User}.Sanitize()
	for _, right := range lacking {
		d.note(o.Schema, "rights", Error, fmt.Sprintf("GRANT %s TO %s, or make it a member of %s", right.Text, role, pgx.Identifier{o.Schema + "_worker"}.Sanitize()),
			"the role lacks %s", right.Text)
	}
}

func qualified(schema, name string) string { return pgx.Identifier{schema, name}.Sanitize() }
