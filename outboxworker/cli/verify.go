package cli

// verify.go has the command verify.

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weirproxy/weir/outboxworker/operator"
)

func newVerify(process Process) *cobra.Command {
	o := &operation{process: process}
	command := &cobra.Command{
		Use:   "verify",
		Short: "Check on the live database what the rest relies on",
		Long: "verify checks the invariants of an outbox while it is being worked on. It changes nothing and takes no lock that anybody waits for. " +
			"Exit 1 if one does not hold, or could not be checked.",
		Args: noArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			return o.with(command, false, func(ctx context.Context, of *operator.Operator, _ operator.Filter) error {
				checks, err := of.Verify(ctx)
				if err != nil {
					return err
				}
				if o.output == formTable {
					err = writeChecks(process.Out, checks)
				} else {
					err = writeList(process.Out, o.output, nil, checks)
				}
				if err == nil && slices.ContainsFunc(checks, func(c operator.Check) bool { return !c.OK }) {
					err = silentError{}
				}
				return err
			})
		},
	}
	o.flags(command)
	return command
}

// writeChecks writes a table. What was found and what to do stand under their check, as
// they may be long.
func writeChecks(to io.Writer, checks []operator.Check) error {
	table := newTable(to)
	for i := range checks {
		c := &checks[i]
		level := "ok"
		if !c.OK {
			level = "error"
		}
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\n", level, c.Name, c.Meaning)
		if c.Err != "" {
			_, _ = fmt.Fprintf(table, "\t\tnot checked: %s\n", printable(c.Err))
		}
		if c.Violations > 0 {
			_, _ = fmt.Fprintf(table, "\t\t%d violations: %s\n", c.Violations, printable(strings.Join(c.Examples, "; ")))
		}
		if c.Fix != "" {
			_, _ = fmt.Fprintf(table, "\t\tfix: %s\n", c.Fix)
		}
	}
	return table.Flush()
}
