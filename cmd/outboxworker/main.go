// Command outboxworker delivers the messages of transactional outboxes.
package main

import (
	"context"
	"os"
	_ "time/tzdata" // scratch images have no zone files

	"github.com/weirproxy/weir/outboxworker/cli"
)

func main() {
	os.Exit(cli.Execute(context.Background(), cli.Process{
		Args:    os.Args[1:],
		Environ: os.Environ(),
		Out:     os.Stdout,
		Err:     os.Stderr,
	}))
}
