package consumer

// tend.go holds what keeps streams and groups from growing for ever, and what repairs
// that somebody has removed a key.

import (
	"context"
	"time"

	"go.uber.org/zap"
)

const (
	// trimCall is about how many entries one call trims: some milliseconds for Redis.
	trimCall = 10_000
	// repairEvery is how often it is checked that nothing waits without a time.
	repairEvery = 10 * time.Second
	// forgetEvery is how often consumers that are gone are looked for, at most.
	forgetEvery = time.Minute
)

// tend does the housekeeping of a stream until ctx is done.
func (c *Consumer) tend(ctx context.Context, s *stream) {
	calls := context.WithoutCancel(ctx)
	repairs := repairEvery
	if c.options.Ordered {
		repairs = 0 // a lane's owner mends it
	}
	tasks := []struct {
		every time.Duration
		do    func(context.Context, *stream) error
		t     *trouble
		next  time.Time
	}{
		{every: c.options.TrimEvery, do: c.trim, t: &trouble{logger: s.logger, what: "trimming the stream"}},
		{every: repairs, do: c.repair, t: &trouble{logger: s.logger, what: "checking what waits"}},
		{every: min(forgetEvery, c.options.ForgetAfter), do: c.forget, t: &trouble{logger: s.logger, what: "removing consumers that are gone"}},
	}
	for ctx.Err() == nil {
		soonest := time.Now().Add(repairEvery)
		for i := range tasks {
			task := &tasks[i]
			if task.every == 0 {
				continue
			}
			if now := time.Now(); !now.Before(task.next) {
				task.next = now.Add(task.every)
				if err := task.do(calls, s); err == nil || isMissing(err) {
					task.t.success()
				} else {
					task.t.failure(err)
				}
			}
			if task.next.Before(soonest) {
				soonest = task.next
			}
		}
		sleep(ctx, time.Until(soonest))
	}
}

// trim removes entries that no group needs any more.
func (c *Consumer) trim(ctx context.Context, s *stream) error {
	for {
		n, err := number(ctx, c.client, s.logger, s, trimScript, []string{s.name}, c.options.Keep.Milliseconds(), trimCall)
		if err != nil {
			return err
		}
		c.metrics.trimmed(s, n)
		if n == 0 || c.hard.Err() != nil {
			return nil
		}
	}
}

// repair gives what waits a time that has none, since somebody has removed a key.
func (c *Consumer) repair(ctx context.Context, s *stream) error {
	pipe := c.client.Pipeline()
	entries, due, leased := pipe.HLen(ctx, s.entries), pipe.ZCard(ctx, s.due), pipe.ZCard(ctx, s.leased)
	if _, err := pipe.Exec(ctx); isCode(err, "WRONGTYPE") {
		_, err := setAside(ctx, c.client, s.logger, s)
		return err
	} else if err != nil {
		return clean(err)
	}
	if entries.Val() <= due.Val()+leased.Val() {
		return nil
	}
	repaired := int64(0)
	for cursor := "0"; ; {
		values, err := call(ctx, c.client, s.logger, s, repairScript, []string{s.due, s.leased, s.entries}, cursor, readBytes)
		if err != nil {
			return err
		}
		if len(values) != 2 {
			return errAnswer
		}
		added, isNumber := values[1].(int64)
		next, isText := values[0].(string)
		if !isNumber || !isText {
			return errAnswer
		}
		repaired += added
		if cursor = next; cursor == "0" {
			break
		}
	}
	if repaired > 0 {
		s.logger.Error("messages waited without a time to be tried again, as somebody has removed a key; they are due now",
			zap.Int64("messages", repaired))
		s.hint()
	}
	return nil
}

// forget removes consumers from the group that are gone.
func (c *Consumer) forget(ctx context.Context, s *stream) error {
	n, err := number(ctx, c.client, s.logger, s, forgetScript, []string{s.name}, c.group, c.options.Consumer, c.options.ForgetAfter.Milliseconds())
	if err != nil {
		return err
	}
	if n > 0 {
		s.logger.Info("consumers that are gone were removed from the group", zap.Int64("consumers", n))
	}
	return nil
}
