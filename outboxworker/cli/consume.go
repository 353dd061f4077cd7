package cli

// consume.go has the command consume.

import (
	"github.com/spf13/cobra"
)

func newConsume(process Process) *cobra.Command {
	var file string
	var only []string
	command := &cobra.Command{
		Use:   "consume",
		Short: "Post the entries of streams to services, until SIGTERM or SIGINT",
		Long: "consume reads Redis Streams for the consumers of the configuration, each a group, and posts each entry to the group's URL, " +
			"for services in any language. An entry is done when the service answers 2xx, and is tried again later when it does not. " +
			"Any number of processes may consume for the same groups.\n\n" +
			"It needs no database and no outboxes. Where run has the same configuration on the same machine, give one of them " +
			"another address for its metrics, by OUTBOXWORKER_HTTP_ADDRESS.\n\n" +
			"SIGTERM and SIGINT end it: messages under way are finished within stop_timeout, or else are handled again by another. " +
			"A second one ends it at once. SIGHUP makes it read the configuration again and exchanges the consumers that changed; " +
			"if that cannot be used, all goes on as before.\n\n" +
			"Exit codes: 0 it was told to end and did, 1 it could not begin, or not end in time, 2 a wrong command line.",
		Args: noArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			return runSignalled(command.Context(), process, file, newConsumers(only))
		},
	}
	configFlag(command, &file)
	command.Flags().StringSliceVar(&only, "consumer", nil, "`name` of a consumer that is to run; may be given several times; without it, all do")
	return command
}
