package cli

// checkconfig.go has the command check-config.

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/weirproxy/weir/outboxworker/config"
)

func newCheckConfig(process Process) *cobra.Command {
	var file string
	command := &cobra.Command{
		Use:   "check-config",
		Short: "Check the configuration and show everything that is wrong with it",
		Long: "check-config reads the configuration as run does, with the environment and the files of secrets. " +
			"It connects to nothing: doctor does.",
		Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			if _, err := config.Load(file, process.Environ); err != nil {
				return err
			}
			_, err := fmt.Fprintln(process.Out, "ok")
			return err
		},
	}
	configFlag(command, &file)
	return command
}
