package cli

// find.go has the command find.

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/weirproxy/weir/outboxworker/operator"
)

func newFind(process Process) *cobra.Command {
	o := &operation{process: process}
	var id, key, bizID string
	command := &cobra.Command{
		Use:   "find",
		Short: "Find a message wherever it is: pending, waiting, dead, or delivered",
		Long: "find looks for messages in all tables of an outbox. Those that were delivered are there if the outbox has keep_delivered. " +
			"Exit 4 if it took too long to look in all of them, as it may for an id among millions of pending messages.",
		Args: noArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			if o.limit < 1 || o.limit > 1000 {
				return &usageError{errors.New("--limit: it is not between 1 and 1000")}
			}
			search := operator.Search{BizID: bizID}
			if command.Flags().Changed("key") {
				search.Key = &key
			}
			if id != "" {
				var err error
				if search.Position, search.ID, err = parseID("--id", id); err != nil {
					return err
				}
			}
			if (id != "") != (bizID == "" && search.Key == nil) || bizID != "" && search.Key != nil {
				return &usageError{errors.New("give exactly one of --id, --biz-id and --key")}
			}
			return o.with(command, false, func(ctx context.Context, of *operator.Operator, _ operator.Filter) error {
				found, err := of.Find(ctx, search, o.limit)
				if err != nil {
					return err
				}
				return o.showFound(found)
			})
		},
	}
	o.flags(command)
	f := command.Flags()
	f.IntVar(&o.limit, "limit", listed, "most `messages`, up to 1000")
	f.StringVar(&id, "id", "", "the position or the `id` of the message")
	f.StringVar(&bizID, "biz-id", "", "the producer's own `id`")
	f.StringVar(&key, "key", "", "the `key`; '' is the empty key")
	return command
}

var foundColumns = []column[operator.Found]{
	{"POSITION", func(m *operator.Found) string { return strconv.FormatInt(m.Position, 10) }},
	{"PLACE", func(m *operator.Found) string { return string(m.Place) }},
	{"STATE", func(m *operator.Found) string { return m.State }},
	{"SINCE", func(m *operator.Found) string { return stamp(m.Since) }},
	{"DUE", func(m *operator.Found) string { return stampOf(m.Due) }},
	{"ID", func(m *operator.Found) string { return m.ID.String() }},
	{"BIZ ID", func(m *operator.Found) string {
		if m.BizID == "" {
			return ""
		}
		return word(m.BizID)
	}},
	{"TOPIC", func(m *operator.Found) string { return m.Topic }},
	{"KEY", func(m *operator.Found) string { return optional(m.Key) }},
	{"ATTEMPTS", func(m *operator.Found) string { return strconv.Itoa(m.Attempts) }},
	{"ERROR", func(m *operator.Found) string { return errorText(m.Class, m.LastError) }},
}

func (o *operation) showFound(found *operator.FindResult) error {
	if err := writeList(o.process.Out, o.output, foundColumns, found.Found); err != nil {
		return err
	}
	if found.Truncated {
		_, _ = fmt.Fprintf(o.process.Err, "There are more than these %d: see --limit.\n", len(found.Found))
	}
	for _, place := range found.Unsearched {
		_, _ = fmt.Fprintf(o.process.Err, "It took too long to look among the %s messages; one may be there.\n", place)
	}
	switch {
	case len(found.Unsearched) > 0:
		return &codedError{code: exitPartly}
	case len(found.Found) == 0:
		return nothing(o.process.Err)
	}
	return nil
}
