// Package doctor looks for what makes an outbox slow, unsafe or silent: in the server's
// settings, in the table as it really is, in what the worker's role may do, on the way
// to the database, in Redis and at the receiver.
//
// It depends on pgx to ask the database and on go-redis to ask Redis.
package doctor

import (
	"context"
	"embed"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/weirproxy/weir/outboxworker/retryqueue"
)

// Level is how bad a finding is.
type Level string

const (
	// OK: nothing needs to be done.
	OK Level = "ok"
	// Warning: the worker works, but slower or less safely than it could.
	Warning Level = "warning"
	// Error: the worker does not work, or may lose or misorder messages.
	Error Level = "error"
)

// Finding is what came out of one check.
type Finding struct {
	// Outbox is the schema of the outbox, empty for what concerns all.
	Outbox string `json:"outbox,omitempty"`
	// Check is what was looked at.
	Check string `json:"check"`
	Level Level  `json:"level"`
	// Text says what was found.
	Text string `json:"text"`
	// Fix says what to do, unless the level is OK.
	Fix string `json:"fix,omitempty"`
}

// Target is what is looked at.
type Target struct {
	// Connect is how the worker connects; nil if there are consumers alone, which need
	// no database.
	Connect *pgx.ConnConfig
	// Listen is how it connects for notifications; nil if it only polls.
	Listen *pgx.ConnConfig
	// ListenApart tells that Listen is not Connect.
	ListenApart bool
	// Redis is where timers are; nil if the configuration has none.
	Redis    *Redis
	Outboxes []Outbox
	// Consumers are those that post what is in streams, and whether their receivers
	// answer.
	Consumers []Consumer
}

// Consumer is a consumer whose receiver is looked at.
type Consumer struct {
	Name     string
	Receiver Receiver
}

// Outbox is an outbox that is looked at.
type Outbox struct {
	Schema string
	// Workers is how many connections its relay takes.
	Workers int
	// Sink is the name of its sink's kind.
	Sink string
	// Receiver is the sink, if its receiver can be asked. nil: it cannot.
	Receiver Receiver
	// Timers are those of its retries. nil: they are found by polling.
	Timers *retryqueue.Queue
}

// Receiver is a sink whose receiver can be asked how it is.
type Receiver interface {
	// Check returns what an operator should know about the receiver, in sentences
	// of the form "what is wrong; what to do.", or an error if it does not answer.
	Check(ctx context.Context) (warnings []string, err error)
}

// wait bounds each single question, so that one that hangs does not hide the others.
const wait = 10 * time.Second

//go:embed sql/*.sql
var files embed.FS

// doctor collects findings.
type doctor struct {
	target   Target
	conn     *pgx.Conn
	findings []Finding

	// what PostgreSQL's clock showed, and when this machine asked and was answered;
	// zero if it was not asked
	serverClock, serverAsked, serverAnswered time.Time
}

// Examine looks at everything and returns what it found, in the order of the checks.
// Without a database it looks at Redis and the receivers alone.
func Examine(ctx context.Context, target Target) []Finding {
	d := &doctor{target: target}
	if target.Connect != nil && d.connect(ctx) {
		defer func() {
			closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			defer cancel()
			_ = d.conn.Close(closing)
		}()
		d.database(ctx)
		for _, outbox := range target.Outboxes {
			d.outbox(ctx, outbox)
		}
	}
	if target.Redis != nil {
		d.redis(ctx)
		for _, outbox := range target.Outboxes {
			d.timers(ctx, outbox)
		}
	}
	for _, outbox := range target.Outboxes {
		d.receiver(ctx, outbox)
	}
	for _, consumer := range target.Consumers {
		d.ask(ctx, "", "consumer "+consumer.Name, "webhook", consumer.Receiver)
	}
	return d.findings
}

// Failed tells whether any finding is an error.
func Failed(findings []Finding) bool {
	for _, f := range findings {
		if f.Level == Error {
			return true
		}
	}
	return false
}

// note adds a finding.
func (d *doctor) note(outbox, check string, level Level, fix, format string, args ...any) {
	d.findings = append(d.findings, Finding{Outbox: outbox, Check: check, Level: level, Text: fmt.Sprintf(format, args...), Fix: fix})
}

// connect opens the connection that all checks of the database share.
func (d *doctor) connect(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	conn, err := pgx.ConnectConfig(ctx, d.target.Connect.Copy())
	if err != nil {
		d.note("", "connection", Error, "check database.url and password, and that the server runs and lets this machine in", "%v", err)
		return false
	}
	d.conn = conn
	d.note("", "connection", OK, "", "connected to %s, database %s, as %s",
		d.target.Connect.Host, d.target.Connect.Database, d.target.Connect.User)
	return true
}

// query runs a statement and collects its rows into structs by the columns' names.
func query[T any](ctx context.Context, d *doctor, name string, args ...any) ([]T, error) {
	return queryOf[T](ctx, d, name, "", args...)
}

// queryOf is query with a statement in which {schema} stands for a schema.
func queryOf[T any](ctx context.Context, d *doctor, name, schema string, args ...any) ([]T, error) {
	text, err := files.ReadFile("sql/" + name + ".sql")
	if err != nil {
		return nil, fmt.Errorf("reading statement %s: %w", name, err)
	}
	statement := strings.ReplaceAll(string(text), "{schema}", pgx.Identifier{schema}.Sanitize())
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	rows, err := d.conn.Query(ctx, statement, args...)
	if err != nil {
		return nil, fmt.Errorf("asking for %s: %w", name, err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[T])
	if err != nil {
		return nil, fmt.Errorf("asking for %s: %w", name, err)
	}
	return found, nil
}

// failed notes that a check could not be made.
func (d *doctor) failed(outbox, check string, err error) {
	d.note(outbox, check, Error, "see the error; the checks that follow may be missing because of it", "%v", err)
}

// receiver asks an outbox's receiver how it is.
func (d *doctor) receiver(ctx context.Context, outbox Outbox) {
	d.ask(ctx, outbox.Schema, "sink", outbox.Sink, outbox.Receiver)
}

// ask asks a receiver how it is.
func (d *doctor) ask(ctx context.Context, outbox, check, kind string, receiver Receiver) {
	if receiver == nil {
		d.note(outbox, check, OK, "", "%s has no receiver that can be asked", kind)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	warnings, err := receiver.Check(ctx)
	if err != nil {
		d.note(outbox, check, Error, "check its address and secrets, and that the receiver runs", "%s: %v", kind, err)
		return
	}
	for _, warning := range warnings {
		text, fix, told := strings.Cut(strings.TrimSuffix(warning, "."), "; ")
		if !told {
			fix = "ask whoever runs the receiver"
		}
		d.note(outbox, check, Warning, fix, "%s: %s", kind, text)
	}
	if len(warnings) == 0 {
		d.note(outbox, check, OK, "", "%s answers", kind)
	}
}
