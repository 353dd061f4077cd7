package cli

// deadconsumer.go has the dead letters of a consumer, in all its streams.

import (
	"context"
	"fmt"

	"go.uber.org/zap"

	"github.com/weirproxy/weir/outboxworker/consumer"
	"github.com/weirproxy/weir/outboxworker/operator"
)

// deadConsumer are the dead letters of a consumer.
type deadConsumer struct {
	*consumerStreams
	filter  consumer.Filter
	letters []*consumer.DeadLetters
}

// openConsumer opens the dead letters of a consumer.
func openConsumer(ctx context.Context, o *operation, chosen *consumerChoice) (*deadConsumer, error) {
	filter, err := o.ofConsumer()
	if err != nil {
		return nil, err
	}
	d := &deadConsumer{filter: filter}
	d.consumerStreams, err = openStreams(ctx, o, chosen, func(s *consumerStreams, name string, logger *zap.Logger) error {
		letters, err := consumer.NewDeadLetters(s.client, name, s.group)
		if err == nil {
			letters.SetLogger(logger)
			d.letters = append(d.letters, letters)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if n := len(filter.Fingerprint); n > 0 && n < fingerprintLength {
		if d.filter.Fingerprint, err = d.whole(ctx); err != nil {
			d.close()
			return nil, err
		}
	}
	return d, nil
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

// list goes through the streams one after the other.
func (d *deadConsumer) list(ctx context.Context, after string, limit int) ([]deadLetter, string, error) {
	return pageOfStreams(d.consumerStreams, after, limit, func(i int, after string, limit int) ([]deadLetter, string, error) {
		found, next, err := d.letters[i].List(ctx, d.filter, after, limit, false)
		letters := make([]deadLetter, len(found))
		for j := range found {
			letters[j] = *letterOfConsumer(d.names[i], &found[j])
		}
		return letters, next, err
	})
}

// letterOfConsumer is a dead letter in the stream of that name, also where it does not say
// itself of which it is.
func letterOfConsumer(stream string, d *consumer.Dead) *deadLetter {
	return &deadLetter{
		Letter: d.ID, Stream: stream, Entry: d.EntryID, message: messageOfConsumer(&d.Message),
		Attempts: d.Attempts, Class: d.Class, LastError: d.Error,
		Fingerprint: d.Fingerprint, DiedAt: d.DiedAt.UTC(), Replaying: d.Replaying, Replays: d.Replays, Bytes: d.PayloadBytes,
		CreatedAt: timeOrNil(d.Message.CreatedAt),
	}
}

func (d *deadConsumer) groups(ctx context.Context) ([]deadGroup, error) {
	var all []deadGroup
	for i, s := range d.letters {
		found, err := s.Groups(ctx, d.filter)
		if err != nil {
			return nil, fmt.Errorf("stream %s: %w", d.names[i], err)
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
	for i, s := range d.letters {
		letters, _, err := s.List(ctx, filter, "", 1000, false)
		if err != nil {
			return nil, fmt.Errorf("stream %s: %w", d.names[i], err)
		}
		if len(letters) == 0 {
			continue
		}
		if found != nil {
			return nil, &usageError{fmt.Errorf("dead show: %s is in the streams %s and %s: say which by --stream", id, found.Stream, d.names[i])}
		}
		last := &letters[len(letters)-1]
		found = letterOfConsumer(d.names[i], last)
		if !payload {
			continue
		}
		// Of this one alone, since payloads may be large.
		if letters, _, err = s.List(ctx, consumer.Filter{IDs: []string{last.ID}}, "", 1, true); err != nil {
			return nil, fmt.Errorf("stream %s: %w", d.names[i], err)
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
	return each(ctx, d.consumerStreams, result, d.list, verdict, func(i int, c consumer.Change) (consumer.Changed, error) {
		c.MaxReplays = maxReplays
		return d.letters[i].Replay(ctx, d.filter, c)
	})
}

func (d *deadConsumer) discard(ctx context.Context, result *outcome) error {
	verdict := func(*deadLetter) string { return "" }
	return each(ctx, d.consumerStreams, result, d.list, verdict, func(i int, c consumer.Change) (consumer.Changed, error) {
		return d.letters[i].Discard(ctx, d.filter, c)
	})
}
