package cli

// lanes.go has the command lanes.

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/weirproxy/weir/outboxworker/operator"
	"github.com/weirproxy/weir/outboxworker/outbox"
)

func newLanes(process Process) *cobra.Command {
	group := newGroup("lanes", "Show the eight lanes of an outbox, and pause them")
	group.AddCommand(newLanesList(process), newLanesPause(process), newLanesResume(process))
	return group
}

var laneColumns = []column[operator.Lane]{
	{"LANE", func(l *operator.Lane) string { return strconv.Itoa(int(l.Lane)) }},
	{"PENDING", func(l *operator.Lane) string { return about(l.Pending, l.PendingEstimated) }},
	{"WAITING", func(l *operator.Lane) string { return strconv.FormatInt(l.Waiting, 10) }},
	{"HELD", func(l *operator.Lane) string { return strconv.FormatInt(l.Held, 10) }},
	{"HOLDER", func(l *operator.Lane) string {
		if l.Holder == 0 {
			return ""
		}
		return fmt.Sprintf("%d %s", l.Holder, l.Application)
	}},
	{"PAUSED", func(l *operator.Lane) string { return stampOf(l.PausedSince) }},
	{"WHY", func(l *operator.Lane) string { return short(l.PausedFor) }},
}

// about is a number, with ~ if it is estimated.
func about(n int64, estimated bool) string {
	if estimated {
		return "~" + strconv.FormatInt(n, 10)
	}
	return strconv.FormatInt(n, 10)
}

func newLanesList(process Process) *cobra.Command {
	o := &operation{process: process}
	command := &cobra.Command{
		Use:   "list",
		Short: "List the lanes: what is pending, who holds them, which are paused",
		Args:  noArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			return o.with(command, false, func(ctx context.Context, of *operator.Operator, _ operator.Filter) error {
				lanes, err := of.Lanes(ctx)
				if err != nil {
					return err
				}
				return writeList(process.Out, o.output, laneColumns, lanes)
			})
		},
	}
	o.flags(command)
	return command
}

func newLanesPause(process Process) *cobra.Command {
	return newLanesChange(process, "pause", "Paused", "Stop lanes until they are resumed: nothing of them is sent",
		"pause stops lanes until resume: nothing of them is sent. When it returns, no message of theirs is under way. "+
			"A lane that is paused already stays so, with its reason.",
		(*operator.Operator).PauseLane, func(l *operator.Lane) bool { return l.PausedSince != nil })
}

func newLanesResume(process Process) *cobra.Command {
	return newLanesChange(process, "resume", "Resumed", "Let paused lanes go on", "",
		(*operator.Operator).ResumeLane, func(l *operator.Lane) bool { return l.PausedSince == nil })
}

// newLanesChange returns a command that changes lanes. already tells which are so already.
func newLanesChange(process Process, name, did, short, long string,
	do func(*operator.Operator, context.Context, int16) (bool, error), already func(*operator.Lane) bool) *cobra.Command {
	o := &operation{process: process}
	var all bool
	command := &cobra.Command{
		Use: name + " [LANE...]", Short: short, Long: long, Args: cobra.ArbitraryArgs,
		RunE: func(command *cobra.Command, args []string) error {
			chosen, err := chosenLanes(args, all)
			if err != nil {
				return err
			}
			return o.with(command, true, func(ctx context.Context, of *operator.Operator, _ operator.Filter) error {
				lanes, err := of.Lanes(ctx)
				if err != nil {
					return err
				}
				lanes = slices.DeleteFunc(lanes, func(l operator.Lane) bool { return !slices.Contains(chosen, l.Lane) })
				c := &laneChange{of: of, lanes: lanes, dryRun: !o.yes, do: do, already: already}
				return change(ctx, o, &changing[operator.Lane]{
					action: name, would: "Would " + name, did: did, noun: "lanes", columns: laneColumns, skippedIsDone: true, do: c.change,
					list: func(context.Context, int) ([]operator.Lane, error) { return lanes, nil },
				})
			})
		},
	}
	o.flags(command)
	command.Flags().BoolVar(&all, "all", false, "all lanes")
	o.changeFlags(command)
	return command
}

// chosenLanes reads which lanes are meant.
func chosenLanes(args []string, all bool) (lanes []int16, err error) {
	if all == (len(args) > 0) {
		return nil, &usageError{errors.New("say which lanes, as 0 3, or --all, and not both")}
	}
	if all {
		for lane := range int16(outbox.Lanes) {
			lanes = append(lanes, lane)
		}
		return lanes, nil
	}
	for _, arg := range args {
		lane, err := strconv.ParseInt(arg, 10, 16)
		if err != nil || lane < 0 || lane >= outbox.Lanes {
			return nil, &usageError{fmt.Errorf("there is no lane %q: lanes are 0 to %d", arg, outbox.Lanes-1)}
		}
		lanes = append(lanes, int16(lane))
	}
	return lanes, nil
}

// laneChange is a change of lanes.
type laneChange struct {
	of      *operator.Operator
	lanes   []operator.Lane
	dryRun  bool
	do      func(*operator.Operator, context.Context, int16) (bool, error)
	already func(*operator.Lane) bool
}

func (c *laneChange) change(ctx context.Context, result *outcome) error {
	result.Matched, result.Skipped = int64(len(c.lanes)), make(map[string]int64)
	result.Run = c.of.PauseRun().String()
	for i := range c.lanes {
		if c.dryRun {
			if c.already(&c.lanes[i]) {
				result.Skipped["already"]++
			}
			continue
		}
		changed, err := c.do(c.of, ctx, c.lanes[i].Lane)
		switch {
		case err != nil:
			return err
		case changed:
			result.Changed++
		default:
			result.Skipped["already"]++
		}
	}
	return nil
}
