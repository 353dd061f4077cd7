package cli

// change.go holds how a change is made, or shown before it is, and told.

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weirproxy/weir/outboxworker/operator"
)

// changeFlags adds the flags of commands that change something.
func (o *operation) changeFlags(command *cobra.Command) {
	f := command.Flags()
	f.BoolVar(&o.yes, "yes", false, "do it; without it nothing is changed, and what would be is shown")
	f.StringVar(&o.reason, "reason", "", "`text` that says why, for the audit")
	f.StringVar(&o.actor, "actor", "", "`name` of who does it, for the audit; without it $USER, or the login, @host")
}

func (o *operation) rateFlag(command *cobra.Command) {
	command.Flags().Float64Var(&o.rate, "rate", 0, "most `messages` a second; 0: as many as can be")
}

// outcome is what a change came to.
type outcome struct {
	Action string `json:"action"`
	DryRun bool   `json:"dry_run"`
	// Run is that of the audit, unless nothing was changed.
	Run     string `json:"run,omitempty"`
	Matched int64  `json:"matched"`
	// WouldChange is set in a dry run.
	WouldChange *int64           `json:"would_change,omitempty"`
	Changed     int64            `json:"changed"`
	Skipped     map[string]int64 `json:"skipped,omitempty"`
	// Stopped says why it ended half-way.
	Stopped string `json:"stopped,omitempty"`
	// Sample are the first that match, in a dry run.
	Sample any `json:"sample,omitempty"`
}

// took fills in what an outbox answered.
func (r *outcome) took(result operator.Result) {
	r.Run, r.Matched, r.Changed, r.Skipped = result.Run.String(), result.Matched, result.Changed, result.Skipped
}

// skippedBecause says what the reasons for skipping mean.
var skippedBecause = map[string]string{
	"replaying": "being replayed already",
	"replays":   "replayed too often before; see --max-replays",
	"changed":   "changed meanwhile",
	"due":       "due already",
	"handling":  "being handled at this moment",
	"parked":    "parked behind another message of their key",
	"held":      "held by a dead message; release them, or discard it",
	"gone":      "gone meanwhile",
	"foreign":   "no dead letters of a consumer",
	"already":   "so already",
}

// sampled is how many of what would be changed a dry run shows.
const sampled = 10

// changing is a change that a command makes. T is what it selects.
type changing[T any] struct {
	action     string // as the audit has it: replay
	would, did string // Would replay, Replayed
	noun       string // messages
	columns    []column[T]
	// list returns the first few that match, and do makes the change, or counts.
	list func(ctx context.Context, limit int) ([]T, error)
	do   func(ctx context.Context, result *outcome) error
	// skippedIsDone tells that what was skipped is as it should be.
	skippedIsDone bool
}

// change makes a change, or shows what it would do, and tells what came of it.
func change[T any](ctx context.Context, o *operation, c *changing[T]) error {
	result := outcome{Action: c.action, DryRun: !o.yes}
	err := c.do(ctx, &result)
	interrupted := err != nil && errors.Is(err, ctx.Err())
	switch {
	case interrupted && result.Changed == 0:
		return errors.New("interrupted; nothing was changed")
	case err != nil && result.Changed == 0:
		return err
	}
	if result.Changed == 0 {
		result.Run = ""
	}
	var sample []T
	switch {
	case err == nil && !o.yes:
		would := wouldChange(&result, o.limit)
		result.WouldChange = &would
		if sample, err = c.list(ctx, sampled); err != nil {
			return err
		}
		if len(sample) > 0 {
			result.Sample = sample
		}
	case interrupted:
		result.Stopped = "interrupted"
	case err != nil:
		result.Stopped = err.Error()
	}
	err = writeOne(o.process.Out, o.output, &result, func(to io.Writer) error {
		if len(sample) > 0 {
			if err := writeList(to, formTable, c.columns, sample); err != nil {
				return err
			}
		}
		_, err := io.WriteString(to, c.text(&result, len(sample)))
		return err
	})
	switch {
	case err != nil && result.Changed > 0:
		return fmt.Errorf("%s\nThis could not be written: %w", strings.TrimSpace(c.text(&result, 0)), err)
	case err != nil:
		return err
	}
	return c.verdict(o, &result)
}

// verdict is what the exit code says of a change.
func (c *changing[T]) verdict(o *operation, result *outcome) error {
	skipped := sum(result.Skipped)
	switch {
	case result.Stopped != "":
		return &codedError{code: exitPartly, cause: fmt.Errorf("stopped half-way: %s", result.Stopped)}
	case result.Matched == 0:
		return nothing(o.process.Err)
	case skipped > 0 && !result.DryRun && !c.skippedIsDone:
		return &codedError{code: exitPartly}
	}
	return nil
}

func wouldChange(result *outcome, limit int) int64 {
	n := max(result.Matched-sum(result.Skipped), 0)
	if limit > 0 {
		n = min(n, int64(limit))
	}
	return n
}

func sum(counts map[string]int64) (total int64) {
	for _, n := range counts {
		total += n
	}
	return total
}

// text tells a result to people.
func (c *changing[T]) text(r *outcome, shown int) string {
	var b strings.Builder
	if r.Matched == 0 {
		return "" // which is told as an error
	}
	if more := r.Matched - int64(shown); r.DryRun && shown > 0 && more > 0 {
		fmt.Fprintf(&b, "and %d more\n", more)
	}
	if shown > 0 {
		b.WriteString("\n")
	}
	if r.DryRun {
		fmt.Fprintf(&b, "%s %d of %d %s.\n", c.would, *r.WouldChange, r.Matched, c.noun)
	} else {
		fmt.Fprintf(&b, "%s %d of %d %s.\n", c.did, r.Changed, r.Matched, c.noun)
	}
	for _, reason := range slices.Sorted(maps.Keys(r.Skipped)) {
		fmt.Fprintf(&b, "Skipped: %d, %s.\n", r.Skipped[reason], cmp.Or(skippedBecause[reason], reason))
	}
	if r.DryRun {
		b.WriteString("This was a dry run. Say --yes to do it.\n")
	} else if r.Run != "" {
		fmt.Fprintf(&b, "Run: %s\n", r.Run)
	}
	return b.String()
}

// options are those of a change of an outbox.
func (o *operation) options() operator.Options {
	return operator.Options{DryRun: !o.yes, Rate: o.rate, Limit: o.limit}
}
