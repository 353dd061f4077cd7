package cli

// stats.go has the command stats.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirproxy/weir/outboxworker/operator"
)

// statsOperation is what stats is told.
type statsOperation struct {
	operation
	consumerChoice
	// every is how often to count; 0: once.
	every time.Duration
}

func newStats(process Process) *cobra.Command {
	o := &statsOperation{operation: operation{process: process}}
	command := &cobra.Command{
		Use:   "stats",
		Short: "Count what is pending, waiting, dead and blocked",
		Long: "stats counts the messages of an outbox or, with --consumer, those of each stream of a consumer. With --watch it does so again and again, " +
			"a line each, which of a consumer has the sums of its streams, until Ctrl-C; as JSON only in the form ndjson.",
		Args: noArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			watches := command.Flags().Changed("watch")
			switch {
			case watches && o.every < 100*time.Millisecond:
				return &usageError{fmt.Errorf("--watch: %s is below 100ms", o.every)}
			case watches && o.output == formJSON:
				return &usageError{errors.New("--watch with --output json: that is one document; take ndjson")}
			}
			if err := errors.Join(o.check(), o.checkConsumer(o.outbox)); err != nil {
				return err
			}
			if o.consumer != "" {
				return o.statsOfConsumer(command.Context())
			}
			return o.with(command, false, func(ctx context.Context, of *operator.Operator, _ operator.Filter) error {
				if watches {
					return repeated(ctx, o.every, of.Stats, func(s *operator.Stats, names bool) error {
						if o.output == formNDJSON {
							return writeJSON(process.Out, s, false)
						}
						return writeWatched(process.Out, s, names)
					})
				}
				stats, err := of.Stats(ctx)
				if err != nil {
					return err
				}
				return writeOne(process.Out, o.output, stats, func(to io.Writer) error { return writeFields(to, statsFields(stats)) })
			})
		},
	}
	o.flags(command)
	o.consumerFlags(command, "messages are")
	command.Flags().DurationVar(&o.every, "watch", 0, "count again after this `time`, as --watch=5s")
	command.Flags().Lookup("watch").NoOptDefVal = "2s"
	return command
}

func statsFields(s *operator.Stats) []field {
	overdue := strconv.FormatInt(s.Overdue, 10)
	if s.Overdue > 0 {
		overdue += fmt.Sprintf(", the first by %s", seconds(s.OverdueSeconds))
	}
	dead := strconv.FormatInt(s.Dead, 10)
	if s.Replaying > 0 {
		dead += fmt.Sprintf(", %d of them being replayed", s.Replaying)
	}
	return []field{
		{"at", stamp(s.At)},
		{"pending", about(s.Pending, s.PendingEstimated)},
		{"oldest pending", stampOf(s.OldestPending)},
		{"retry", strconv.FormatInt(s.Retry, 10)},
		{"parked", strconv.FormatInt(s.Parked, 10)},
		{"delayed", strconv.FormatInt(s.Delayed, 10)},
		{"next due", stampOf(s.NextDue)},
		{"overdue", overdue},
		{"dead", dead},
		{"blocked keys", strconv.FormatInt(s.BlockedKeys, 10)},
		{"paused lanes", laneList(s.PausedLanes)},
		{"size of message", sizeText(s.Bytes.Message)},
		{"size of deferred", sizeText(s.Bytes.Deferred)},
		{"size of dead", sizeText(s.Bytes.Dead)},
		{"size of delivered", sizeText(s.Bytes.Delivered)},
		{"size of audit", sizeText(s.Bytes.Audit)},
	}
}

func laneList(lanes []int16) string {
	var all []string
	for _, lane := range lanes {
		all = append(all, strconv.Itoa(int(lane)))
	}
	return strings.Join(all, " ")
}

// seconds is a time, to a tenth of a second.
func seconds(s float64) string {
	return (time.Duration(s*10) * time.Second / 10).String()
}

// watchColumns are the columns of --watch. Lines come one by one, so that the columns have
// widths of their own.
const watchColumns = "%-20s %9s %8s %8s %8s %8s %8s %8s %s\n"

// repeated counts until ctx is done, and writes each time; names is true where the names of
// the columns are due.
func repeated[T any](ctx context.Context, every time.Duration, count func(context.Context) (T, error), write func(s T, names bool) error) error {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for n := 0; ; n++ {
		s, err := count(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		if err := write(s, n%20 == 0); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// writeWatched writes a line, and the names of the columns where they are due.
func writeWatched(to io.Writer, s *operator.Stats, names bool) error {
	if names {
		_, _ = fmt.Fprintf(to, watchColumns, "AT", "PENDING", "RETRY", "PARKED", "DELAYED", "OVERDUE", "DEAD", "BLOCKED", "PAUSED")
	}
	n := func(n int64) string { return strconv.FormatInt(n, 10) }
	paused := laneList(s.PausedLanes)
	if paused == "" {
		paused = "-"
	}
	_, err := fmt.Fprintf(to, watchColumns, stamp(s.At), about(s.Pending, s.PendingEstimated), n(s.Retry), n(s.Parked), n(s.Delayed),
		n(s.Overdue), n(s.Dead), n(s.BlockedKeys), paused)
	return err
}
