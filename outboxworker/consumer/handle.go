package consumer

// handle.go holds an attempt to handle a message.

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime/debug"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/weirproxy/weir/outboxworker/idempotency"
)

// busyWait is when a message comes back that somebody else has for nobody knows how long.
const busyWait = time.Second

// handle runs the handler, once whoever keeps account of what was handled agrees.
func (c *Consumer) handle(j *job) verdict {
	store := c.options.Idempotency
	if store == nil {
		return judge(c.run(j.ctx, j))
	}
	claim, found, err := store.Begin(j.ctx, c.group, j.message.ID)
	switch {
	case errors.Is(err, idempotency.ErrUnavailable):
		return verdict{kind: unavailable, err: err, class: "idempotency"}
	case errors.Is(err, idempotency.ErrInvalid):
		return verdict{kind: fatal, err: err, class: "idempotency"}
	case err != nil:
		return verdict{kind: failed, err: err, class: "idempotency"}
	case found.Status == idempotency.AlreadyDone:
		c.metrics.repeated(j.stream)
		return verdict{kind: done}
	case found.Status == idempotency.Busy:
		return judge(Busy(found.Left))
	}
	kept, stop := claim.Keep(j.ctx)
	err = c.run(kept, j)
	if err != nil && errors.Is(context.Cause(kept), idempotency.ErrLost) {
		// Another may have it by now.
		err = Busy(0)
	}
	stop()
	if err == nil {
		return c.markDone(j, claim)
	}
	if err := claim.Release(context.WithoutCancel(j.ctx)); err != nil {
		j.stream.logger.Warn("a claim could not be released: it runs out by itself", c.fields(j, zap.Error(err))...)
	}
	return judge(err)
}

// markDone tells the store that the message has had its effect. While the store is away
// it waits: a message that is not marked would have its effect again.
func (c *Consumer) markDone(j *job, claim idempotency.Claim) verdict {
	ctx := context.WithoutCancel(j.ctx)
	t := &trouble{logger: j.stream.logger, what: "marking messages done"}
	for {
		err := claim.Done(ctx)
		switch {
		case err == nil:
			return verdict{kind: done}
		case errors.Is(err, idempotency.ErrOverran):
			c.metrics.overran(j.stream)
			j.stream.logger.Warn("a message may have had its effect twice", c.fields(j, zap.Error(err))...)
			return verdict{kind: done}
		case !errors.Is(err, idempotency.ErrUnavailable):
			return verdict{kind: failed, err: err, class: "idempotency"}
		case c.hard.Err() != nil:
			return verdict{kind: unavailable, err: err, class: "idempotency"}
		}
		sleep(c.hard, t.failure(err))
	}
}

// run runs the handler.
func (c *Consumer) run(ctx context.Context, j *job) (err error) {
	began := time.Now()
	defer func() {
		c.metrics.handler(j.stream, time.Since(began))
		if r := recover(); r != nil {
			// What it says may hold the payload; its type and where it was do not.
			c.metrics.panicked(j.stream)
			j.stream.logger.Error("a handler panicked", c.fields(j, zap.String("stack", frames(debug.Stack())))...)
			err = Class(fmt.Errorf("the handler panicked with %T", r), "panic")
		}
	}()
	message := j.message
	message.Payload, message.Headers = []byte(j.payload), maps.Clone(j.message.Headers)
	j.ran = true
	if err = c.handler(ctx, &message); err != nil {
		_ = judge(err).err.Error() // here, where one that panics, as a typed nil may, is recovered from
	}
	return err
}

// frames is a stack without the functions' arguments and the runtime's part.
func frames(stack []byte) string {
	var kept []string
	for _, line := range strings.Split(string(stack), "\n") {
		if strings.HasPrefix(line, "\t") {
			kept = append(kept, strings.TrimSpace(line))
		}
	}
	const most = 20
	return strings.Join(kept[:min(len(kept), most)], "\n")
}

// fields are those of every line about a message.
func (c *Consumer) fields(j *job, more ...zap.Field) []zap.Field {
	all := []zap.Field{
		zap.String("entry", j.message.EntryID), zap.String("message", j.message.ID), zap.Int("attempt", j.message.Attempt),
	}
	if id := j.message.TraceID(); id != "" {
		all = append(all, zap.String("trace_id", id))
	}
	return append(all, more...)
}
