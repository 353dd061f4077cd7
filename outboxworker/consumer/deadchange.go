package consumer

// deadchange.go holds what changes dead letters, and how any change is made.

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
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
	now, err := d.client.Time(ctx).Result()
	if err != nil {
		return Changed{}, clean(err)
	}
	// What dies from now on is not among them: it may be what was just replayed.
	last := strconv.FormatInt(now.UnixMilli(), 10)
	return change(ctx, f, c, func(do func(id string) bool) error {
		return d.each(ctx, f, "", last, false, func(dead Dead) bool { return do(dead.ID) })
	}, apply)
}

// change applies a command to what each goes through, in batches.
func change(ctx context.Context, f Filter, c Change, each func(do func(id string) bool) error, apply func(ids, audit []any) ([]any, error)) (Changed, error) {
	result := Changed{Owed: c.Owed, Skipped: make(map[string]int)}
	audit, err := c.audit(f)
	if err != nil {
		return result, err
	}
	var batch []any
	flush := func() error {
		if len(batch) == 0 {
			return nil
		}
		pace(ctx, result.Owed, c.Rate)
		if err := ctx.Err(); err != nil {
			return err
		}
		values, err := apply(batch, audit)
		if err != nil {
			return unanswered(err)
		}
		before := result.Changed
		for _, value := range values {
			if value == "ok" {
				result.Changed++
			} else {
				result.Skipped[fmt.Sprint(value)]++
			}
		}
		result.Owed = result.Changed - before
		batch = batch[:0]
		return nil
	}
	var failed error
	err = each(func(id string) bool {
		result.Matched++
		if !c.DryRun {
			batch = append(batch, id)
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

// unanswered tells of a batch that may have been done though there is no answer.
func unanswered(err error) error {
	var answer redis.Error
	var network *net.OpError
	if errors.As(err, &answer) || errors.Is(err, context.Canceled) || errors.As(err, &network) && network.Op == "dial" {
		return err // it was refused, or never sent
	}
	return fmt.Errorf("the answer was lost, and only the audit tells whether it was done: %w", err)
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
		return nil, errors.New("changing messages: the rate, the limit and the replays must not be negative")
	}
	most := c.MaxReplays
	if most == defaultReplays {
		most = 0
	}
	text, err := json.Marshal(struct {
		Filter
		Limit      int     `json:"limit,omitzero"`
		Rate       float64 `json:"rate,omitzero"`
		MaxReplays int     `json:"max_replays,omitzero"`
	}{f, cmp.Or(c.AuditLimit, c.Limit), c.Rate, most})
	if err != nil {
		return nil, fmt.Errorf("changing messages: the filter: %w", err)
	}
	return []any{clipped(c.Actor, 255), clipped(c.Reason, maxError), string(text), c.Run}, nil
}

// Audit is what an operator's command did in one step.
type Audit struct {
	// ID is that of the line, in the order of time.
	ID string
	At time.Time
	// Action is replay, discard or run-now.
	Action, Actor, Reason, Run string
	// Filter is the command's, as JSON, with its limit, its rate, and as max_replays how
	// often a message may be replayed, where these are not the default.
	Filter string
	// IDs are those of the dead letters; of run-now those of the entries, or dead: and that
	// of the dead letter of which it is a replay.
	IDs []string
}

// Audit returns what operators did, the last first, before a line ("" from the last on),
// limit lines at most.
func (d *DeadLetters) Audit(ctx context.Context, before string, limit int) ([]Audit, error) {
	last := "+"
	if before != "" {
		last = "(" + before
	}
	entries, err := d.client.XRevRangeN(ctx, d.stream.audit, last, "-", int64(limit)).Result()
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
