package cli

// retries.go has the command retries.

import (
	"context"
	"strconv"

	"github.com/spf13/cobra"
)

// retryOperation is what the commands of retries are told.
type retryOperation struct {
	operation
	consumerChoice
}

func newRetries(process Process) *cobra.Command {
	group := newGroup("retries", "Show messages that wait, or try them at once")
	group.Long = "retries works on the messages of an outbox that wait or, with --consumer, on those that wait for a consumer."
	group.AddCommand(newRetriesList(process), newRetriesRunNow(process))
	return group
}

// columns are those of messages that wait; of a consumer some are others.
func (o *retryOperation) columns() []column[retry] {
	return append(locatedColumns(o.consumer, func(r *retry) *located { return &r.located }), []column[retry]{
		{"STATE", func(r *retry) string { return r.State }},
		{"DUE", func(r *retry) string { return stampOf(r.Due) }},
		{"TOPIC", func(r *retry) string { return r.Topic }},
		{"KEY", func(r *retry) string { return optional(r.Key) }},
		{"CLASS", func(r *retry) string { return r.Class }},
		{"ATTEMPTS", func(r *retry) string { return strconv.Itoa(r.Attempts) }},
		{"SINCE", func(r *retry) string { return stamp(r.Since) }},
		{"ERROR", func(r *retry) string { return errorText("", r.LastError) }},
	}...)
}

// open opens the messages that wait and that the flags mean.
func (o *retryOperation) open(ctx context.Context) (retrySource, error) {
	if err := o.checkConsumer(o.outbox); err != nil {
		return nil, err
	}
	if o.consumer != "" {
		return openConsumerRetries(ctx, &o.operation, &o.consumerChoice)
	}
	return openOutboxRetries(ctx, &o.operation)
}

func (o *retryOperation) flags(command *cobra.Command) {
	o.operation.flags(command)
	o.consumerFlags(command, "retries are")
	o.selection.flags(command, "began to wait")
	o.states = []string{"retry", "parked", "delayed"}
	command.Flags().StringVar(&o.state, "state", "", "`state` of the messages: retry, parked behind another of their key, or delayed, which consumers have none of; without it retry")
}

func newRetriesList(process Process) *cobra.Command {
	o := &retryOperation{operation: operation{process: process}}
	command := &cobra.Command{
		Use:   "list",
		Short: "List messages that wait for a retry",
		Long: "list shows messages that wait for a retry. Those of a consumer are in the order of when they are due, stream by stream; one that is " +
			"handled at the moment is not among them, and one that moves meanwhile may be there twice or be left out.",
		Args: noArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			return withSource(&o.operation, command, false, o.open, func(ctx context.Context, r retrySource) error {
				return showPages(&o.operation, o.columns(), func(after string, limit int) ([]retry, string, error) { return r.list(ctx, after, limit) })
			})
		},
	}
	o.flags(command)
	o.limitFlag(command, listed, "messages")
	return command
}

func newRetriesRunNow(process Process) *cobra.Command {
	o := &retryOperation{operation: operation{process: process}}
	command := &cobra.Command{
		Use:   "run-now",
		Short: "Try messages at once that wait for a retry, or with --state delayed for their time",
		Long: "run-now makes messages due at once. Those that are due already are skipped, and those that are parked behind another of " +
			"their key. While the relay, or the consumer, takes its receiver for broken, they wait for that.",
		Args: noArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			return withSource(&o.operation, command, true, o.open, func(ctx context.Context, r retrySource) error {
				return change(ctx, &o.operation, &changing[retry]{
					action: "run-now", would: "Would try at once", did: "Made due", noun: "messages", columns: o.columns(),
					list: func(ctx context.Context, limit int) ([]retry, error) {
						found, _, err := r.list(ctx, "", limit)
						return found, err
					},
					do: r.runNow,
				})
			})
		},
	}
	o.flags(command)
	o.allFlag(command)
	o.limitFlag(command, 0, "messages")
	o.changeFlags(command)
	o.rateFlag(command)
	return command
}
