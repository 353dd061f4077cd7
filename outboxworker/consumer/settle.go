package consumer

// settle.go holds what becomes of a message after an attempt.

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/weirproxy/weir/outboxworker/fingerprint"
)

// maxError is the most bytes of an error that are kept.
const maxError = 4 << 10

var errCrash = errors.New("consumers have vanished with the message again and again")

// fate is what is written about a message that was not done.
type fate struct {
	dead                     bool
	wait                     time.Duration
	attempts                 int
	class, text, fingerprint string
	// takeovers is kept of what no handler was run for: it says nothing of what consumers
	// vanished with.
	takeovers int
}

// decide says what becomes of a message that was not done.
func (c *Consumer) decide(j *job, v verdict) fate {
	f := fate{attempts: j.message.Attempt, class: clipped(v.class, 100), text: clipped(v.err.Error(), maxError)}
	f.fingerprint = fingerprint.Of(f.class, f.text)
	if !j.ran {
		f.takeovers = j.takeovers()
	}
	switch {
	case v.kind == busy, v.kind == unavailable:
		f.attempts--
		f.wait = v.after
		if f.wait <= 0 {
			f.wait = busyWait
		}
	case v.kind == fatal, f.attempts > c.options.Retries:
		f.dead = true
	default:
		f.wait = max(c.options.Backoff.Wait(f.attempts-1), v.after)
	}
	return f
}

// clipped is a text that fits, and is UTF-8.
func clipped(text string, most int) string {
	return strings.ToValidUTF8(text[:min(len(text), most)], "\uFFFD")
}

// settle writes down what became of a message, and waits for a Redis that is away, as
// long as the consumer does not have to end.
func (c *Consumer) settle(j *job, v verdict) {
	t := &trouble{logger: j.stream.logger, what: "writing down what became of messages"}
	ctx := context.WithoutCancel(c.hard)
	var f fate
	if v.kind != done {
		f = c.decide(j, v)
	}
	if j.tenure != nil {
		j.conclude(v, f)
		return
	}
	for {
		own, err := c.write(ctx, j, v.kind == done, f)
		switch {
		case err == nil && own, err == nil && v.kind == done && !j.retry:
			c.tell(j, v, f)
			return
		case err == nil, isCode(err, "NOGROUP"): // it is another's to say, or gone
			c.metrics.outcome(j.stream, "lost")
			return
		}
		wait := t.failure(err)
		if c.hard.Err() != nil || j.isLost() {
			return // it is taken over
		}
		sleep(c.hard, wait)
	}
}

// write tells Redis what became of a message. own is false if it was another's to say.
func (c *Consumer) write(ctx context.Context, j *job, done bool, f fate) (own bool, err error) {
	s := j.stream
	if j.retry {
		outcome := "again"
		switch {
		case done:
			outcome = "done"
		case f.dead:
			outcome = "dead"
		}
		return c.settleRetry(ctx, j, outcome, f)
	}
	if done {
		n, err := c.client.XAck(ctx, s.name, c.group, j.id).Result()
		return n == 1, clean(err)
	}
	own, err = c.leave(ctx, j, f)
	if own && !f.dead {
		s.hint()
	}
	return own, err
}

// leave acknowledges an entry, and lets it wait or makes it a dead letter. If it is not in
// the stream any more, what the consumer has of it is taken.
func (c *Consumer) leave(ctx context.Context, j *job, f fate) (own bool, err error) {
	s := j.stream
	wait := any("")
	if !f.dead {
		wait = milliseconds(f.wait)
	}
	keys := []string{s.name, s.due, s.entries, s.state, s.dead}
	args := []any{c.group, c.options.Consumer, j.id, wait, f.attempts, f.class, f.text, f.fingerprint, f.takeovers}
	n, err := number(ctx, c.client, s.logger, s, leaveScript, keys, args...)
	if err == nil && n == -1 {
		s.logger.Warn("an entry was removed from the stream while a consumer had it; it is kept", c.fields(j)...)
		for name, value := range j.fields {
			args = append(args, name, value)
		}
		n, err = number(ctx, c.client, s.logger, s, leaveScript, keys, args...)
	}
	return n == 1, err
}

// settleRetry ends the lease of a retry.
func (c *Consumer) settleRetry(ctx context.Context, j *job, outcome string, f fate) (own bool, err error) {
	s := j.stream
	s.lease.RLock()
	defer s.lease.RUnlock()
	n, err := number(ctx, c.client, s.logger, s, settleScript, []string{s.due, s.leased, s.entries, s.state, s.dead, s.replaying},
		j.id, j.ends, outcome, milliseconds(f.wait), f.attempts, f.class, f.text, f.fingerprint, c.options.Lease.Microseconds(), f.takeovers)
	if err == nil && n == 1 && outcome == "again" {
		s.hint()
	}
	return n == 1, err
}

// milliseconds rounds up.
func milliseconds(d time.Duration) int64 {
	ms := d.Milliseconds()
	if d%time.Millisecond > 0 {
		ms++
	}
	return ms
}

// hint wakes whoever waits for the next retry.
func (s *stream) hint() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// tell counts and logs what became of a message.
func (c *Consumer) tell(j *job, v verdict, f fate) {
	if v.kind == unavailable {
		return // it was counted, and is in the log
	}
	outcome := map[kind]string{done: "done", busy: "busy", fatal: "fatal", failed: "failed"}[v.kind]
	if v.class == "malformed" {
		outcome = "malformed"
	}
	c.metrics.outcome(j.stream, outcome)
	switch {
	case v.kind == done:
		j.stream.logger.Debug("a message is done", c.fields(j)...)
	case v.kind == busy:
		j.stream.logger.Debug("a message is being handled elsewhere", c.fields(j, zap.Duration("again_in", f.wait))...)
	case f.dead:
		c.metrics.died(j.stream)
		j.stream.logger.Error("a message is dead", c.fields(j, zap.String("class", f.class), zap.String("error", f.text))...)
	default:
		j.stream.logger.Warn("a message could not be handled",
			c.fields(j, zap.String("class", f.class), zap.String("error", f.text), zap.Duration("again_in", f.wait))...)
	}
}

// giveBackWithin bounds giving back: whatever it misses is taken over later.
const giveBackWithin = 3 * time.Second

// giveBack lets others have jobs at once that have not begun, as if this consumer had
// never had them.
func (c *Consumer) giveBack(jobs ...*job) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.hard), giveBackWithin)
	defer cancel()
	var entries []*job
	for _, j := range jobs {
		c.held.remove(j) // no more signs of life
		if j.tenure != nil {
			continue // it stays with the lane
		}
		if !j.retry {
			entries = append(entries, j)
		} else if _, err := c.settleRetry(ctx, j, "back", fate{}); err != nil {
			j.stream.logger.Warn("a retry could not be given back: its lease runs out", zap.Error(err))
		}
	}
	for some := range slices.Chunk(entries, maxCall) {
		s := some[0].stream
		args := []any{c.group, c.options.Consumer, c.options.Lease.Milliseconds()}
		for _, j := range some {
			args = append(args, j.id, j.delivered-1)
		}
		values, err := call(ctx, c.client, s.logger, s, keepScript, []string{s.name}, args...)
		for i, j := range some {
			if err == nil && i < len(values) && values[i] == int64(2) { // nobody could take it from the stream
				_, err = c.leave(ctx, j, fate{attempts: j.message.Attempt - 1, takeovers: j.takeovers()})
			}
		}
		if err != nil {
			s.logger.Warn("entries could not be given back: they are taken over later", zap.Int("entries", len(some)), zap.Error(err))
		}
	}
}
