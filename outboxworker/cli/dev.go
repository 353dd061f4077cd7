package cli

// dev.go has the command dev.

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/weirproxy/weir/outboxworker/dev"
)

func newDev(process Process) *cobra.Command {
	o := dev.DefaultOptions()
	command := &cobra.Command{
		Use:   "dev",
		Short: "Show an outbox at work, with nothing configured",
		Long: "dev starts a PostgreSQL and a Redis of its own, which must be installed, makes an outbox, changes orders and enqueues an " +
			"event in the same transaction, delivers the events to a stream, and shows live counts. Ctrl-C ends all of it and removes " +
			"what was written, unless --data names a folder for it.",
		Args: noArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			if err := o.Validate(); err != nil {
				return &usageError{err}
			}
			ctx, stop := signal.NotifyContext(command.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			o.Out = process.Out
			o.Logger = newLogger(process.Err, "console", zap.NewAtomicLevelAt(zap.WarnLevel))
			err := dev.Run(ctx, o)
			if errors.Is(err, context.Canceled) {
				return nil // Ctrl-C while it started
			}
			return err
		},
	}
	f := command.Flags()
	f.Float64Var(&o.Rate, "rate", o.Rate, "`transactions` a second")
	f.StringVar(&o.Data, "data", "", "`folder` that keeps the databases; without it a temporary one is removed at the end")
	f.StringVar(&o.PostgresBin, "postgres-bin", "", "`folder` of PostgreSQL's programs; without it they are looked for")
	f.StringVar(&o.RedisServer, "redis-server", "", "`program` of Redis; without it redis-server or valkey-server is looked for")
	f.DurationVar(&o.For, "for", 0, "`time` after which dev ends by itself; 0: never")
	return command
}
