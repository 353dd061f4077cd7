package cli

// version.go has the command version.

import (
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/weirproxy/weir/outboxworker/outbox"
)

func newVersion(process Process) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Show the version of the worker and of the schema it knows",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			info, _ := debug.ReadBuildInfo()
			_, err := fmt.Fprintf(process.Out, "outboxworker %s, schema version %d\n", version(info), outbox.SchemaVersion)
			return err
		},
	}
}

// version is the worker's version, as the Go toolchain stamped it into the binary.
func version(info *debug.BuildInfo) string {
	if info == nil || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}
