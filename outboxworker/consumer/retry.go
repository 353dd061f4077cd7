package consumer

// retry.go holds the claiming of what waits and is due.

import (
	"context"
	"time"

	"go.uber.org/zap"
)

const (
	// longestSleep is after how long what waits is looked at again: another consumer
	// may have let something wait, and have vanished.
	longestSleep = time.Second
	// shortestSleep lets what is due at about the same time be claimed together.
	shortestSleep = 5 * time.Millisecond
	// maxLease is longer than any lease. An end further away is not believed.
	maxLease = time.Hour + time.Second
)

// claimed is the answer to a claim.
type claimed struct {
	sleep   time.Duration
	expired int
	foreign int
	jobs    []*job
	late    []time.Duration
}

// retry claims what is due until ctx is done.
func (c *Consumer) retry(ctx context.Context, s *stream) {
	calls := context.WithoutCancel(ctx)
	t := &trouble{logger: s.logger, what: "claiming what is to be tried again"}
	for ctx.Err() == nil {
		c.gate.pause(ctx)
		asked := elapsed()
		found, err := c.claim(calls, s)
		if err != nil {
			sleep(ctx, t.failure(err))
			continue
		}
		t.success()
		if found.foreign > 0 {
			s.logger.Warn("members of the retries that belong to no entry were set aside",
				zap.String("key", s.aside), zap.Int("members", found.foreign))
		}
		c.metrics.claimed(s, found)
		c.offer(ctx, found.jobs, asked)
		if len(found.jobs) > 0 {
			continue // there may be more, and the time has passed
		}
		timer := time.NewTimer(max(shortestSleep, min(found.sleep, longestSleep)))
		select {
		case <-timer.C:
		case <-s.wake:
			sleep(ctx, shortestSleep)
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// claim leases what is due.
func (c *Consumer) claim(ctx context.Context, s *stream) (found claimed, err error) {
	from, may := c.options.suspectFrom(), c.alone.try()
	if may {
		defer func() { c.alone.keep(found.jobs, from) }()
	}
	values, err := call(ctx, c.client, s.logger, s, claimScript, []string{s.due, s.leased, s.entries, s.state, s.aside},
		c.options.Batch, c.options.Lease.Microseconds(), maxLease.Microseconds(), longestSleep.Microseconds(), readBytes,
		from, flag(may), c.mark)
	if err != nil {
		return claimed{}, err
	}
	const head = 4
	var numbers [head]int64
	if len(values) < head {
		return claimed{}, errAnswer
	}
	for i := range numbers {
		n, ok := values[i].(int64)
		if !ok {
			return claimed{}, errAnswer
		}
		numbers[i] = n
	}
	found = claimed{sleep: time.Duration(numbers[0]) * time.Microsecond, expired: int(numbers[1]), foreign: int(numbers[2])}
	for _, value := range values[head:] {
		one, ok := value.([]any)
		if !ok || len(one) != 4 {
			return claimed{}, errAnswer
		}
		id, isText := one[0].(string)
		late, isNumber := one[1].(int64)
		text, isState := one[2].(string)
		fields, isList := one[3].([]any)
		if !isText || !isNumber || !isState || !isList {
			return claimed{}, errAnswer
		}
		j := &job{stream: s, id: id, retry: true, ends: numbers[3], state: readState(text)}
		j.read(fieldsOf(fields), c.group, c.options.MaxBytes)
		found.jobs = append(found.jobs, j)
		found.late = append(found.late, time.Duration(max(0, min(late, 1<<40)))*time.Millisecond)
	}
	return found, nil
}
