package cli

// bench.go has the command bench.

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/weirproxy/weir/outboxworker/bench"
	"github.com/weirproxy/weir/outboxworker/localserver"
)

func newBench(process Process) *cobra.Command {
	o := bench.DefaultOptions()
	var output, river string
	command := &cobra.Command{
		Use:   "bench",
		Short: "Measure how fast a relay is, against yardsticks in the same run",
		Long: "bench measures a relay with PostgreSQL and Redis of its own, or with those it is given, in which schemas weir_bench and " +
			"weir_bench_plain and keys that begin with weir-bench are dropped. Exit 1 if a message was lost, came twice or out of order.\n\n" +
			"Sinks: null takes everything and does nothing, redis_stream, webhook with a receiver in the same process, and bare, the naive " +
			"loop that one writes first: no keys, no retries, no checks.\n\n" +
			"Scenarios: drain empties a full table; snapshot_held does while a snapshot stays open, writer_held while a transaction that has " +
			"written does; backlog compares a large table with a small one; latency is from commit to sink; producers is what business " +
			"transactions pay; memory is the worker's peak.",
		Args: noArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			if err := oneOf("output", output, "table", "json"); err != nil {
				return err
			}
			if slices.Equal(o.Sinks, []string{"all"}) {
				o.Sinks = bench.Sinks()
			}
			if slices.Equal(o.Scenarios, []string{"all"}) {
				o.Scenarios = bench.Scenarios()
			}
			o.River = strings.Fields(river)
			if err := o.Validate(); err != nil {
				return &usageError{err}
			}
			return measure(command.Context(), process, o, output)
		},
	}
	benchFlags(command, &o, &river, &output)
	command.AddCommand(newBenchWorker(process))
	return command
}

// benchFlags adds the flags; the defaults are those that o has.
func benchFlags(command *cobra.Command, o *bench.Options, river, output *string) {
	f := command.Flags()
	f.StringSliceVar(&o.Scenarios, "scenario", o.Scenarios, "`names` of what is measured, with commas between them: "+strings.Join(bench.Scenarios(), ", ")+" or all")
	f.StringSliceVar(&o.Sinks, "sink", o.Sinks, "`names` of sinks, with commas between them: "+strings.Join(bench.Sinks(), ", ")+" or all")
	f.IntVar(&o.Messages, "messages", o.Messages, "`number` of messages of a drain")
	f.IntVar(&o.Payload, "payload", o.Payload, "`bytes` of a payload")
	f.IntVar(&o.Keys, "keys", o.Keys, "`number` of keys; 0: messages have none")
	f.IntVar(&o.Workers, "workers", o.Workers, "`number` of lanes that are worked on at once")
	f.IntVar(&o.Batch, "batch", o.Batch, "most `messages` of a batch")
	f.StringVar(&o.SynchronousCommit, "relay-synchronous-commit", o.SynchronousCommit, "on or off: the relay's own transactions; producers have the server's `setting`")
	f.IntVar(&o.Runs, "runs", o.Runs, "`times` that each thing is measured, in turns; the median counts")
	f.DurationVar(&o.Hold, "hold", o.Hold, "least `time` of snapshot_held, for each of its two variants")
	f.IntVar(&o.Large, "large", o.Large, "`messages` of the large table of backlog")
	f.IntVar(&o.Small, "small", o.Small, "`messages` of the small table of backlog")
	f.StringVar(&o.Database, "database", "", "`URL` of a PostgreSQL to use; without it a private one is started")
	f.StringVar(&o.Redis, "redis", "", "`URL` of a Redis to use; without it a private one is started")
	f.StringVar(river, "river", "", "`command` that measures River in turns with drain: it is given DATABASE_URL and --num-total-jobs, as go -C tools/riverbench run .")
	f.StringVar(output, "output", "table", "`form` of the output: table or json")
}

// measure measures and shows what there is, also after an error.
func measure(ctx context.Context, process Process, o bench.Options, output string) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	executable, err := os.Executable()
	if err != nil {
		return fmt.Errorf("finding the program of workers: %w", err)
	}
	o.Worker = []string{executable, "bench", "worker"}
	o.Progress = process.Err
	o.Logger = newLogger(process.Err, "console", zap.NewAtomicLevelAt(zap.WarnLevel))
	rows, err := bench.Run(ctx, o)
	write := bench.WriteTable
	if output == "json" {
		write = bench.WriteJSON
	}
	if writeErr := write(process.Out, rows); writeErr != nil {
		err = errors.Join(err, writeErr)
	}
	return notInstalled(err)
}

// notInstalled adds to an error what else one can do about a missing server.
func notInstalled(err error) error {
	if missing := (*localserver.NotInstalledError)(nil); errors.As(err, &missing) {
		return fmt.Errorf("%w; or give --database and --redis, the URLs of servers that run", err)
	}
	return err
}

// newBenchWorker returns the command of a worker's process, which bench starts.
func newBenchWorker(process Process) *cobra.Command {
	return &cobra.Command{
		Use:    "worker",
		Short:  "Be the worker that bench measures from outside",
		Hidden: true,
		Args:   noArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			logger := newLogger(process.Err, "console", zap.NewAtomicLevelAt(zap.WarnLevel))
			return bench.Work(command.Context(), os.Stdin, process.Out, logger)
		},
	}
}
