package cli

// deadconsumer.go has the dead letters of a consumer, in all its streams.

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/weirproxy/weir/outboxworker/config"
	"github.com/weirproxy/weir/outboxworker/consumer"
	"github.com/weirproxy/weir/outboxworker/operator"
)

// deadStream is one of a consumer's streams.
type deadStream struct {
	name string
	*consumer.DeadLetters
}

// deadConsumer are the dead letters of a consumer.
type deadConsumer struct {
	of      *operation
	client  redis.UniversalClient
	filter  consumer.Filter
	streams []deadStream
}

// openConsumer opens the dead letters of a consumer.
func openConsumer(ctx context.Context, o *operation, name string, streams []string) (*deadConsumer, error) {
	filter, err := o.ofConsumer()
	if err != nil {
		return nil, err
	}
	c, err := config.LoadRedis(o.file, o.process.Environ)
	if err != nil {
		return nil, err
	}
	if streams, err = streamsOf(c, name, streams); err != nil {
		return nil, err
	}
	d := &deadConsumer{of: o, filter: filter}
	if d.client, err = c.Redis.Open(); err != nil {
		return nil, err
	}
	for _, stream := range streams {
		letters, err := consumer.NewDeadLetters(d.client, stream, name)
		if err != nil {
			d.close()
			return nil, &usageError{err}
		}
		letters.SetLogger(newLogger(o.process.Err, "console", zap.NewAtomicLevelAt(zap.WarnLevel)))
		d.streams = append(d.streams, deadStream{stream, letters})
	}
	if n := len(filter.Fingerprint); n > 0 && n < fingerprintLength {
		if d.filter.Fingerprint, err = d.whole(ctx); err != nil {
			d.close()
			return nil, err
		}
	}
	return d, nil
}

// streamsOf returns the streams of a consumer: those that are given, or else those of the
// configuration, where one that is ordered has eight for each.
func streamsOf(c *config.Config, name string, given []string) ([]string, error) {
	if len(given) > 0 {
		return given, nil
	}
	var names []string
	for i := range c.Consumers {
		one := &c.Consumers[i]
		names = append(names, one.Name)
		if one.Name != name {
			continue
		}
		if !one.Ordered {
			return one.Streams, nil
		}
		var lanes []string
		for _, stream := range one.Streams {
			lanes = append(lanes, consumer.LaneStreams(stream)...)
		}
		return lanes, nil
	}
	hint := "it has none; name its streams by --stream"
	if len(names) > 0 {
		hint = "it has " + strings.Join(names, ", ") + "; of another one name the streams by --stream"
	}
	return nil, &usageError{fmt.Errorf("--consumer: the configuration has no consumer %q: %s", name, hint)}
}

// whole completes the beginning of a fingerprint.
func (d *deadConsumer) whole(ctx context.Context) (string, error) {
	beginning := d.filter.Fingerprint
	d.filter.Fingerprint = ""
	groups, err := d.groups(ctx)
	if err != nil {
		return "", err
	}
	return wholeFingerprint(beginning, groups)
}

func (d *deadConsumer) close() { _ = d.client.Close() }

// list goes through the streams one after the other. A place is a stream and an id in it.
func (d *deadConsumer) list(ctx context.Context, after string, limit int) (found []deadLetter, next string, err error) {
	begin, id := 0, ""
	if stream, last, ok := cutLast(after); ok {
		begin, id = slices.IndexFunc(d.streams, func(s deadStream) bool { return s.name == stream }), last
	}
	for i, s := range d.streams[begin:] {
		if i > 0 {
			id = ""
		}
		letters, _, err := s.List(ctx, d.filter, id, limit+1-len(found), false)
		if err != nil {
			return found, "", fmt.Errorf("stream %s: %w", s.name, err)
		}
		for j := range letters {
			if len(found) == limit {
				last := found[limit-1]
				return found, last.Stream + " " + last.Letter, nil
			}
			found = append(found, *letterOfConsumer(s.name, &letters[j]))
		}
	}
	return found, "", nil
}

// cutLast cuts at the last space.
func cutLast(text string) (before, after string, ok bool) {
	i := strings.LastIndex(text, " ")
	if i < 0 {
		return "", "", false
	}
	return text[:i], text[i+1:], true
}

// letterOfConsumer is a dead letter in the stream of that name, also where it does not say
// itself of which it is.
func letterOfConsumer(stream string, d *consumer.Dead) *deadLetter {
	m := &d.Message
	letter := &deadLetter{
		Letter: d.ID, Stream: stream, Entry: d.EntryID,
		ID: m.ID, BizID: m.BizID, Topic: m.Topic, Type: m.Type, Attempts: d.Attempts, Class: d.Class, LastError: d.Error,
		Fingerprint: d.Fingerprint, DiedAt: d.DiedAt.UTC(), Replaying: d.Replaying, Replays: d.Replays, Bytes: d.PayloadBytes,
	}
	if m.HasKey {
		letter.Key = &m.Key
	}
	if !m.CreatedAt.IsZero() {
		at := m.CreatedAt.UTC()
		letter.CreatedAt = &at
	}
	return letter
}

func (d *deadConsumer) groups(ctx context.Context) ([]deadGroup, error) {
	var all []deadGroup
	for _, s := range d.streams {
		found, err := s.Groups(ctx, d.filter)
		if err != nil {
			return nil, fmt.Errorf("stream %s: %w", s.name, err)
		}
		for _, g := range found {
			all = append(all, deadGroup{
				Fingerprint: g.Fingerprint, Class: g.Class, Count: int64(g.Count), Replaying: int64(g.Replaying),
				Topics: g.Topics, First: g.First.UTC(), Last: g.Last.UTC(), Sample: g.Sample,
			})
		}
	}
	return merged(all), nil
}

// show takes the id of a dead letter, or that of a message, which may have died more than
// once: the last one counts.
func (d *deadConsumer) show(ctx context.Context, id string, payload bool) (*deadLetter, error) {
	filter := consumer.Filter{MessageIDs: []string{id}}
	if letterID.MatchString(id) {
		filter = consumer.Filter{IDs: []string{id}}
	}
	var found *deadLetter
	for _, s := range d.streams {
		letters, _, err := s.List(ctx, filter, "", 1000, false)
		if err != nil {
			return nil, fmt.Errorf("stream %s: %w", s.name, err)
		}
		if len(letters) == 0 {
			continue
		}
		if found != nil {
			return nil, &usageError{fmt.Errorf("dead show: %s is in the streams %s and %s: say which by --stream", id, found.Stream, s.name)}
		}
		last := &letters[len(letters)-1]
		found = letterOfConsumer(s.name, last)
		if !payload {
			continue
		}
		// Of this one alone, since payloads may be large.
		if letters, _, err = s.List(ctx, consumer.Filter{IDs: []string{last.ID}}, "", 1, true); err != nil {
			return nil, fmt.Errorf("stream %s: %w", s.name, err)
		}
		if len(letters) == 0 {
			return nil, operator.ErrNotFound // it was discarded meanwhile
		}
		found.carry(letters[0].Message.Payload, letters[0].Message.Headers)
	}
	if found == nil {
		return nil, operator.ErrNotFound
	}
	return found, nil
}

func (d *deadConsumer) replay(ctx context.Context, maxReplays int, result *outcome) error {
	verdict := func(letter *deadLetter) string {
		switch {
		case letter.Replaying:
			return "replaying"
		case letter.Entry == "":
			return "foreign"
		case letter.Replays >= maxReplays:
			return "replays"
		}
		return ""
	}
	return d.each(ctx, result, verdict, func(s *deadStream, c consumer.Change) (consumer.Changed, error) {
		c.MaxReplays = maxReplays
		return s.Replay(ctx, d.filter, c)
	})
}

func (d *deadConsumer) discard(ctx context.Context, result *outcome) error {
	verdict := func(*deadLetter) string { return "" }
	return d.each(ctx, result, verdict, func(s *deadStream, c consumer.Change) (consumer.Changed, error) {
		return s.Discard(ctx, d.filter, c)
	})
}

// each makes a change in all streams, as one run and within one limit. What matches, and
// in a dry run what would be skipped, is counted first.
func (d *deadConsumer) each(ctx context.Context, result *outcome, verdict func(*deadLetter) string, do func(*deadStream, consumer.Change) (consumer.Changed, error)) error {
	result.Skipped = make(map[string]int64)
	for after, more := "", true; more; more = after != "" {
		letters, next, err := d.list(ctx, after, 1000)
		if err != nil {
			return err
		}
		result.Matched += int64(len(letters))
		for i := range letters {
			if reason := verdict(&letters[i]); reason != "" {
				result.Skipped[reason]++
			}
		}
		after = next
	}
	if !d.of.yes {
		return nil
	}
	clear(result.Skipped)
	run, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("drawing an id: %w", err)
	}
	result.Run = run.String()
	c := consumer.Change{Actor: d.of.who(), Reason: d.of.reason, Rate: d.of.rate, Run: result.Run}
	for i := range d.streams {
		if limit := d.of.limit; limit > 0 {
			if c.Limit = limit - int(result.Changed); c.Limit == 0 {
				return nil
			}
		}
		answer, err := do(&d.streams[i], c)
		result.Changed += int64(answer.Changed)
		for reason, n := range answer.Skipped {
			result.Skipped[reason] += int64(n)
		}
		if err != nil {
			return fmt.Errorf("stream %s: %w", d.streams[i].name, err)
		}
	}
	return nil
}
