package consumer

// watch.go holds the look at how a stream and its group are doing.

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"
)

// watchEvery is how often a consumer looks.
const watchEvery = 5 * time.Second

// watch keeps the gauges of a stream until ctx is done.
func (c *Consumer) watch(ctx context.Context, s *stream) {
	calls := context.WithoutCancel(ctx)
	c.metrics.pausing(c, false)
	c.metrics.begin(s)
	for t := (&trouble{logger: s.logger, what: "looking at the stream"}); ctx.Err() == nil; sleep(ctx, watchEvery) {
		seen, err := look(calls, c.client, s, false)
		s.answers.Store(err == nil || isCode(err, "WRONGTYPE") || isMissing(err))
		switch {
		case err == nil:
			t.success()
			c.metrics.show(s, seen)
		case isCode(err, "WRONGTYPE"): // repair sets it aside
		case !isMissing(err):
			t.failure(err)
		}
	}
}

// seen is what a look saw.
type seen struct {
	length, pending, waiting, dead int64
	// lag is what the group has not read; less than 0 if Redis does not know.
	lag int64
	// overdue is for how long the oldest retry has been due.
	overdue time.Duration
	// retry and handling are those of waiting that have a time, and that are handled
	// again; next is the first of the times.
	retry, handling, replaying int64
	next                       time.Time
}

// look asks Redis. A stream that is missing is an error, or empty if it may be.
func look(ctx context.Context, client redis.UniversalClient, s *stream, mayBeMissing bool) (seen, error) {
	missing := 0
	if mayBeMissing {
		missing = 1
	}
	values, err := lookScript.Run(ctx, client, []string{s.name, s.due, s.entries, s.dead, s.leased, s.replaying}, s.group, missing).Slice()
	if err != nil {
		return seen{}, clean(err)
	}
	const last = 9
	if len(values) != last+1 {
		return seen{}, errAnswer
	}
	var n [last]int64
	for i := range n {
		number, ok := values[i].(int64)
		if !ok {
			return seen{}, errAnswer
		}
		n[i] = number
	}
	next, ok := values[last].(string)
	if !ok {
		return seen{}, errAnswer
	}
	return seen{
		length: n[0], pending: n[1], lag: n[2], waiting: n[3], overdue: time.Duration(n[4]) * time.Millisecond, dead: n[5],
		retry: n[6], handling: n[7], replaying: n[8], next: timeOf(next),
	}, nil
}

func (m *Metrics) show(s *stream, found seen) {
	m.length.WithLabelValues(s.group, s.name).Set(float64(found.length))
	m.pending.WithLabelValues(s.group, s.name).Set(float64(found.pending))
	m.waiting.WithLabelValues(s.group, s.name).Set(float64(found.waiting))
	m.overdue.WithLabelValues(s.group, s.name).Set(found.overdue.Seconds())
	m.buried.WithLabelValues(s.group, s.name).Set(float64(found.dead))
	if found.lag < 0 {
		m.lag.DeleteLabelValues(s.group, s.name)
	} else {
		m.lag.WithLabelValues(s.group, s.name).Set(float64(found.lag))
	}
}
