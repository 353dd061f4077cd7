package cli

// root.go puts the commands together. Each is made by a function in a file of its own.

import (
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// newRoot returns the tree of commands.
func newRoot(process Process) *cobra.Command {
	root := newGroup("outboxworker", "Delivers the messages of transactional outboxes")
	root.Long = "outboxworker delivers the messages that transactions left in an outbox, a table of PostgreSQL, " +
		"to a sink: at least once, and per key in order.\n\nExit codes: 0 all went well, 1 an error, 2 a wrong command line, " +
		"3 what was selected matches nothing, 4 something was done in part: a change skipped some, or ended half-way."
	root.SilenceErrors = true
	root.SilenceUsage = true
	root.PersistentPreRunE = refuseEmpty
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &usageError{err} })
	root.AddCommand(
		newRun(process),
		newConsume(process),
		newCheckConfig(process),
		newMigrate(process),
		newDoctor(process),
		newDead(process),
		newRetries(process),
		newKeys(process),
		newLanes(process),
		newFind(process),
		newStats(process),
		newVerify(process),
		newAudit(process),
		newDev(process),
		newBench(process),
		newVersion(process),
	)
	return root
}

// newGroup returns a command that only has others under it. Without one of them it
// shows its help, and that is an error: a script that forgot it must notice.
func newGroup(use, short string) *cobra.Command {
	return &cobra.Command{
		Use:   use,
		Short: short,
		Args:  cobra.ArbitraryArgs,
		RunE: func(command *cobra.Command, args []string) error {
			if len(args) == 0 {
				_ = command.Help()
				return &usageError{errors.New("a command is missing")}
			}
			text := fmt.Sprintf("there is no command %q", args[0])
			if near := command.SuggestionsFor(args[0]); len(near) > 0 {
				text += fmt.Sprintf("; did you mean %s?", near[0])
			}
			return &usageError{errors.New(text)}
		},
		SuggestionsMinimumDistance: 1,
	}
}

// refuseEmpty refuses flags that are empty. Mostly that is a variable of a script that was
// not set, and without the flag a command would do more than was meant, or do it to
// something else. Only a key may be empty.
func refuseEmpty(command *cobra.Command, _ []string) (err error) {
	command.Flags().Visit(func(f *pflag.Flag) {
		empty := f.Value.String() == "" && f.Name != "key"
		if list, ok := f.Value.(pflag.SliceValue); ok {
			empty = len(list.GetSlice()) == 0 || slices.Contains(list.GetSlice(), "")
		}
		if empty && err == nil {
			err = &usageError{fmt.Errorf("--%s is empty; give it a value, or leave it out", f.Name)}
		}
	})
	return err
}

// noArgs refuses arguments.
func noArgs(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return &usageError{fmt.Errorf("%q is one argument too many", args[0])}
	}
	return nil
}

// configFlag adds -c to a command.
func configFlag(command *cobra.Command, file *string) {
	command.Flags().StringVarP(file, "config", "c", "", "configuration `file`; without it the environment must say everything")
	_ = command.MarkFlagFilename("config", "yaml", "yml")
}

// oneOf refuses values that a flag does not have.
func oneOf(flag, value string, known ...string) error {
	for _, k := range known {
		if value == k {
			return nil
		}
	}
	return &usageError{fmt.Errorf("--%s: %q is none of %q", flag, value, known)}
}
