package cli

// keys.go has the command keys.

import (
	"context"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/weirproxy/weir/outboxworker/operator"
)

func newKeys(process Process) *cobra.Command {
	group := newGroup("keys", "Show keys whose messages wait, and let them go on")
	group.Long = "keys works on blocked keys: those of which a message is tried again (retrying) or a dead one holds the others (held), " +
		"and those whose messages wait behind nothing (orphaned), which a relay mends by itself. They are selected by their heads: " +
		"the message that is tried again, or the dead one."
	group.AddCommand(newKeysBlocked(process), newKeysRelease(process), newKeysSkipHead(process))
	return group
}

var keyColumns = []column[operator.BlockedKey]{
	{"KEY", func(k *operator.BlockedKey) string { return word(k.Key) }},
	{"LANE", func(k *operator.BlockedKey) string { return strconv.Itoa(int(k.Lane)) }},
	{"STATE", func(k *operator.BlockedKey) string { return k.State }},
	{"HEAD", func(k *operator.BlockedKey) string { return strconv.FormatInt(k.Head, 10) }},
	{"TOPIC", func(k *operator.BlockedKey) string { return k.Topic }},
	{"CLASS", func(k *operator.BlockedKey) string { return k.Class }},
	{"ATTEMPTS", func(k *operator.BlockedKey) string { return strconv.Itoa(k.Attempts) }},
	{"PARKED", func(k *operator.BlockedKey) string { return strconv.FormatInt(k.Parked, 10) }},
	{"SINCE", func(k *operator.BlockedKey) string { return stamp(k.Since) }},
	{"DUE", func(k *operator.BlockedKey) string { return stampOf(k.Due) }},
	{"ERROR", func(k *operator.BlockedKey) string { return errorText("", k.LastError) }},
}

func (o *operation) keyFlags(command *cobra.Command) {
	o.flags(command)
	o.selection.flags(command, "began to wait, or died,")
	o.deadFlags(command)
	o.states = []string{"retrying", "held", "orphaned"}
	command.Flags().StringVar(&o.state, "state", "", "`state` of the keys: retrying, held or orphaned; without it any")
}

func keyPage(ctx context.Context, of *operator.Operator, filter operator.Filter) func(string, int) ([]operator.BlockedKey, string, error) {
	return func(after string, limit int) ([]operator.BlockedKey, string, error) {
		return positionPage(after, limit, func(page operator.Page) ([]operator.BlockedKey, error) {
			return of.BlockedKeys(ctx, filter, page)
		}, func(k *operator.BlockedKey) int64 { return k.Head })
	}
}

func newKeysBlocked(process Process) *cobra.Command {
	o := &operation{process: process}
	command := &cobra.Command{
		Use:   "blocked",
		Short: "List blocked keys, with what blocks them and how much waits",
		Args:  noArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			return o.with(command, false, func(ctx context.Context, of *operator.Operator, filter operator.Filter) error {
				return showPages(o, keyColumns, keyPage(ctx, of, filter))
			})
		},
	}
	o.keyFlags(command)
	o.limitFlag(command, listed, "keys")
	return command
}

func newKeysRelease(process Process) *cobra.Command {
	return newKeysChange(process, &changing[operator.BlockedKey]{action: "release", would: "Would release", did: "Released"}, "Let blocked keys go on",
		"release lets blocked keys go on: a key that is held is held no more, though its dead messages stay dead, and the later ones are "+
			"delivered before them; a message that is tried again is due at once.",
		(*operator.Operator).ReleaseKeys)
}

func newKeysSkipHead(process Process) *cobra.Command {
	return newKeysChange(process, &changing[operator.BlockedKey]{action: "skip-head", would: "Would skip the heads of", did: "Skipped the heads of"}, "Give up the first waiting messages of keys, which are dead then",
		"skip-head gives up the message of a key that is tried again: it is dead, with the reason skipped, holds nothing, and the next of its key goes on. "+
			"Keys that a dead message holds are skipped: release them, or discard it.",
		(*operator.Operator).SkipHeads)
}

// newKeysChange returns a command that changes blocked keys.
func newKeysChange(process Process, c *changing[operator.BlockedKey], short, long string,
	do func(*operator.Operator, context.Context, operator.Filter, operator.Options) (operator.Result, error)) *cobra.Command {
	o := &operation{process: process}
	command := &cobra.Command{
		Use: c.action, Short: short, Long: long, Args: noArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			return o.with(command, true, func(ctx context.Context, of *operator.Operator, filter operator.Filter) error {
				read := keyPage(ctx, of, filter)
				c.noun, c.columns = "keys", keyColumns
				c.list = func(_ context.Context, limit int) ([]operator.BlockedKey, error) {
					found, _, err := read("", limit)
					return found, err
				}
				c.do = func(ctx context.Context, result *outcome) error {
					answer, err := do(of, ctx, filter, o.options())
					result.took(answer)
					return err
				}
				return change(ctx, o, c)
			})
		},
	}
	o.keyFlags(command)
	o.allFlag(command)
	o.limitFlag(command, 0, "keys")
	o.changeFlags(command)
	o.rateFlag(command)
	return command
}
