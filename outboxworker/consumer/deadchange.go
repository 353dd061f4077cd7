package consumer

// deadchange.go holds what changes dead letters.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// defaultReplays is how often a message may be replayed.
const defaultReplays = 5

var entrySyntax = regexp.MustCompile(`^\d{1,20}-\d{1,20}$`)

// Replay has messages handled again, at once and with all their attempts. The dead letter
// stays, marked, until the message is done; if it dies again, another takes its place.
// Without a consumer of the group that runs, it waits for one.
//
// A command works in the order in which messages died, and takes none that dies while it
// runs. When ctx is done, or Redis fails, what it has done so far stays, and is returned
// with the error.
func (d *DeadLetters) Replay(ctx context.Context, f Filter, c Change) (Changed, error) {
	s := d.stream
	most := c.MaxReplays
	if most == 0 {
		most = defaultReplays
	}
	return d.change(ctx, f, c, func(ids []any, audit []any) ([]any, error) {
		args := append(append([]any{most}, audit...), ids...)
		return d.call(ctx, replayScript, []string{s.due, s.entries, s.state, s.dead, s.replaying, s.audit}, args...)
	})
}

// Discard removes dead letters, and ends their replays: a handler that is at work on one
// at that time goes on, and nothing is written about it. See Replay for ctx.
func (d *DeadLetters) Discard(ctx context.Context, f Filter, c Change) (Changed, error) {
	s := d.stream
	return d.change(ctx, f, c, func(ids []any, audit []any) ([]any, error) {
		args := append(append([]any{}, audit...), ids...)
		return d.call(ctx, discardScript, []string{s.due, s.leased, s.entries, s.state, s.dead, s.replaying, s.audit}, args...)
	})
}

// change applies a command to what the filter selects, in batches.
func (d *DeadLetters) change(ctx context.Context, f Filter, c Change, apply func(ids, audit []any) ([]any, error)) (Changed, error) {
	result := Changed{Skipped: make(map[string]int)}
	audit, err := c.audit(f)
	if err != nil {
		return result, err
	}
	now, err := d.client.Time(ctx).Result()
	if err != nil {
		return result, clean(err)
	}
	var batch []any
	flush := func() error {
		if len(batch) == 0 {
			return nil
		}
		values, err := apply(batch, audit)
		if err != nil {
			return err
		}
		for _, value := range values {
			if value == "ok" {
				result.Changed++
			} else {
				result.Skipped[fmt.Sprint(value)]++
			}
		}
		pace(ctx, len(batch), c.Rate)
		batch = batch[:0]
		return ctx.Err()
	}
	var failed error
	// What dies from now on is not among them: it may be what was just replayed.
	err = d.each(ctx, f, "", strconv.FormatInt(now.UnixMilli(), 10), false, func(dead Dead) bool {
		result.Matched++
		if !c.DryRun {
			batch = append(batch, dead.ID)
			if len(batch) >= c.batch(result.Changed) {
				failed = flush()
			}
		}
		return failed == nil && (c.Limit == 0 || c.DryRun && result.Matched < c.Limit || !c.DryRun && result.Changed < c.Limit)
	})
	if err == nil && failed == nil {
		failed = flush()
	}
	return result, errors.Join(err, failed)
}

// batch is how many messages are changed at once: a tenth of a second's, but not above
// the limit.
func (c *Change) batch(changed int) int {
	n := page
	if c.Rate > 0 {
		n = max(1, int(min(page, c.Rate/10)))
	}
	if c.Limit > 0 {
		n = min(n, c.Limit-changed)
	}
	return n
}

// pace waits for as long as that many messages take at a rate.
func pace(ctx context.Context, messages int, rate float64) {
	if rate > 0 {
		sleep(ctx, time.Duration(float64(messages)/rate*float64(time.Second)))
	}
}

// audit is what the audit stream is told of a command: who, why, what, and which run.
func (c *Change) audit(f Filter) ([]any, error) {
	if c.Rate < 0 || c.Limit < 0 || c.MaxReplays < 0 {
		return nil, errors.New("changing dead letters: the rate, the limit and the replays must not be negative")
	}
	text, err := json.Marshal(f)
	if err != nil {
		return nil, fmt.Errorf("changing dead letters: the filter: %w", err)
	}
	return []any{clipped(c.Actor, 255), clipped(c.Reason, maxError), string(text), c.Run}, nil
}

// Audit is what an operator's command did in one step.
type Audit struct {
	// ID is that of the line, in the order of time.
	ID string
	At time.Time
	// Action is replay or discard.
	Action, Actor, Reason, Run string
	// Filter is the command's, as JSON.
	Filter string
	// IDs are those of the dead letters.
	IDs []string
}

// Audit returns what operators did, after a line ("" from the first on), limit lines at
// most.
func (d *DeadLetters) Audit(ctx context.Context, after string, limit int) ([]Audit, error) {
	first := "-"
	if after != "" {
		first = "(" + after
	}
	entries, err := d.client.XRangeN(ctx, d.stream.audit, first, "+", int64(limit)).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return nil, clean(err)
	}
	lines := make([]Audit, 0, len(entries))
	for _, entry := range entries {
		text := func(name string) string {
			value, _ := entry.Values[name].(string)
			return value
		}
		line := Audit{ID: entry.ID, Action: text("action"), Actor: text("actor"), Reason: text("reason"), Run: text("run"), Filter: text("filter")}
		if ms, _, ok := strings.Cut(entry.ID, "-"); ok {
			n, _ := strconv.ParseInt(ms, 10, 64)
			line.At = time.UnixMilli(n)
		}
		if ids := text("ids"); ids != "" {
			line.IDs = strings.Split(ids, ",")
		}
		lines = append(lines, line)
	}
	return lines, nil
}
