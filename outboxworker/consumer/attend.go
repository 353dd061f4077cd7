package consumer

// attend.go holds how a job goes through the hands of a handler.

import "context"

// work handles jobs until ctx is done.
func (c *Consumer) work(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case j := <-c.jobs:
			for j != nil {
				j = c.attend(ctx, j)
			}
		}
	}
}

// attend sees to a job until it is settled, given back or lost. It returns another job if
// it has taken one in the place of this one.
func (c *Consumer) attend(ctx context.Context, j *job) (next *job) {
	if j.tenure != nil {
		defer func() { j.tenure.ended <- j }()
	}
	defer c.held.remove(j)
	switch {
	case j.malformed != nil:
		c.settle(j, verdict{kind: fatal, err: j.malformed, class: "malformed"})
		return nil
	case j.takeovers() > c.options.MaxTakeovers:
		c.settle(j, verdict{kind: fatal, err: errCrash, class: "crash"})
		return nil
	}
	for {
		if j.isStale(c.options.Lease) {
			c.lose([]*job{j})
			c.metrics.outcome(j.stream, "lost")
			return nil
		}
		probe, err := c.gate.enter(ctx, j.ctx)
		if err != nil {
			if !j.isLost() {
				c.giveBack(j)
			}
			return nil
		}
		v := c.handle(j)
		away := v.kind == unavailable
		if away && j.ctx.Err() != nil { // perhaps it was nothing but that
			c.gate.giveUp(probe)
			continue
		}
		if changed := c.gate.leave(probe, away, v.after); away {
			c.away.failure(v.err)
			c.metrics.outcome(j.stream, "unavailable")
			c.metrics.pausing(c, true)
			if probe {
				if next, ok := c.makeRoom(j, v); ok {
					return next
				}
			}
			continue
		} else if changed {
			c.away.success()
			c.metrics.pausing(c, false)
		}
		switch {
		case v.kind == done:
			c.settle(j, v)
		case j.isLost(): // it is another's to say
			c.metrics.outcome(j.stream, "lost")
		case c.hard.Err() != nil && v.kind == failed: // it was told to end
			c.giveBack(j)
		default:
			c.settle(j, v)
		}
		return nil
	}
}

// makeRoom lets a message wait whose turn to be tried was in vain, if another waits for a
// handler, and returns that: messages for which the handler is always Unavailable must not
// keep the others from being tried. A suspect makes room for other suspects, and for what is
// behind them: they are not taken as long as it is in hand.
func (c *Consumer) makeRoom(j *job, v verdict) (next *job, made bool) {
	select {
	case next = <-c.jobs:
	default:
		if j.alone == nil {
			return nil, false
		}
	}
	_, v.after, _ = c.gate.look() // until the pause is over
	if !j.isLost() {
		c.settle(j, v)
	}
	return next, true
}
