package cli

// statsconsumer.go counts what there is of a consumer.

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"time"

	"go.uber.org/zap"

	"github.com/weirproxy/weir/outboxworker/consumer"
)

// streamStats are how much there is of a stream and a consumer.
type streamStats struct {
	At     time.Time `json:"at"`
	Stream string    `json:"stream"`
	// Length is that of the stream, and Unread what the group has not read of it, nil if
	// Redis does not know.
	Length int64  `json:"length"`
	Unread *int64 `json:"unread,omitempty"`
	// Pending is what consumers have read and not ended.
	Pending int64 `json:"pending"`
	// Retry, Parked and Handling are what waits for a retry, or has been taken for one.
	Retry    int64 `json:"retry"`
	Parked   int64 `json:"parked"`
	Handling int64 `json:"handling"`
	// NextDue is when the first of Retry is due, or nil; OverdueSeconds for how long it
	// has been.
	NextDue        *time.Time `json:"next_due,omitempty"`
	OverdueSeconds float64    `json:"overdue_seconds"`
	// Dead are the dead letters, with those that are Replaying.
	Dead      int64 `json:"dead"`
	Replaying int64 `json:"replaying"`
}

var streamColumns = []column[streamStats]{
	{"STREAM", func(s *streamStats) string { return word(s.Stream) }},
	{"LENGTH", func(s *streamStats) string { return strconv.FormatInt(s.Length, 10) }},
	{"UNREAD", func(s *streamStats) string { return unreadText(s.Unread) }},
	{"PENDING", func(s *streamStats) string { return strconv.FormatInt(s.Pending, 10) }},
	{"RETRY", func(s *streamStats) string { return strconv.FormatInt(s.Retry, 10) }},
	{"PARKED", func(s *streamStats) string { return strconv.FormatInt(s.Parked, 10) }},
	{"HANDLING", func(s *streamStats) string { return strconv.FormatInt(s.Handling, 10) }},
	{"DEAD", func(s *streamStats) string { return strconv.FormatInt(s.Dead, 10) }},
	{"REPLAYING", func(s *streamStats) string { return strconv.FormatInt(s.Replaying, 10) }},
	{"NEXT DUE", func(s *streamStats) string { return stampOf(s.NextDue) }},
	{"OVERDUE", func(s *streamStats) string {
		if s.OverdueSeconds == 0 {
			return ""
		}
		return seconds(s.OverdueSeconds)
	}},
}

func unreadText(n *int64) string {
	if n == nil {
		return "?"
	}
	return strconv.FormatInt(*n, 10)
}

// countedStreams are the streams of a consumer, which are counted.
type countedStreams struct {
	*consumerStreams
	retries []*consumer.Retries
}

func openCounted(ctx context.Context, o *operation, chosen *consumerChoice) (*countedStreams, error) {
	c := new(countedStreams)
	var err error
	c.consumerStreams, err = openStreams(ctx, o, chosen, func(s *consumerStreams, name string, logger *zap.Logger) error {
		retries, err := consumer.NewRetries(s.client, name, s.group)
		if err == nil {
			retries.SetLogger(logger)
			c.retries = append(c.retries, retries)
		}
		return err
	})
	return c, err
}

func (c *countedStreams) count(ctx context.Context) ([]streamStats, error) {
	all := make([]streamStats, len(c.names))
	for i, name := range c.names {
		n, err := c.retries[i].Counts(ctx)
		if err != nil {
			return nil, fmt.Errorf("stream %s: %w", name, err)
		}
		all[i] = streamStats{
			At: time.Now().UTC(), Stream: name, Length: n.Length, Pending: n.Pending, Retry: n.Retry, Parked: n.Parked, Handling: n.Handling,
			NextDue: timeOrNil(n.NextDue), OverdueSeconds: n.Overdue.Seconds(), Dead: n.Dead, Replaying: n.Replaying,
		}
		if n.Unread >= 0 {
			all[i].Unread = &n.Unread
		}
	}
	return all, nil
}

// statsOfConsumer counts once, or again and again.
func (o *statsOperation) statsOfConsumer(ctx context.Context) error {
	c, err := openCounted(ctx, &o.operation, &o.consumerChoice)
	if err != nil {
		return err
	}
	defer c.close()
	ctx, stop := interruptible(ctx)
	defer stop()
	if o.every > 0 {
		return repeated(ctx, o.every, c.count, func(all []streamStats, names bool) error {
			if o.output == formNDJSON {
				return writeList(o.process.Out, o.output, streamColumns, all)
			}
			return writeSums(o.process.Out, all, names)
		})
	}
	all, err := c.count(ctx)
	if err != nil {
		return err
	}
	return writeList(o.process.Out, o.output, streamColumns, all)
}

// sumColumns are the columns of --watch.
const sumColumns = "%-20s %9s %8s %8s %8s %8s %8s %8s %9s\n"

// writeSums writes the sums of all streams, and the names of the columns where they are due.
func writeSums(to io.Writer, all []streamStats, names bool) error {
	if names {
		_, _ = fmt.Fprintf(to, sumColumns, "AT", "LENGTH", "UNREAD", "PENDING", "RETRY", "PARKED", "HANDLING", "DEAD", "REPLAYING")
	}
	var sum streamStats
	unread, known := int64(0), true
	for i := range all {
		s := &all[i]
		sum.At = s.At
		sum.Length += s.Length
		sum.Pending += s.Pending
		sum.Retry += s.Retry
		sum.Parked += s.Parked
		sum.Handling += s.Handling
		sum.Dead += s.Dead
		sum.Replaying += s.Replaying
		if s.Unread == nil {
			known = false
		} else {
			unread += *s.Unread
		}
	}
	if known {
		sum.Unread = &unread
	}
	n := func(n int64) string { return strconv.FormatInt(n, 10) }
	_, err := fmt.Fprintf(to, sumColumns, stamp(sum.At), n(sum.Length), unreadText(sum.Unread), n(sum.Pending), n(sum.Retry), n(sum.Parked), n(sum.Handling),
		n(sum.Dead), n(sum.Replaying))
	return err
}
