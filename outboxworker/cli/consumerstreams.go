package cli

// consumerstreams.go holds how a command reaches what a consumer has in Redis, in all its
// streams.

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/weirproxy/weir/outboxworker/config"
	"github.com/weirproxy/weir/outboxworker/consumer"
)

// consumerChoice are the flags that choose a consumer instead of an outbox.
type consumerChoice struct {
	consumer string
	streams  []string
}

// consumerFlags adds them. What is what of the consumer is meant.
func (c *consumerChoice) consumerFlags(command *cobra.Command, what string) {
	command.Flags().StringVar(&c.consumer, "consumer", "", "`name` of a consumer, whose "+what+" meant")
	command.Flags().StringArrayVar(&c.streams, "stream", nil, "`name` of a stream of the consumer; may be repeated; without it those of the configuration")
}

// checkConsumer tells what is wrong with them, beside the outbox of --outbox.
func (c *consumerChoice) checkConsumer(outbox string) error {
	switch {
	case c.consumer != "" && outbox != "":
		return &usageError{errors.New("--outbox and --consumer are given; a command works on one or the other")}
	case c.consumer == "" && len(c.streams) > 0:
		return &usageError{errors.New("--stream is given without --consumer")}
	}
	return nil
}

// consumerStreams are the streams of a consumer.
type consumerStreams struct {
	of     *operation
	client redis.UniversalClient
	group  string
	names  []string
}

// openStreams opens the streams of a consumer, and connects. open is called for each of
// them.
func openStreams(ctx context.Context, o *operation, chosen *consumerChoice, open func(s *consumerStreams, name string, logger *zap.Logger) error) (*consumerStreams, error) {
	c, err := config.LoadRedis(o.file, o.process.Environ)
	if err != nil {
		return nil, err
	}
	s := &consumerStreams{of: o, group: chosen.consumer}
	if s.names, err = streamsOf(c, chosen.consumer, chosen.streams); err != nil {
		return nil, err
	}
	if s.client, err = c.Redis.Open(); err != nil {
		return nil, err
	}
	logger := newLogger(o.process.Err, "console", zap.NewAtomicLevelAt(zap.WarnLevel))
	for _, name := range s.names {
		if err := open(s, name, logger); err != nil {
			s.close()
			return nil, &usageError{err}
		}
	}
	if err := s.client.Ping(ctx).Err(); err != nil {
		s.close()
		return nil, fmt.Errorf("connecting to Redis: %w\n  fix: check redis.url and the password, and that Redis runs and lets this machine in", err)
	}
	return s, nil
}

func (s *consumerStreams) close() { _ = s.client.Close() }

// streamsOf returns the streams of a consumer, each once: those that are given, or else those
// of the configuration. A stream of one that is ordered there is its eight lanes.
func streamsOf(c *config.Config, name string, given []string) (streams []string, err error) {
	var of config.Consumer // none, where the configuration has no such consumer
	var names []string
	for i := range c.Consumers {
		if names = append(names, c.Consumers[i].Name); c.Consumers[i].Name == name {
			of = c.Consumers[i]
		}
	}
	if len(given) == 0 {
		given = of.Streams
	}
	for _, stream := range given {
		lanes := []string{stream}
		if of.Ordered && slices.Contains(of.Streams, stream) {
			lanes = consumer.LaneStreams(stream)
		}
		for _, lane := range lanes {
			if !slices.Contains(streams, lane) {
				streams = append(streams, lane)
			}
		}
	}
	if len(streams) > 0 {
		return streams, nil
	}
	hint := "it has none; name its streams by --stream"
	if len(names) > 0 {
		hint = "it has " + strings.Join(names, ", ") + "; of another one name the streams by --stream"
	}
	return nil, &usageError{fmt.Errorf("--consumer: the configuration has no consumer %q: %s", name, hint)}
}

// pageOfStreams reads a page of what the streams have, one after the other. A place is the
// name of a stream, and a place in it; read goes on there, and returns where the next page
// of its stream begins.
func pageOfStreams[T any](s *consumerStreams, after string, limit int, read func(i int, after string, limit int) ([]T, string, error)) (found []T, next string, err error) {
	begin, place := 0, ""
	if i := strings.LastIndex(after, " "); i >= 0 {
		begin, place = max(0, slices.Index(s.names, after[:i])), after[i+1:]
	}
	for i, name := range s.names[begin:] {
		full := len(found) >= limit
		some, more, err := read(begin+i, place, max(1, limit-len(found)))
		switch {
		case err != nil:
			return found, "", fmt.Errorf("stream %s: %w", name, err)
		case full && len(some) > 0:
			return found, name + " ", nil
		}
		if found = append(found, some...); more != "" {
			return found, name + " " + more, nil
		}
		place = ""
	}
	return found, "", nil
}

// each makes a change in all streams, as one run and within one limit. What matches, and in
// a dry run what would be skipped, is counted first.
func each[T any](ctx context.Context, s *consumerStreams, result *outcome, list func(context.Context, string, int) ([]T, string, error), verdict func(*T) string,
	do func(i int, c consumer.Change) (consumer.Changed, error),
) error {
	result.Skipped = make(map[string]int64)
	for after, more := "", true; more; more = after != "" {
		found, next, err := list(ctx, after, 1000)
		if err != nil {
			return err
		}
		result.Matched += int64(len(found))
		for i := range found {
			if reason := verdict(&found[i]); reason != "" {
				result.Skipped[reason]++
			}
		}
		after = next
	}
	if !s.of.yes {
		return nil
	}
	clear(result.Skipped)
	run, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("drawing an id: %w", err)
	}
	result.Run = run.String()
	c := consumer.Change{Actor: s.of.who(), Reason: s.of.reason, Rate: s.of.rate, AuditLimit: s.of.limit, Run: result.Run}
	for i, name := range s.names {
		if limit := s.of.limit; limit > 0 {
			if c.Limit = limit - int(result.Changed); c.Limit == 0 {
				return nil
			}
		}
		answer, err := do(i, c)
		c.Owed = answer.Owed
		result.Changed += int64(answer.Changed)
		for reason, n := range answer.Skipped {
			result.Skipped[reason] += int64(n)
		}
		if err != nil {
			return fmt.Errorf("stream %s: %w", name, err)
		}
	}
	return nil
}
