// Package gormoutbox publishes what GORM writes: a model declares the messages of a
// change, and a plugin enqueues them in the transaction of the change.
//
//	func (o *Order) OutboxMessages(_ context.Context, op gormoutbox.Op) ([]outbox.Message, error) {
//		return []outbox.Message{{Topic: "orders", Key: o.ID, Type: "order." + op.String()}}, nil
//	}
//
//	err := db.Use(gormoutbox.New(nil))
//
// The plugin publishes exactly what was written, or the operation fails and GORM rolls
// it back. Where GORM does not tell which rows an operation wrote, the operation fails,
// too: an update or delete of a model without its primary key, for example. There, let
// PostgreSQL return the rows to a slice with clause.Returning, or enqueue by hand and
// say so with Without. What GORM does not know to concern a model is not seen: raw SQL,
// and operations with Table and a map instead of a model.
//
// It is a module of its own, so that users of the package outbox do not depend on GORM.
package gormoutbox

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"reflect"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/weirproxy/weir/outboxworker/outbox"
)

// Op is what was done to a model.
type Op uint8

// The operations.
const (
	Created Op = iota + 1
	Updated
	// Saved means created or updated: the statement was an INSERT with an ON
	// CONFLICT DO UPDATE, which does not tell. So are Save with a slice, Save with a
	// row that was not there, and some associations.
	Saved
	// Deleted includes a soft delete.
	Deleted
)

// String returns the operation in lower case.
func (o Op) String() string {
	switch o {
	case Created:
		return "created"
	case Updated:
		return "updated"
	case Saved:
		return "saved"
	case Deleted:
		return "deleted"
	default:
		return "unknown"
	}
}

// Publisher is a model whose changes are published.
//
// OutboxMessages is called after the statement and the model's own hooks, with the
// model as it is in memory: what the database computes, and what was not loaded, is in
// it only if clause.Returning asked for it. It may return no messages. Its error makes
// the operation fail.
type Publisher interface {
	OutboxMessages(ctx context.Context, op Op) ([]outbox.Message, error)
}

var publisherType = reflect.TypeFor[Publisher]()

// Plugin enqueues the messages of models.
type Plugin struct{ outbox *outbox.Outbox }

// New returns a plugin for gorm.DB.Use that enqueues into box; nil is the outbox in
// outbox.DefaultSchema.
func New(box *outbox.Outbox) *Plugin { return &Plugin{box} }

// Name is the plugin's name among those of a gorm.DB.
func (p *Plugin) Name() string { return "weir:outbox" }

// Initialize registers the plugin's callbacks. gorm.DB.Use calls it.
func (p *Plugin) Initialize(db *gorm.DB) error {
	create, update, remove := db.Callback().Create(), db.Callback().Update(), db.Callback().Delete()
	const begun, ended = "weir:outbox_check", "weir:outbox_publish"
	const commit = "gorm:commit_or_rollback_transaction"
	return errors.Join(
		create.Before("gorm:before_create").Register(begun, check),
		update.Before("gorm:before_update").Register(begun, check),
		remove.Before("gorm:before_delete").Register(begun, check),
		create.After("gorm:after_create").Before(commit).Register(ended, func(db *gorm.DB) { p.publish(db, createdOrSaved(db)) }),
		update.After("gorm:after_update").Before(commit).Register(ended, func(db *gorm.DB) { p.publish(db, Updated) }),
		remove.After("gorm:after_delete").Before(commit).Register(ended, func(db *gorm.DB) { p.publish(db, Deleted) }),
	)
}

const withoutKey = "weir:outbox_without"

// Without returns a session whose operations publish nothing: for changes that nobody
// needs to hear of, and for those whose messages are enqueued by hand.
func Without(db *gorm.DB) *gorm.DB { return db.Set(withoutKey, true) }

// concerns reports whether a statement changes a model that is a Publisher. GORM's own
// SkipHooks makes no difference: it sets that itself where Save has to insert.
func concerns(db *gorm.DB) bool {
	if db.Error != nil || db.DryRun || db.Statement.Schema == nil {
		return false
	}
	if _, without := db.Get(withoutKey); without {
		return false
	}
	return reflect.PointerTo(db.Statement.Schema.ModelType).Implements(publisherType)
}

// check refuses a change before it is made if no message could be in its transaction.
func check(db *gorm.DB) {
	if concerns(db) && transaction(db) == nil {
		fail(db, errors.New("GORM runs it without a transaction: "+
			"an outbox message must be in the transaction that changes the data"))
	}
}

// transaction returns the transaction of a statement, or nil.
func transaction(db *gorm.DB) *sql.Tx {
	var pool any = db.Statement.ConnPool
	if prepared, ok := pool.(*gorm.PreparedStmtTX); ok && prepared != nil {
		pool = prepared.Tx
	}
	tx, _ := pool.(*sql.Tx)
	return tx
}

func createdOrSaved(db *gorm.DB) Op {
	conflict, ok := db.Statement.Clauses["ON CONFLICT"].Expression.(clause.OnConflict)
	if ok && !conflict.DoNothing {
		return Saved
	}
	return Created
}

func (p *Plugin) publish(db *gorm.DB, op Op) {
	if !concerns(db) || db.RowsAffected == 0 {
		return
	}
	written, err := models(db, op)
	if err != nil {
		fail(db, err)
		return
	}
	var messages []outbox.Message
	for _, model := range written {
		some, err := model.OutboxMessages(db.Statement.Context, op)
		if err != nil {
			fail(db, err)
			return
		}
		messages = append(messages, some...)
	}
	if _, err := p.outbox.EnqueueBatch(db.Statement.Context, transaction(db), messages); err != nil {
		fail(db, err)
	}
}

func fail(db *gorm.DB, err error) {
	_ = db.AddError(fmt.Errorf("publishing a change of %s: %w", db.Statement.Schema.Name, err))
}
