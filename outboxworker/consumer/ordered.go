package consumer

// ordered.go holds which consumer of a group owns which lanes.
//
// A lane has one owner, by a lease in the lane's slot of Redis, and every script that
// changes something in a lane asks whether its caller still is. The consumers of a group
// that live are in a sorted set; each of them owns at most an equal share of the lanes,
// rounded up, gives up what it has beyond that, and takes what nobody owns. So nobody
// leads, and when a consumer comes, goes or dies the lanes are shared anew after a few
// rounds.

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"
)

// Lanes is how many lanes an ordered stream has.
const Lanes = 8

// LaneStreams returns the names of the streams that an ordered stream consists of, as the
// sink redisstream writes them with its setting Lanes.
func LaneStreams(stream string) []string {
	names := make([]string, Lanes)
	for i := range names {
		names[i] = fmt.Sprintf("%s:{%d}", stream, i)
	}
	return names
}

// streamNames are the names of the streams that are read.
func (o *Options) streamNames() []string {
	if !o.Ordered {
		return o.Streams
	}
	var names []string
	for _, name := range o.Streams {
		names = append(names, LaneStreams(name)...)
	}
	return names
}

// validateOrdered tells what is wrong with the names of ordered streams: a brace would be
// another hash tag than the lane.
func (o *Options) validateOrdered() error {
	for _, name := range o.Streams {
		if o.Ordered && strings.ContainsAny(name, "{}") {
			return fmt.Errorf("streams: %q has a brace, which the name of an ordered stream must not", name)
		}
	}
	return nil
}

const (
	// shareEvery is how often a consumer looks which lanes are its own, at most.
	shareEvery = 500 * time.Millisecond
	// askEvery is how often it asks for lanes that others own, when none has come or gone
	// for askAfter, nor it has lost one.
	askEvery = 5 * time.Second
	askAfter = 10 * time.Second
)

// share is what a consumer has of the lanes.
type share struct {
	c     *Consumer
	lives string // the key of the consumers that live
	all   sync.WaitGroup

	// live is how many consumers there are. Before quiet all free lanes are asked for in
	// each round, then at ask.
	live int
	ask  time.Time

	mu    sync.Mutex
	quiet time.Time
	// own are the lanes that this consumer works on, with what makes it leave them.
	own map[*stream]context.CancelFunc
	// leaving are those of them that it is about to leave.
	leaving map[*stream]bool
}

// order works on a share of the lanes until ctx is done.
func (c *Consumer) order(ctx context.Context) {
	sum := sha256.Sum256([]byte(strings.Join(slices.Sorted(slices.Values(c.options.Streams)), "\n")))
	s := &share{
		c: c,
		// Consumers that read other streams have no part in these.
		lives: "consumer:{" + c.group + "}:" + hex.EncodeToString(sum[:8]) + ":consumers",
		own:   make(map[*stream]context.CancelFunc), leaving: make(map[*stream]bool),
	}
	calls := context.WithoutCancel(ctx)
	t := &trouble{logger: c.logger, what: "sharing the lanes"}
	every := min(shareEvery, c.options.Lease/3)
	for ctx.Err() == nil {
		live, err := s.beat(calls, false)
		if err != nil {
			sleep(ctx, t.failure(err))
			continue
		}
		t.success()
		if live != s.live {
			s.live = live
			s.moved()
		}
		s.settle(ctx, (len(c.streams)+live-1)/live)
		sleep(ctx, every-mathrand.N(every/4))
	}
	// The others may take more before the lanes are free.
	if _, err := s.beat(calls, true); err != nil {
		c.logger.Warn("the other consumers could not be told that this one stops", zap.Error(err))
	}
	s.all.Wait()
}

// beat tells the others that this consumer lives, or goes, and returns how many do.
func (s *share) beat(ctx context.Context, goes bool) (live int, err error) {
	gone := 0
	if goes {
		gone = 1
	}
	answer := laneBeatScript.Run(ctx, s.c.client, []string{s.lives}, s.c.options.Consumer, s.c.options.Lease.Milliseconds(), gone)
	if isCode(answer.Err(), "WRONGTYPE") {
		to := s.lives + ":wrong:" + rand.Text()
		if _, err := setAsideScript.Run(ctx, s.c.client, []string{s.lives, to}, "zset").Bool(); err != nil {
			return 0, clean(err)
		}
		s.c.logger.Error("a key of the consumers was of the wrong type and has been renamed",
			zap.String("key", s.lives), zap.String("renamed_to", to))
		answer = laneBeatScript.Run(ctx, s.c.client, []string{s.lives}, s.c.options.Consumer, s.c.options.Lease.Milliseconds(), gone)
	}
	n, err := answer.Int()
	if err != nil {
		return 0, clean(err)
	}
	return max(n, 1), nil
}

// moved notes that lanes may be free.
func (s *share) moved() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.quiet = time.Now().Add(askAfter)
}

// know makes the groups of lanes that have none. All consumers do, for all lanes: so whoever
// finds later that a group is gone knows that it was there.
func (s *share) know(ctx context.Context) {
	for _, lane := range s.c.streams {
		if lane.known {
			continue
		}
		if _, err := s.c.createGroup(context.WithoutCancel(ctx), lane, s.c.options.Start); err != nil {
			lane.trouble.failure(err)
			continue
		}
		lane.known = true
	}
}

// settle leaves lanes beyond the share, or takes free ones up to it.
func (s *share) settle(ctx context.Context, most int) {
	s.know(ctx)
	s.mu.Lock()
	var free []*stream
	stays := 0
	for _, lane := range s.c.streams {
		leave, own := s.own[lane]
		switch {
		case !own && !lane.known:
		case !own:
			free = append(free, lane)
		case s.leaving[lane]:
		case stays == most:
			s.leaving[lane] = true
			leave()
		default:
			stays++
		}
	}
	quiet := s.quiet
	s.mu.Unlock()
	if now := time.Now(); now.After(quiet) && now.Before(s.ask) {
		return
	}
	s.ask = time.Now().Add(askEvery)
	mathrand.Shuffle(len(free), func(i, k int) { free[i], free[k] = free[k], free[i] })
	for _, lane := range free {
		if stays >= most || ctx.Err() != nil {
			return
		}
		if s.take(ctx, lane) {
			stays++
		}
	}
}

// take makes this consumer the owner of a lane, if nobody is, and begins to work on it.
func (s *share) take(ctx context.Context, lane *stream) bool {
	t, err := s.c.acquire(context.WithoutCancel(ctx), lane)
	switch {
	case errors.Is(err, errOwned):
		return false
	case err != nil:
		lane.trouble.failure(err)
		s.moved()
		return false
	}
	lane.trouble.success()
	lane.logger.Info("the lane is this consumer's")
	ctx, leave := context.WithCancel(ctx)
	s.mu.Lock()
	s.own[lane] = leave
	s.mu.Unlock()
	s.all.Go(func() {
		defer leave()
		t.work(ctx)
		s.moved()
		s.mu.Lock()
		delete(s.own, lane)
		delete(s.leaving, lane)
		s.mu.Unlock()
	})
	return true
}
