// Package consumer handles the entries of Redis Streams, as the sink redisstream writes
// them, at least once each: what fails is tried again later, and what cannot succeed is
// set aside for an operator.
//
//	c, err := consumer.New(client, "billing", handle, options)
//	...
//	err = c.Run(ctx)
//
// # How an entry goes through it
//
//	            read, or taken over            fails                  due
//	stream --------------------------> handler -------> waits --------------> handler
//	                                     | done           ^ fails again          |
//	                                     v                +----------------------+
//	                                  nothing             | exhausted, fatal     | done
//	                                                      v                      v
//	                                                 dead letters             nothing
//
// Each arrow from the handler on is one script, so an entry is in one place always: it
// is acknowledged and put among those that wait, or into the dead letters, or neither. A
// consumer that dies leaves its entries to the others of its group, who take them over
// when they have been idle for Options.Lease.
//
// # What is promised
//
// At least once: an entry that Redis keeps is handled until it is done or among the dead
// letters. What Redis loses is lost for consumers too: all of it if Redis keeps nothing
// and ends, the last second with appendfsync everysec or a replica that was behind. What
// it then still has is handled, perhaps again, and a group that is gone is made anew from
// the beginning of what is there. An entry may be handled twice: when a consumer dies, or
// is stopped for longer than its lease, after its handler's effect. Options.Idempotency
// narrows that down or, in PostgreSQL, ends it. Several handlers of one consumer, and
// several consumers of a group, keep no order, unless Options.Ordered says so.
//
// # Order
//
// With Options.Ordered a stream is eight lanes, each a stream, and all messages of a key
// are in one of them, as the sink redisstream with its setting Lanes writes them. Of a
// group one consumer owns a lane, by a lease in Redis. It handles messages of different
// keys at once, those of one key one after the other, in the order of the stream. When one
// fails, its key waits: the message for its retry, and those behind it, also those which
// are appended in the meantime, until it is done or dead. Other keys and messages without
// a key go on. A dead letter that is replayed comes before what waits of its key then;
// what was done while it was dead has overtaken it.
//
// The consumers of a group share the lanes evenly, and anew when one comes or goes: one
// that stops gives up its lanes at once, and of one that dies they are free when
// Options.Lease is over. The next owner begins with what the one before had read and not
// ended. Each change in a lane is one script, which changes nothing if its caller is not
// the owner any more: a consumer that was held up for longer than its lease learns that
// the lane is lost, and so do its handlers by their context. What they do after that is
// the one thing which may be out of order: repeats of what the next owner does, too.
//
// Followers of a message that is handled are read ahead, up to 16 times Options.Batch, or
// about 32 MiB, in each lane; one with more behind it that takes long holds up the other
// keys of its lane. So it does while the lane is given up, or Redis did not answer, since
// then nothing is begun until what is under way has ended.
//
// # Keys
//
// What belongs to a stream and a group is in the slot of the stream: {tag} is the hash
// tag of the stream's name, or that name.
//
//	consumer:{tag}:<group>:<stream>:due       sorted set: what waits, when it is due in ms
//	consumer:{tag}:<group>:<stream>:leased    sorted set: what is handled again, when its
//	                                          lease ends in µs, which is its owner's token
//	consumer:{tag}:<group>:<stream>:entries   hash: the fields of both (MessagePack)
//	consumer:{tag}:<group>:<stream>:state     hash: attempts, error and the like (JSON)
//	consumer:{tag}:<group>:<stream>:dead      stream: the dead letters; never trimmed
//	consumer:{tag}:<group>:<stream>:replaying hash: dead letters under replay
//	consumer:{tag}:<group>:<stream>:audit     stream: what operators did
//	consumer:{tag}:<group>:<stream>:aside     sorted set: members of due that are nothing
//	consumer:{tag}:<group>:<stream>:wrong:*   what was under such a key, of another type
//	consumer:{tag}:<group>:<lane>:owner       hash: who owns the lane; expires
//	consumer:{tag}:<group>:<lane>:parked      sorted set: what waits and has a key, by keys
//	consumer:{<group>}:<streams>:consumers    sorted set: who shares the lanes of these
//	                                          streams (a digest), when last heard of
//
// All times are those of the server.
//
// A user of Redis needs Rights, on the streams and ~consumer:*. maxmemory-policy should be
// noeviction: without memory, what fails stays with its consumer until there is some.
// Retries have copies of their entries, so streams can be trimmed in spite of them; dead
// letters are never trimmed.
//
// The package depends on go-redis, zap and the Prometheus client.
package consumer

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"
)

// Handler handles a message. After nil the message is done. Fatal, Busy, Unavailable and
// Class say more about an error; any other is a failed attempt, and so is a panic. When
// ctx is done, the message may be another consumer's, or the consumer stops: the handler
// should end.
type Handler func(ctx context.Context, m *Message) error

// Consumer handles the entries of streams for a group. Make one with New.
type Consumer struct {
	client  redis.UniversalClient
	group   string
	handler Handler
	options Options
	logger  *zap.Logger
	metrics *Metrics
	streams []*stream

	ran   atomic.Bool
	jobs  chan *job
	held  held
	gate  *gate
	alone alone
	// mark tells leases of this consumer from those of most others.
	mark uint32
	// watching has an element for each stream that is watched.
	watching chan struct{}
	// away tells of Unavailable.
	away *trouble
	// hard is done when handlers have to end.
	hard context.Context
}

// New returns a consumer of the group: up to 200 letters, digits and _ . -. It asks Redis
// nothing. The error says what is wrong with the group or the options.
//
// The client may repeat calls by itself: those which change something find what they have
// done. Streams are watched over a connection each, up to half of those that the client may
// have; more are looked at 20 times a second. Each handler takes a connection when it ends.
func New(client redis.UniversalClient, group string, handler Handler, options Options) (*Consumer, error) {
	if handler == nil {
		return nil, errors.New("consumer: no handler")
	}
	if err := options.Validate(); err != nil {
		return nil, fmt.Errorf("consumer: %w", err)
	}
	if options.Consumer == "" {
		options.Consumer = ownName()
	}
	if options.Logger == nil {
		options.Logger = zap.NewNop()
	}
	if options.Metrics == nil {
		options.Metrics = unregistered()
	}
	if options.Suspects == nil {
		options.Suspects = NewSuspects()
	}
	c := &Consumer{
		client: client, group: group, handler: handler, options: options,
		logger:   options.Logger.With(zap.String("group", group), zap.String("consumer", options.Consumer)),
		jobs:     make(chan *job),
		held:     held{jobs: make(map[place]*job)},
		gate:     newGate(),
		alone:    options.Suspects.turn,
		watching: make(chan struct{}, mostWatching(client)),
	}
	c.mark = crc32.ChecksumIEEE([]byte(options.Consumer)) % 10_000
	c.metrics = options.Metrics
	c.away = &trouble{logger: c.logger, what: "its handler misses something"}
	for _, name := range options.streamNames() {
		s, err := newStream(name, group, options.Logger.With(zap.String("consumer", options.Consumer)))
		if err != nil {
			return nil, fmt.Errorf("consumer: %w", err)
		}
		c.streams = append(c.streams, s)
	}
	return c, nil
}

// Run handles messages until ctx is done. Then nothing new is begun, what is under way
// gets Options.StopTimeout, and what has not begun is given back, so that another
// consumer has it at once. The error is nil after that, and says how many handlers go on
// in spite of their context. That Redis is away is no error: Run waits for it. A Consumer
// runs once.
func (c *Consumer) Run(ctx context.Context) error {
	if c.ran.Swap(true) {
		return errors.New("consumer: it has run before")
	}
	hard, kill := context.WithCancelCause(context.WithoutCancel(ctx))
	defer kill(nil)
	c.hard = hard
	defer c.metrics.forget(c)

	signs, stopSigns := context.WithCancel(context.WithoutCancel(ctx))
	var feeders, workers, keepers sync.WaitGroup
	for _, s := range c.streams {
		feeders.Go(func() { c.tend(ctx, s) })
		feeders.Go(func() { c.watch(ctx, s) })
		if c.options.Ordered {
			continue
		}
		for _, feed := range []func(context.Context, *stream){c.read, c.takeOver, c.retry} {
			feeders.Go(func() { feed(ctx, s) })
		}
		keepers.Go(func() { c.keep(signs, s) })
	}
	if c.options.Ordered {
		feeders.Go(func() { c.order(ctx) })
	}
	for range c.options.Concurrency {
		workers.Go(func() { c.work(ctx) })
	}

	<-ctx.Done()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		feeders.Wait()
		workers.Wait()
		stopSigns()
		keepers.Wait()
	}()
	return c.end(ended, kill)
}

// afterKill is how long handlers are waited for that were told to end.
const afterKill = 5 * time.Second

// end waits for the end.
func (c *Consumer) end(ended <-chan struct{}, kill context.CancelCauseFunc) error {
	timer := time.NewTimer(c.options.StopTimeout)
	defer timer.Stop()
	select {
	case <-ended:
		return nil
	case <-timer.C:
	}
	kill(errStopped)
	timer.Reset(afterKill)
	select {
	case <-ended:
		return nil
	case <-timer.C:
		return fmt.Errorf("consumer: %d messages are still being handled", c.held.len())
	}
}
