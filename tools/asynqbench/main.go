// Command asynqbench compares the timers of the outbox, package retryqueue, with those
// of asynq, a task queue in Redis: how many a second can be scheduled and, when they are
// due, claimed and done with, on the same Redis in the same run.
//
//	go run . --pairs 20000 --runs 5
//
// It starts a Redis of its own, with an append-only file that is written to disk once a
// second, unless --redis names one, which it empties. Exit code 1 means that a timer was
// lost or came twice.
//
// The package depends on asynq, on go-redis, and on packages retryqueue and localserver.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/weirproxy/weir/outboxworker/localserver"
)

func main() {
	address := flag.String("redis", "", "the `address` (host:port) of a Redis that may be emptied; without it one is started")
	pairs := flag.Int("pairs", 20_000, "how many timers are scheduled and claimed in each measurement")
	runs := flag.Int("runs", 5, "how often each is measured; medians are shown")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Stdout, *address, *pairs, *runs)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "asynqbench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer, address string, pairs, runs int) (err error) {
	if pairs < 1 || runs < 1 {
		return errors.New("--pairs and --runs must be 1 or more")
	}
	if address == "" {
		server, err := localserver.StartRedis(ctx, localserver.RedisOptions{AppendFsync: "everysec"})
		if err != nil {
			return err
		}
		defer func() {
			stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
			defer cancel()
			_ = server.Stop(stopping)
		}()
		address = fmt.Sprintf("127.0.0.1:%d", server.Port())
	}
	admin := redis.NewClient(&redis.Options{Addr: address})
	defer func() { err = errors.Join(err, admin.Close()) }()

	variants := variants(address)
	rounds := make([][]result, runs)
	for i := range rounds {
		rounds[i] = make([]result, len(variants))
		for k := range variants {
			// each round begins with another one
			n := (i + k) % len(variants)
			if err := admin.FlushAll(ctx).Err(); err != nil {
				return fmt.Errorf("emptying Redis: %w", err)
			}
			measured, err := variants[n].measure(ctx, pairs)
			if err != nil {
				return fmt.Errorf("%s: %w", variants[n].name, err)
			}
			rounds[i][n] = measured
		}
	}
	return write(out, variants, rounds, pairs)
}

// variant is something to measure.
type variant struct {
	name string
	// yardstick tells that others are compared with it.
	yardstick bool
	measure   func(ctx context.Context, pairs int) (result, error)
}

func variants(address string) []variant {
	tasks := func(name string, servers, concurrency int) variant {
		return variant{name, true, asynqs{address, servers, concurrency}.measure}
	}
	timers := func(name string, callers, size int) variant {
		return variant{name, false, queues{address, callers, size}.measure}
	}
	return []variant{
		tasks("asynq, 1 server, concurrency 10", 1, 10),
		tasks("asynq, 1 server, concurrency 40", 1, 40),
		tasks("asynq, 4 servers, concurrency 10", 4, 10),
		timers("retryqueue, singly, 10 callers", 10, 1),
		timers("retryqueue, singly, 40 callers", 40, 1),
		timers("retryqueue, batches of 100, 4 callers", 4, 100),
		timers("retryqueue, batches of 500, 1 caller, as a relay", 1, 500),
	}
}

// result is how long the two halves took. Between them is a wait until all is due, which
// is not counted.
type result struct{ schedule, claim time.Duration }

func (r result) rate(pairs int) float64 { return float64(pairs) / (r.schedule + r.claim).Seconds() }

// wait is when a timer is due after it was scheduled. Claiming begins when all are, so
// only scheduling and claiming are measured, each by itself.
const wait = time.Second

// rest waits until what was scheduled last is due.
func rest(ctx context.Context) error {
	select {
	case <-time.After(wait + 10*time.Millisecond):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// together calls work for each of the first n numbers, from several goroutines, until one
// fails, and returns how long that took.
func together(callers, n int, work func(i int) error) (time.Duration, error) {
	began := time.Now()
	var next atomic.Int64
	var failed atomic.Pointer[error]
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			for failed.Load() == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				if err := work(i); err != nil {
					failed.Store(&err)
				}
			}
		})
	}
	all.Wait()
	if err := failed.Load(); err != nil {
		return 0, *err
	}
	return time.Since(began), nil
}

// ledger counts what was claimed.
type ledger struct {
	seen  []atomic.Int32
	count atomic.Int64
}

func newLedger(pairs int) *ledger { return &ledger{seen: make([]atomic.Int32, pairs)} }

// claimed notes a timer, whose number is from 0 on, and tells whether it was the last.
func (l *ledger) claimed(number int) (last bool, err error) {
	if number < 0 || number >= len(l.seen) || l.seen[number].Add(1) != 1 {
		return false, fmt.Errorf("timer %d was claimed twice, or was never scheduled", number)
	}
	return l.count.Add(1) == int64(len(l.seen)), nil
}
