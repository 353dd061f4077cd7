package consumer

// read.go holds where jobs come from: the stream, and consumers that have vanished.

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"
)

const (
	// block is how long a read waits for entries, and so how long a stop may take.
	block = time.Second
	// unwatched is how often streams are looked at beyond those that a consumer watches.
	unwatched = 50 * time.Millisecond
	// takeoverEvery is how often entries of consumers that vanished are looked for.
	takeoverEvery = 500 * time.Millisecond
	// readBytes is after how many bytes of entries a read, a claim or a takeover ends. So
	// much and one entry is what Redis answers at once, or eight where small entries are
	// followed by large ones.
	readBytes = 8 << 20
)

// mostWatching is how many streams a consumer watches at once: each takes a connection of the
// client, and half of those are for all other calls.
func mostWatching(client redis.UniversalClient) int {
	most := 16
	switch of := client.(type) {
	case *redis.Client:
		most = of.Options().PoolSize
	case *redis.ClusterClient: // of each node
		most = of.Options().PoolSize
	}
	return max(1, most/2)
}

// createGroup makes the group, and the stream, where they are missing. made tells that the
// group was.
func (c *Consumer) createGroup(ctx context.Context, s *stream, start string) (made bool, err error) {
	// Asked first: without memory Redis refuses to make a group, even one that is there.
	if err := c.client.XPending(ctx, s.name, c.group).Err(); !isCode(err, "NOGROUP") {
		return false, clean(err)
	}
	err = c.client.XGroupCreateMkStream(ctx, s.name, c.group, start).Err()
	if isCode(err, "BUSYGROUP") {
		return false, nil
	}
	return err == nil, clean(err)
}

// recreateGroup makes a group again that somebody has removed, or Redis lost: from the
// beginning, as nobody knows how far it had read.
func (c *Consumer) recreateGroup(ctx context.Context, s *stream) error {
	made, err := c.createGroup(ctx, s, "0")
	if made {
		s.logger.Warn("the group or its stream was gone; the group has been made again and reads the stream from the beginning")
	}
	return err
}

// read reads the stream until ctx is done. Calls do not end with ctx: what a call that
// nobody waits for has read would stay with this consumer.
func (c *Consumer) read(ctx context.Context, s *stream) {
	calls := context.WithoutCancel(ctx)
	t := &trouble{logger: s.logger, what: "reading the stream"}
	for created := false; ctx.Err() == nil; {
		if !created {
			if _, err := c.createGroup(calls, s, c.options.Start); err != nil {
				sleep(ctx, t.failure(err))
				continue
			}
			created = true
		}
		c.gate.pause(ctx)
		jobs, err := c.readMore(calls, s)
		switch {
		case err == nil:
			t.success()
			// A read may have waited before Redis gave the entries out, so what counts is
			// when they came.
			c.offer(ctx, jobs, elapsed())
		case isCode(err, "NOGROUP"), isCode(err, "UNBLOCKED"):
			// Somebody may be removing it over and over.
			sleep(ctx, shortestWait)
			if err := c.recreateGroup(calls, s); err != nil {
				sleep(ctx, t.failure(err))
			}
		default:
			sleep(ctx, t.failure(clean(err)))
		}
	}
}

// readMore reads what is new, up to the batch and readBytes. If there is nothing it waits for
// the next entry, in Redis where not too many streams are watched: a read that waits can be
// bounded in entries only.
func (c *Consumer) readMore(ctx context.Context, s *stream) (jobs []*job, err error) {
	values, err := readScript.Run(ctx, c.client, []string{s.name}, c.group, c.options.Consumer, c.options.Batch, readBytes).Slice()
	if err != nil {
		return nil, err
	}
	for _, value := range values {
		one, ok := value.([]any)
		if !ok || len(one) != 2 {
			return nil, errAnswer
		}
		id, isText := one[0].(string)
		fields, isList := one[1].([]any)
		if !isText || !isList {
			return nil, errAnswer
		}
		jobs = append(jobs, c.entry(s, id, 1, fieldsOf(fields)))
	}
	if len(jobs) > 0 {
		return jobs, nil
	}
	select {
	case c.watching <- struct{}{}:
		defer func() { <-c.watching }()
	default:
		sleep(ctx, unwatched)
		return nil, nil
	}
	found, err := c.client.XReadGroup(ctx, &redis.XReadGroupArgs{
		Group: c.group, Consumer: c.options.Consumer, Streams: []string{s.name, ">"}, Count: 1, Block: block,
	}).Result()
	if errors.Is(err, redis.Nil) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	for _, stream := range found {
		for _, entry := range stream.Messages {
			fields := make(map[string]string, len(entry.Values))
			for name, value := range entry.Values {
				fields[name], _ = value.(string)
			}
			jobs = append(jobs, c.entry(s, entry.ID, 1, fields))
		}
	}
	return jobs, nil
}

// entry is the job of an entry.
func (c *Consumer) entry(s *stream, id string, delivered int, fields map[string]string) *job {
	j := &job{stream: s, id: id, delivered: delivered, fields: fields, state: state{Entry: id}}
	j.read(fields, c.group, c.options.MaxBytes)
	return j
}

// read makes the message of the job.
func (j *job) read(fields map[string]string, group string, maxBytes int) {
	j.message = Message{
		Stream: j.stream.name, EntryID: j.state.Entry,
		Attempt: count(j.state.Attempts) + 1, Replays: count(j.state.Replays),
	}
	j.malformed = j.message.decode(fields, group, maxBytes)
	j.payload = fields["payload"]
}

// offer holds jobs and waits for handlers to take them. When ctx is done it gives the
// others back. asked is when Redis was asked for them, as elapsed has it.
func (c *Consumer) offer(ctx context.Context, jobs []*job, asked int64) {
	own := jobs[:0]
	for _, j := range jobs {
		j.sign.Store(asked)
		if c.held.add(c.hard, j) {
			own = append(own, j)
		}
	}
	for i, j := range own {
		select {
		case c.jobs <- j:
		case <-ctx.Done():
			c.giveBack(own[i:]...)
			return
		}
	}
}

// takeOver takes entries over whose consumers have vanished, until ctx is done.
func (c *Consumer) takeOver(ctx context.Context, s *stream) {
	calls := context.WithoutCancel(ctx)
	t := &trouble{logger: s.logger, what: "taking over entries of consumers that vanished"}
	every := min(takeoverEvery, c.options.Lease/2)
	left := false // suspects, behind the cursor
	for cursor := firstPending; ctx.Err() == nil; {
		c.gate.pause(ctx)
		asked := elapsed()
		taken, err := c.takeOverOnce(calls, s, cursor)
		switch {
		case isCode(err, "NOGROUP"): // the reader makes it again
			cursor = firstPending
			sleep(ctx, every)
		case err != nil:
			sleep(ctx, t.failure(err))
		default:
			t.success()
			c.metrics.takenOver(s, len(taken.jobs))
			c.offer(ctx, taken.jobs, asked)
			cursor = taken.next
			left = left || taken.left
			switch {
			case cursor != "":
			case left:
				cursor, left = firstPending, false
				c.alone.wait(ctx, every)
			default:
				cursor = firstPending
				sleep(ctx, every)
			}
		}
	}
}

// firstPending is where taking over begins.
const firstPending = "-"

type taken struct {
	next string
	// left tells that there are suspects.
	left bool
	jobs []*job
}

// takeOverOnce takes over what is next.
func (c *Consumer) takeOverOnce(ctx context.Context, s *stream, cursor string) (t taken, err error) {
	from, may := c.options.suspectFrom(), c.alone.try()
	if may {
		defer func() { c.alone.keep(t.jobs, from) }()
	}
	values, err := call(ctx, c.client, s.logger, s, takeoverScript, []string{s.name},
		c.group, c.options.Consumer, c.options.Lease.Milliseconds(), cursor, c.options.Batch, readBytes, from, flag(may))
	if err != nil {
		return taken{}, err
	}
	if len(values) < 3 {
		return taken{}, errAnswer
	}
	next, isText := values[0].(string)
	deleted, isList := values[2].([]any)
	if !isText || !isList {
		return taken{}, errAnswer
	}
	if len(deleted) > 0 {
		c.metrics.vanished(s, len(deleted))
		s.logger.Error("entries were removed from the stream before they were handled", zap.Any("entries", deleted))
	}
	t = taken{next: next, left: values[1] == int64(1)}
	for _, value := range values[3:] {
		one, ok := value.([]any)
		if !ok || len(one) != 3 {
			return taken{}, errAnswer
		}
		id, isText := one[0].(string)
		delivered, isNumber := one[1].(int64)
		fields, isList := one[2].([]any)
		if !isText || !isNumber || !isList {
			return taken{}, errAnswer
		}
		t.jobs = append(t.jobs, c.entry(s, id, int(delivered), fieldsOf(fields)))
	}
	return t, nil
}

// fieldsOf reads names and values that alternate. Of a name that occurs twice the last
// counts, as everywhere.
func fieldsOf(flat []any) map[string]string {
	fields := make(map[string]string, len(flat)/2)
	for i := 0; i+1 < len(flat); i += 2 {
		name, _ := flat[i].(string)
		fields[name], _ = flat[i+1].(string)
	}
	return fields
}
