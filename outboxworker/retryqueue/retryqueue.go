// Package retryqueue keeps timers in Redis: which ids are due when, and who is at work on
// which of them. What an id stands for is in PostgreSQL, and there the truth is.
//
// # Keys
//
// The keys of a queue have one hash tag, its name, so a queue is in one slot of a cluster:
//
//	retry:{name}:due      sorted set: id, when it is due in ms
//	retry:{name}:leased   sorted set: id, when its lease ends in µs
//	retry:{name}:epoch    string: there while the queue is whole; with ~ in front while
//	                      it is being rebuilt
//	retry:{name}:aside    sorted set: members of due that are no ids, when found in ms
//	retry:{name}:wrong:*  what was under one of these keys and of another type
//	retry:{name}:wake     a channel, not a key
//
// # How an id goes through it
//
//	            Schedule, Reconcile                Claim
//	(nothing) ----------------------> due ------------------------> leased
//	                                   ^  Return, end of the lease    | Done
//	                                   +------------------------------+------> (nothing)
//
// Each arrow is one script, so an id is never in two places and never lost between them.
// All times are the server's: callers give delays, and no clock of theirs is read.
//
// The end of a lease, in µs, is also the token of its owner. A claim whose lease has
// ended and was given to another has another end, and Done and Return leave it alone.
//
// # What PostgreSQL decides
//
// Redis may lose all of this, or the last second of it. A caller therefore
//
//   - looks a claimed id up: if its row is gone it is Done, and if it is due later by the
//     row it is Returned with the rest of the time;
//   - sweeps: it gives the rows that wait to Reconcile, every few seconds, which adds what
//     has no timer. That repairs a crash between commit and Schedule, and a failover
//     to a replica that was behind;
//   - rebuilds when Claim returns ErrNotWhole: Redis has lost everything. See Rebuild.
//
// # Waiting
//
// Claim tells how long there will be nothing to claim. Whoever makes something due sooner
// than anything else publishes that, and every claimer looks again. Publishing reaches
// all claimers, so each of them knows the next due time and a killed one takes no
// knowledge with it; an element of a list would be taken by one, which may die, or be
// busy when the time comes. BLPOP is also late by up to 100 ms when its time runs out in
// a server that is idle. What a message published in vain costs is bounded: a claimer that
// has reconnected looks again, and all look every 5 s, or every second while they
// hear nothing.
//
// # Rights and settings
//
// A user of Redis needs Rights, and SELECT for a database other than 0. Without SUBSCRIBE,
// PUBLISH and PING, claimers poll. maxmemory-policy should be noeviction. A
// client that repeats calls by itself (MaxRetries) may claim twice when an answer
// is lost; what the first call claimed comes back when the lease ends.
//
// The package depends on go-redis and zap.
package retryqueue

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"
)

const (
	// MaxCall is the most ids that one call of a script takes. Claim returns no more;
	// the other methods take any number, in several calls.
	MaxCall = 500
	// MaxLease is the longest lease. An end further away is not believed.
	MaxLease = time.Hour
)

// Rights are what a user of Redis needs for all queues, and no more, as ACL SETUSER has
// them.
const Rights = "~retry:* &retry:* +eval +evalsha +get +set +del +type +rename +time" +
	" +zadd +zcard +zmscore +zrange +zrangebyscore +zrem +subscribe +publish +ping"

// ErrNotWhole says that timers are missing: Redis has lost them, or never had them, or
// they are being added. Call Rebuild.
var ErrNotWhole = errors.New("the retry queue in Redis is not whole")

// Queue is a queue of timers. Its methods may be called from several goroutines; it holds
// nothing that is not in Redis. Make one with New.
type Queue struct {
	client redis.UniversalClient
	logger *zap.Logger
	hint   hint

	base                      string
	due, leased, epoch, aside string
	wake                      string
}

var nameSyntax = regexp.MustCompile(`^[A-Za-z0-9_.:-]{1,200}$`)

// New returns the queue of a name: up to 200 letters, digits and _ . : -. It asks Redis
// nothing. The logger is told what was found in the queue that is not its own, by names of
// keys and numbers.
func New(client redis.UniversalClient, name string, logger *zap.Logger) (*Queue, error) {
	if !nameSyntax.MatchString(name) {
		return nil, fmt.Errorf("retry queue: the name %q is not up to 200 letters, digits and _ . : -", name)
	}
	base := "retry:{" + name + "}:"
	return &Queue{
		client: client,
		logger: logger.With(zap.String("retry_queue", name)),
		hint:   hint{c: make(chan struct{})},
		base:   base,
		due:    base + "due", leased: base + "leased", epoch: base + "epoch", aside: base + "aside",
		wake: base + "wake",
	}, nil
}

// run calls a script. If a key is of the wrong type, all such are set aside, and it is
// called once more.
func (q *Queue) run(ctx context.Context, s *redis.Script, keys []string, args []any) (*redis.Cmd, error) {
	answer := s.Run(ctx, q.client, keys, args...)
	if isWrongType(answer.Err()) {
		if err := q.setAside(ctx); err != nil {
			return nil, err
		}
		answer = s.Run(ctx, q.client, keys, args...)
	}
	return answer, clean(answer.Err())
}

func isWrongType(err error) bool {
	var answer redis.Error
	return errors.As(err, &answer) && strings.Contains(answer.Error(), "WRONGTYPE")
}

// clean takes away the arguments that servers repeat in an error, among which a foreign
// member may be.
func clean(err error) error {
	var answer redis.Error
	if errors.As(err, &answer) {
		if text, _, found := strings.Cut(answer.Error(), ", with args beginning with:"); found {
			return errors.New(text)
		}
	}
	return err
}
