package cli

// find.go has the command find.

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirproxy/weir/outboxworker/consumer"
	"github.com/weirproxy/weir/outboxworker/operator"
)

// findOperation is what find is told.
type findOperation struct {
	operation
	consumerChoice
	id, key, bizID string
	// within is for how long it looks at consumers.
	within time.Duration
}

func newFind(process Process) *cobra.Command {
	o := &findOperation{operation: operation{process: process}, within: 30 * time.Second}
	command := &cobra.Command{
		Use:   "find",
		Short: "Find a message wherever it is: pending, waiting, dead, or delivered",
		Long: "find looks for messages in all tables of an outbox. Those that were delivered are there if the outbox has keep_delivered.\n\n" +
			"With --consumer it looks in Redis, among what consumers have read and not ended (pending), what waits for a retry (deferred) and the dead " +
			"letters. It does not read streams: what the group has not read (unread), and what it has ended (acknowledged: done, unless it is found elsewhere or was " +
			"discarded), it finds by the id of the entry alone, as long as that is in the stream.\n\n" +
			"Exit 4 if it took too long to look everywhere, as it may for an id among millions of messages.",
		Args: noArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			if o.limit < 1 || o.limit > 1000 {
				return &usageError{errors.New("--limit: it is not between 1 and 1000")}
			}
			if err := errors.Join(o.check(), o.checkConsumer(o.outbox)); err != nil {
				return err
			}
			var key *string
			if command.Flags().Changed("key") {
				key = &o.key
			}
			if (o.id != "") != (o.bizID == "" && key == nil) || o.bizID != "" && key != nil {
				return &usageError{errors.New("give exactly one of --id, --biz-id and --key")}
			}
			if o.consumer != "" {
				return o.findOfConsumer(command.Context(), consumer.Search{ID: o.id, BizID: o.bizID, Key: key})
			}
			search := operator.Search{BizID: o.bizID, Key: key}
			if o.id != "" {
				var err error
				if search.Position, search.ID, err = parseID("--id", o.id); err != nil {
					return err
				}
			}
			return o.with(command, false, func(ctx context.Context, of *operator.Operator, _ operator.Filter) error {
				result, err := of.Find(ctx, search, o.limit)
				if err != nil {
					return err
				}
				all, unsearched := make([]found, len(result.Found)), make([]string, len(result.Unsearched))
				for i := range result.Found {
					all[i] = foundOf(&result.Found[i])
				}
				for i, place := range result.Unsearched {
					unsearched[i] = string(place) + " messages"
				}
				return o.showFound(all, result.Truncated, unsearched)
			})
		},
	}
	o.flags(command)
	o.consumerFlags(command, "messages are")
	f := command.Flags()
	f.IntVar(&o.limit, "limit", listed, "most `messages`, up to 1000")
	f.StringVar(&o.id, "id", "", "the position or the `id` of the message; of a consumer also that of its entry")
	f.StringVar(&o.bizID, "biz-id", "", "the producer's own `id`")
	f.StringVar(&o.key, "key", "", "the `key`; '' is the empty key")
	return command
}
