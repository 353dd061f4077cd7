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
		seen, err := look(calls, c.client, s)
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
}

// look asks Redis.
func look(ctx context.Context, client redis.UniversalClient, s *stream) (seen, error) {
	values, err := lookScript.Run(ctx, client, []string{s.name, s.due, s.entries, s.dead}, s.group).Int64Slice()
	if err != nil {
		return seen{}, clean(err)
	}
	if len(values) != 6 {
		return seen{}, errAnswer
	}
	return seen{
		length: values[0], pending: values[1], lag: values[2], waiting: values[3],
		overdue: time.Duration(values[4]) * time.Millisecond, dead: values[5],
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
