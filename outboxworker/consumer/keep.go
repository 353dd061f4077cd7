package consumer

// keep.go holds the signs of life of what a consumer has, so that no other takes it over.

import (
	"context"
	"slices"
	"time"
)

// keep gives signs of life until ctx is done. Handlers whose messages are lost are told.
func (c *Consumer) keep(ctx context.Context, s *stream) {
	calls := context.WithoutCancel(ctx)
	t := &trouble{logger: s.logger, what: "giving signs of life"}
	every := c.options.Lease / 3
	last := time.Now()
	for next := every; ; {
		sleep(ctx, next)
		if ctx.Err() != nil {
			return
		}
		asked := time.Now()
		// A call to a Redis that hangs may take longer than is left.
		alarm := time.AfterFunc(max(c.options.Lease-time.Since(last), every), func() { c.loseAll(s) })
		err := c.keepEntries(calls, s)
		if err == nil {
			err = c.extendLeases(calls, s)
		}
		alarm.Stop()
		if err == nil {
			t.success()
			last, next = asked, every
			continue
		}
		t.failure(err)
		next = every / 4
		if time.Since(last) >= c.options.Lease {
			c.loseAll(s)
		}
	}
}

// loseAll is for when a lease is over since the last sign of life: whoever sees Redis may
// have taken over what the consumer had.
func (c *Consumer) loseAll(s *stream) {
	c.lose(append(c.held.of(s, false), c.held.of(s, true)...))
}

// lose tells handlers that their messages may be another's.
func (c *Consumer) lose(jobs []*job) {
	for _, j := range jobs {
		if !j.isLost() {
			c.metrics.lost(j.stream)
			j.cancel(ErrLost)
		}
	}
}

func (c *Consumer) keepEntries(ctx context.Context, s *stream) error {
	for jobs := range slices.Chunk(c.held.of(s, false), maxCall) {
		asked := elapsed()
		args := []any{c.group, c.options.Consumer, 0}
		for _, j := range jobs {
			args = append(args, j.id, "")
		}
		values, err := call(ctx, c.client, s.logger, s, keepScript, []string{s.name}, args...)
		if isCode(err, "NOGROUP") {
			c.lose(jobs)
			continue
		}
		if err != nil {
			return err
		}
		if len(values) != len(jobs) {
			return errAnswer
		}
		for i, j := range jobs {
			switch {
			case values[i] == int64(1), values[i] == int64(2): // nobody else has it
				j.sign.Store(asked)
			case c.held.has(j):
				c.lose(jobs[i : i+1])
			}
		}
	}
	return nil
}

// extendLeases has the leases of a stream's retries last longer. Nothing is settled in
// the meantime, as the tokens change.
func (c *Consumer) extendLeases(ctx context.Context, s *stream) error {
	s.lease.Lock()
	defer s.lease.Unlock()
	for jobs := range slices.Chunk(c.held.of(s, true), maxCall) {
		asked := elapsed()
		args := []any{c.options.Lease.Microseconds(), c.mark}
		for _, j := range jobs {
			args = append(args, j.id, j.ends)
		}
		values, err := call(ctx, c.client, s.logger, s, extendScript, []string{s.leased}, args...)
		if err != nil {
			return err
		}
		ends, ok := values[0].(int64)
		if !ok || len(values) != len(jobs)+1 {
			return errAnswer
		}
		for i, j := range jobs {
			if values[i+1] == int64(1) {
				j.ends = ends
				j.sign.Store(asked)
			} else if c.held.has(j) {
				c.lose(jobs[i : i+1])
			}
		}
	}
	return nil
}
