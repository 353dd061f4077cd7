package cli

// audit.go has the command audit.

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/weirproxy/weir/outboxworker/operator"
)

// audited is a step of what an operator did, with an outbox or with what a consumer has in
// Redis.
type audited struct {
	// ID tells entries apart, and Stream those of a consumer's streams.
	ID       string          `json:"id"`
	Stream   string          `json:"stream,omitempty"`
	At       time.Time       `json:"at"`
	Run      string          `json:"run"`
	Actor    string          `json:"actor"`
	Login    string          `json:"login,omitempty"`
	Action   string          `json:"action"`
	Filter   json.RawMessage `json:"filter"`
	Reason   string          `json:"reason"`
	Messages int64           `json:"messages"`
	// IDs are those of messages or, of a consumer, of dead letters, and of run-now of
	// entries.
	IDs []string `json:"ids"`
}

// auditOperation is what audit is told.
type auditOperation struct {
	operation
	consumerChoice
	run, who     string
	action, id   string
	since, until string
	filter       operator.AuditFilter
}

func newAudit(process Process) *cobra.Command {
	o := &auditOperation{operation: operation{process: process}}
	command := &cobra.Command{
		Use:   "audit",
		Short: "Show what operators did, the last first",
		Long: "audit shows what operators did to messages and lanes of an outbox or, with --consumer, to dead letters and retries of a consumer. " +
			"A command that changed many messages has an entry for each batch, all with its run.",
		Args: noArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			if err := o.check(); err != nil {
				return err
			}
			if o.consumer != "" {
				return o.ofConsumer(command.Context())
			}
			return o.with(command, false, func(ctx context.Context, of *operator.Operator, _ operator.Filter) error {
				return showPages(&o.operation, auditColumns, func(after string, limit int) ([]audited, string, error) {
					entries, next, err := positionPage(after, limit, func(page operator.Page) ([]operator.AuditEntry, error) {
						return of.Audit(ctx, o.filter, page)
					}, func(e *operator.AuditEntry) int64 { return e.ID })
					return auditedOf(entries), next, err
				})
			})
		},
	}
	o.flags(command)
	o.limitFlag(command, listed, "entries")
	f := command.Flags()
	o.consumerFlags(command, "messages are")
	f.StringVar(&o.run, "run", "", "select by the `run` of a command")
	f.StringVar(&o.who, "actor", "", "select by the `name` of who did it")
	f.StringVar(&o.action, "action", "", "select by `what` was done: replay, discard, run-now, release, skip-head, pause or resume")
	f.StringVar(&o.id, "id", "", "select by the `id` of a message, or of a dead letter or an entry of the consumer")
	f.StringVar(&o.since, "since", "", "select what was done at this `time` or later: RFC 3339, or so long ago, as 90s, 2h or 7d")
	f.StringVar(&o.until, "until", "", "select what was done before this `time`")
	return command
}

// check reads the flags.
func (o *auditOperation) check() (err error) {
	if err := o.operation.check(); err != nil {
		return err
	}
	if err := o.checkConsumer(o.outbox); err != nil {
		return err
	}
	if o.action != "" {
		if err := oneOf("action", o.action, "replay", "discard", "run-now", "release", "skip-head", "pause", "resume"); err != nil {
			return err
		}
	}
	o.filter = operator.AuditFilter{Actor: o.who, Action: o.action}
	if o.filter.Since, o.filter.Until, err = between(o.since, o.until); err != nil {
		return err
	}
	if o.run != "" {
		if o.filter.Run, err = uuid.Parse(o.run); err != nil {
			return &usageError{fmt.Errorf("--run: %q is no id of a run", o.run)}
		}
	}
	if o.id != "" && o.consumer == "" {
		if o.filter.MessageID, err = uuid.Parse(o.id); err != nil {
			return &usageError{fmt.Errorf("--id: %q is no id of a message; the audit does not know positions", o.id)}
		}
	}
	return nil
}

var auditColumns = []column[audited]{
	{"AT", func(e *audited) string { return stamp(e.At) }},
	{"ACTION", func(e *audited) string { return e.Action }},
	{"ACTOR", func(e *audited) string { return e.Actor }},
	{"LOGIN", func(e *audited) string { return e.Login }},
	{"MESSAGES", func(e *audited) string { return strconv.FormatInt(e.Messages, 10) }},
	{"RUN", func(e *audited) string { return e.Run }},
	{"FILTER", func(e *audited) string { return short(string(e.Filter)) }},
	{"REASON", func(e *audited) string { return short(e.Reason) }},
}

func auditedOf(entries []operator.AuditEntry) []audited {
	all := make([]audited, len(entries))
	for i := range entries {
		e := &entries[i]
		all[i] = audited{
			ID: strconv.FormatInt(e.ID, 10), At: e.At, Run: e.Run.String(), Actor: e.Actor, Login: e.Login, Action: e.Action,
			Filter: e.Filter, Reason: e.Reason, Messages: e.Messages, IDs: make([]string, len(e.MessageIDs)),
		}
		for j, id := range e.MessageIDs {
			all[i].IDs[j] = id.String()
		}
	}
	return all
}

// ofConsumer shows the audit of a consumer.
func (o *auditOperation) ofConsumer(ctx context.Context) error {
	ctx, stop := interruptible(ctx)
	defer stop()
	d, err := openConsumer(ctx, &o.operation, &o.consumerChoice)
	if err != nil {
		return err
	}
	defer d.close()
	trail := newAuditTrail(d)
	following, err := o.nextOf(ctx, trail)
	return showPages(&o.operation, auditColumns, func(_ string, limit int) (entries []audited, next string, _ error) {
		for ; following != nil && err == nil && len(entries) < limit; following, err = o.nextOf(ctx, trail) {
			entries = append(entries, *following)
		}
		if following != nil {
			next = following.ID
		}
		return entries, next, err
	})
}

// nextOf returns the next entry that the flags select, or nil.
func (o *auditOperation) nextOf(ctx context.Context, trail *auditTrail) (*audited, error) {
	for {
		e, err := trail.next(ctx)
		switch {
		case err != nil || e == nil || e.At.Before(o.filter.Since):
			return nil, err
		case o.selects(e):
			return e, nil
		}
	}
}

// selects tells whether the flags select an entry, --since aside, at which a trail ends.
func (o *auditOperation) selects(e *audited) bool {
	f := &o.filter
	return (o.run == "" || strings.EqualFold(o.run, e.Run)) && (o.who == "" || o.who == e.Actor) &&
		(o.action == "" || o.action == e.Action) && (o.id == "" || slices.Contains(e.IDs, o.id)) &&
		(f.Until.IsZero() || e.At.Before(f.Until))
}
