package cli

// dead.go has the command dead.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weirproxy/weir/outboxworker/operator"
)

// deadOperation is what the commands of dead are told.
type deadOperation struct {
	operation
	consumerChoice
	maxReplays int
	payload    bool
}

func newDead(process Process) *cobra.Command {
	group := newGroup("dead", "Show dead messages, have them delivered again, or discard them")
	group.Long = "dead works on the dead messages of an outbox or, with --consumer, on the dead letters of a consumer. " +
		"Nothing removes them but discard, and a replay that ends in a delivery."
	group.AddCommand(newDeadList(process), newDeadShow(process), newDeadGroups(process), newDeadReplay(process), newDeadDiscard(process))
	return group
}

func (o *deadOperation) flags(command *cobra.Command) {
	o.operation.flags(command)
	o.consumerFlags(command, "dead letters are")
}

func (o *deadOperation) selecting(command *cobra.Command) {
	o.selection.flags(command, "died")
	o.deadFlags(command)
}

// open opens the dead messages that the flags mean.
func (o *deadOperation) open(ctx context.Context) (deadSource, error) {
	if err := o.checkConsumer(o.outbox); err != nil {
		return nil, err
	}
	if o.consumer != "" {
		return openConsumer(ctx, &o.operation, &o.consumerChoice)
	}
	return openDead(ctx, &o.operation)
}

func newDeadList(process Process) *cobra.Command {
	o := &deadOperation{operation: operation{process: process}}
	command := &cobra.Command{
		Use:   "list",
		Short: "List dead messages, without what they hold",
		Args:  noArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			return o.with(command, false, func(ctx context.Context, d deadSource) error {
				return showPages(&o.operation, o.columns(), func(after string, limit int) ([]deadLetter, string, error) { return d.list(ctx, after, limit) })
			})
		},
	}
	o.flags(command)
	o.selecting(command)
	o.limitFlag(command, listed, "messages")
	return command
}

func (o *deadOperation) with(command *cobra.Command, changes bool, do func(context.Context, deadSource) error) error {
	return withSource(&o.operation, command, changes, o.open, do)
}

// columns are those of dead messages; of a consumer some are others.
func (o *deadOperation) columns() []column[deadLetter] {
	which := []column[deadLetter]{{"POSITION", func(d *deadLetter) string { return strconv.FormatInt(d.Position, 10) }}}
	reason := []column[deadLetter]{{"REASON", func(d *deadLetter) string { return d.Reason }}}
	if o.consumer != "" {
		which = []column[deadLetter]{
			{"LETTER", func(d *deadLetter) string { return d.Letter }},
			{"STREAM", func(d *deadLetter) string { return word(d.Stream) }},
		}
		reason = nil
	}
	return slices.Concat(which, []column[deadLetter]{
		{"DIED", func(d *deadLetter) string { return stamp(d.DiedAt) }},
		{"TOPIC", func(d *deadLetter) string { return d.Topic }},
		{"KEY", func(d *deadLetter) string { return optional(d.Key) }},
		{"CLASS", func(d *deadLetter) string { return d.Class }},
	}, reason, []column[deadLetter]{
		{"ATTEMPTS", func(d *deadLetter) string { return strconv.Itoa(d.Attempts) }},
		{"STATE", (*deadLetter).state},
		{"ERROR", func(d *deadLetter) string { return errorText("", d.LastError) }},
	})
}

func newDeadShow(process Process) *cobra.Command {
	o := &deadOperation{operation: operation{process: process}}
	command := &cobra.Command{
		Use:   "show ID",
		Short: "Show a dead message, by its position or id",
		Args:  oneArg("the position or the id of a dead message"),
		RunE: func(command *cobra.Command, args []string) error {
			return o.with(command, false, func(ctx context.Context, d deadSource) error {
				letter, err := d.show(ctx, args[0], o.payload)
				if errors.Is(err, operator.ErrNotFound) {
					return nothing(process.Err)
				}
				if err != nil {
					return err
				}
				return writeOne(process.Out, o.output, letter, letter.write)
			})
		},
	}
	o.flags(command)
	command.Flags().BoolVar(&o.payload, "payload", false, "also show the payload and the headers, in which secrets may be")
	return command
}

// oneArg wants one argument.
func oneArg(what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) == 1 && args[0] == "" {
			return &usageError{errors.New("the argument is empty: " + what)}
		}
		if len(args) != 1 {
			return &usageError{fmt.Errorf("%d arguments are given; one is needed: %s", len(args), what)}
		}
		return nil
	}
}

// write shows a dead message to people.
func (d *deadLetter) write(to io.Writer) error {
	fields := []field{
		{"id", d.ID}, {"biz id", d.BizID}, {"topic", d.Topic}, {"key", optional(d.Key)}, {"type", d.Type},
		{"attempts", strconv.Itoa(d.Attempts)}, {"reason", d.Reason}, {"class", d.Class}, {"group", d.Fingerprint},
		{"created", stampOf(d.CreatedAt)}, {"died", stamp(d.DiedAt)}, {"state", d.state()}, {"replays", strconv.Itoa(d.Replays)},
		{"bytes", strconv.Itoa(d.Bytes)}, {"error", d.LastError},
	}
	if d.Letter != "" {
		fields = append([]field{{"letter", d.Letter}, {"stream", d.Stream}, {"entry", d.Entry}}, fields...)
	} else {
		fields = append([]field{{"position", strconv.FormatInt(d.Position, 10)}, {"lane", strconv.Itoa(int(*d.Lane))}}, fields...)
	}
	for _, name := range slices.Sorted(maps.Keys(d.Headers)) {
		fields = append(fields, field{"header " + name, d.Headers[name]})
	}
	if err := writeFields(to, fields); err != nil || d.Payload == nil {
		return err
	}
	var lines []string
	for line := range strings.SplitSeq(*d.Payload, "\n") {
		lines = append(lines, printable(line))
	}
	_, err := fmt.Fprintf(to, "payload, %s:\n%s\n", d.PayloadEncoding, strings.Join(lines, "\n"))
	return err
}

func newDeadGroups(process Process) *cobra.Command {
	o := &deadOperation{operation: operation{process: process}}
	command := &cobra.Command{
		Use:   "groups",
		Short: "Show what dead messages died of: those whose errors differ in numbers and ids alone are a group",
		Args:  noArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			return o.with(command, false, func(ctx context.Context, d deadSource) error {
				groups, err := d.groups(ctx)
				if err != nil {
					return err
				}
				shown := groups[:min(len(groups), mostGroups)]
				if err := writeList(process.Out, o.output, groupColumns, shown); err != nil {
					return err
				}
				switch len(shown) {
				case 0:
					return nothing(process.Err)
				case mostGroups:
					_, _ = fmt.Fprintf(process.Err, "These are the largest groups, there may be more than %d: select some of them.\n", mostGroups)
				}
				return nil
			})
		},
	}
	o.flags(command)
	o.selecting(command)
	return command
}

var groupColumns = []column[deadGroup]{
	{"GROUP", func(g *deadGroup) string { return g.Fingerprint }},
	{"COUNT", func(g *deadGroup) string { return strconv.FormatInt(g.Count, 10) }},
	{"REPLAYING", func(g *deadGroup) string { return strconv.FormatInt(g.Replaying, 10) }},
	{"CLASS", func(g *deadGroup) string { return g.Class }},
	{"REASON", func(g *deadGroup) string { return g.Reason }},
	{"TOPICS", func(g *deadGroup) string { return short(strings.Join(g.Topics, ",")) }},
	{"FIRST", func(g *deadGroup) string { return stamp(g.First) }},
	{"LAST", func(g *deadGroup) string { return stamp(g.Last) }},
	{"ERROR", func(g *deadGroup) string { return errorText("", g.Shape) }},
}

func newDeadReplay(process Process) *cobra.Command {
	o := &deadOperation{operation: operation{process: process}}
	command := &cobra.Command{
		Use:   "replay",
		Short: "Have dead messages delivered again, with all their attempts",
		Long: "replay has dead messages delivered again. Each stays dead, marked, until it is delivered. " +
			"Those that are being replayed already are skipped, and those that were replayed --max-replays times, which would go round for ever.\n\n" +
			"Ctrl-C stops it after the batch under way; what is done stays done.",
		Args: noArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			if o.maxReplays < 1 {
				return &usageError{errors.New("--max-replays: it is below 1")}
			}
			return o.change(command, "replay", "Would replay", "Replayed", func(ctx context.Context, d deadSource, result *outcome) error {
				return d.replay(ctx, o.maxReplays, result)
			})
		},
	}
	o.changing(command)
	command.Flags().IntVar(&o.maxReplays, "max-replays", operator.DefaultMaxReplays, "`times` that a message may be replayed")
	return command
}

func newDeadDiscard(process Process) *cobra.Command {
	o := &deadOperation{operation: operation{process: process}}
	command := &cobra.Command{
		Use:   "discard",
		Short: "Remove dead messages for good",
		Long: "discard removes dead messages for good, also those that are being replayed. A key that one holds goes on.\n\n" +
			"Ctrl-C stops it after the batch under way; what is done stays done.",
		Args: noArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			return o.change(command, "discard", "Would discard", "Discarded", func(ctx context.Context, d deadSource, result *outcome) error { return d.discard(ctx, result) })
		},
	}
	o.changing(command)
	return command
}

// changing adds the flags of the commands that change dead messages.
func (o *deadOperation) changing(command *cobra.Command) {
	o.flags(command)
	o.selecting(command)
	o.allFlag(command)
	o.limitFlag(command, 0, "messages")
	o.changeFlags(command)
	o.rateFlag(command)
}

func (o *deadOperation) change(command *cobra.Command, action, would, did string, do func(context.Context, deadSource, *outcome) error) error {
	return o.with(command, true, func(ctx context.Context, d deadSource) error {
		return change(ctx, &o.operation, &changing[deadLetter]{
			action: action, would: would, did: did, noun: "messages", columns: o.columns(),
			list: func(ctx context.Context, limit int) ([]deadLetter, error) {
				found, _, err := d.list(ctx, "", limit)
				return found, err
			},
			do: func(ctx context.Context, result *outcome) error { return do(ctx, d, result) },
		})
	})
}
