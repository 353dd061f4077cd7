package cli

// retries.go has the command retries.

import (
	"context"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/weirproxy/weir/outboxworker/operator"
)

func newRetries(process Process) *cobra.Command {
	group := newGroup("retries", "Show messages that wait, or try them at once")
	group.AddCommand(newRetriesList(process), newRetriesRunNow(process))
	return group
}

var retryColumns = []column[operator.Retry]{
	{"POSITION", func(r *operator.Retry) string { return strconv.FormatInt(r.Position, 10) }},
	{"STATE", func(r *operator.Retry) string { return r.State }},
	{"DUE", func(r *operator.Retry) string { return stampOf(r.Due) }},
	{"TOPIC", func(r *operator.Retry) string { return r.Topic }},
	{"KEY", func(r *operator.Retry) string { return optional(r.Key) }},
	{"CLASS", func(r *operator.Retry) string { return r.Class }},
	{"ATTEMPTS", func(r *operator.Retry) string { return strconv.Itoa(r.Attempts) }},
	{"SINCE", func(r *operator.Retry) string { return stamp(r.Since) }},
	{"ERROR", func(r *operator.Retry) string { return errorText("", r.LastError) }},
}

func newRetriesList(process Process) *cobra.Command {
	o := &operation{process: process}
	command := &cobra.Command{
		Use:   "list",
		Short: "List messages that wait for a retry",
		Args:  noArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			return o.with(command, false, func(ctx context.Context, of *operator.Operator, filter operator.Filter) error {
				return showPages(o, retryColumns, retryPage(ctx, of, filter))
			})
		},
	}
	o.retryFlags(command)
	o.limitFlag(command, listed, "messages")
	return command
}

func (o *operation) retryFlags(command *cobra.Command) {
	o.flags(command)
	o.selection.flags(command, "began to wait")
	o.states = []string{"retry", "parked", "delayed"}
	command.Flags().StringVar(&o.state, "state", "", "`state` of the messages: retry, parked behind another of their key, or delayed; without it retry")
}

func retryPage(ctx context.Context, of *operator.Operator, filter operator.Filter) func(string, int) ([]operator.Retry, string, error) {
	return func(after string, limit int) ([]operator.Retry, string, error) {
		return positionPage(after, limit, func(page operator.Page) ([]operator.Retry, error) {
			return of.ListRetries(ctx, filter, page)
		}, func(r *operator.Retry) int64 { return r.Position })
	}
}

func newRetriesRunNow(process Process) *cobra.Command {
	o := &operation{process: process}
	command := &cobra.Command{
		Use:   "run-now",
		Short: "Try messages at once that wait for a retry, or with --state delayed for their time",
		Long: "run-now makes messages due at once. Those that are due already are skipped, and those that are parked behind another of " +
			"their key. While the relay takes its receiver for broken, they wait for that.",
		Args: noArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			return o.with(command, true, func(ctx context.Context, of *operator.Operator, filter operator.Filter) error {
				read := retryPage(ctx, of, filter)
				return change(ctx, o, &changing[operator.Retry]{
					action: "run-now", would: "Would try at once", did: "Made due", noun: "messages", columns: retryColumns,
					list: func(_ context.Context, limit int) ([]operator.Retry, error) {
						found, _, err := read("", limit)
						return found, err
					},
					do: func(ctx context.Context, result *outcome) error {
						answer, err := of.RunNow(ctx, filter, o.options())
						result.took(answer)
						return err
					},
				})
			})
		},
	}
	o.retryFlags(command)
	o.allFlag(command)
	o.limitFlag(command, 0, "messages")
	o.changeFlags(command)
	o.rateFlag(command)
	return command
}
