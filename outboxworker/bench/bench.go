// Package bench measures how fast a relay is, against yardsticks in the same run: the
// naive loop that a team writes first, and a job queue in PostgreSQL. It uses private
// servers unless it is given others.
//
// What is compared is measured in turns, A B A B, so that what else the machine does
// hits both; a row has the median of its runs, and a ratio is the median of the runs'
// ratios. Tables are filled before the clock starts, by transactions of 10,000 messages,
// and are neither vacuumed nor analyzed, as in life; a checkpoint follows. The clock runs
// until the last message is removed, connecting included. A run in which a message is
// missing, comes twice or comes out of its key's order is an error.
//
// The package depends on pgx and go-redis for the yardsticks and to look at what
// arrived, and on zap because a relay logs with it.
package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/weirproxy/weir/outboxworker/outbox"
	"github.com/weirproxy/weir/outboxworker/relay"
)

// The scenarios.
const (
	// Drain is a full table that is emptied.
	Drain = "drain"
	// SnapshotHeld is a drain that lasts, while another session holds a snapshot, so
	// that nothing that is removed can be vacuumed.
	SnapshotHeld = "snapshot_held"
	// WriterHeld is a drain while a transaction that has written a message stays open.
	WriterHeld = "writer_held"
	// Backlog compares the drain of a large table with that of a small one.
	Backlog = "backlog"
	// Latency is the time from a commit to the sink while little happens.
	Latency = "latency"
	// Producers is how long business transactions take with and without a message,
	// and what the worker has to do with it.
	Producers = "producers"
	// Memory is the most memory that a worker's process takes during a drain.
	Memory = "memory"
)

// The sinks, and Bare, which is no relay but the naive loop: SELECT ... FOR UPDATE SKIP
// LOCKED, XADD in a pipeline, DELETE, COMMIT, without keys, retries and checks.
const (
	Null        = "null"
	RedisStream = "redis_stream"
	Webhook     = "webhook"
	Bare        = "bare"
	// River is what Options.River measures.
	River = "river"
)

// Scenarios returns the names of all scenarios.
func Scenarios() []string {
	return []string{Drain, SnapshotHeld, WriterHeld, Backlog, Latency, Producers, Memory}
}

// Sinks returns the names of all sinks, Bare included.
func Sinks() []string { return []string{Null, RedisStream, Webhook, Bare} }

// Options are what is measured. Zero values are not defaults: begin with
// DefaultOptions.
type Options struct {
	// Scenarios are what is measured. Default: Drain.
	Scenarios []string
	// Sinks are what is measured with. Scenarios other than Drain take no Bare, and
	// Latency and Producers always take RedisStream. Default: RedisStream.
	Sinks []string
	// Messages is the number of messages of a drain. Default: 500,000.
	Messages int
	// Payload is the bytes of a message's payload. Default: 256.
	Payload int
	// Keys is the number of keys; 0 means messages without one. Default: 10,000.
	Keys int
	// Workers, Batch and SynchronousCommit are settings of the relay. The naive loop
	// has as many connections and batches of the same size. Defaults: the relay's.
	Workers           int
	Batch             int
	SynchronousCommit string
	// Runs is how often each thing is measured. Default: 3.
	Runs int
	// Hold is how long SnapshotHeld lasts at least. Default: 60s.
	Hold time.Duration
	// Large and Small are the numbers of messages that Backlog compares. Defaults:
	// 5,000,000 and 100,000.
	Large, Small int
	// Database and Redis are the URLs of servers to use. Default: private ones. In a
	// database that is given, schemas weir_bench and weir_bench_plain are dropped
	// before and afterwards, and Redis loses keys that begin with weir-bench.
	Database, Redis string
	// River is a command that measures River: it is given DATABASE_URL in its
	// environment and --num-total-jobs, and prints River's report. Default: none.
	River []string
	// Worker is the command of a worker's process, which calls Work. Producers and
	// Memory need it. No default.
	Worker []string
	// Progress is told what is going on. Default: nobody.
	Progress io.Writer
	// Logger has the log of relays. Default: none.
	Logger *zap.Logger
}

// DefaultOptions are the defaults.
func DefaultOptions() Options {
	r := relay.DefaultSettings()
	return Options{
		Scenarios: []string{Drain}, Sinks: []string{RedisStream},
		Messages: 500_000, Payload: 256, Keys: 10_000,
		Workers: r.Workers, Batch: r.BatchMessages, SynchronousCommit: r.SynchronousCommit,
		Runs: 3, Hold: time.Minute, Large: 5_000_000, Small: 100_000,
		Progress: io.Discard, Logger: zap.NewNop(),
	}
}

// Validate tells what is wrong with the options.
func (o *Options) Validate() error {
	for _, list := range []struct {
		name         string
		given, known []string
	}{{"scenario", o.Scenarios, Scenarios()}, {"sink", o.Sinks, Sinks()}} {
		if len(list.given) == 0 {
			return fmt.Errorf("%s: there is none", list.name)
		}
		for i, name := range list.given {
			if !slices.Contains(list.known, name) {
				return fmt.Errorf("%s: %q is none of %q", list.name, name, list.known)
			}
			if slices.Contains(list.given[:i], name) {
				return fmt.Errorf("%s: %s is there twice", list.name, name)
			}
		}
	}
	switch {
	case o.Messages < 1 || o.Large < 1 || o.Small < 1:
		return errors.New("messages: at least one is needed")
	case o.Payload < 0 || o.Payload > outbox.MaxPayload:
		return fmt.Errorf("payload: %d is not between 0 and %d", o.Payload, outbox.MaxPayload)
	case o.Keys < 0 || o.Keys > maxKeys:
		return fmt.Errorf("keys: %d is not between 0 and %d", o.Keys, maxKeys)
	case o.Runs < 1:
		return errors.New("runs: at least one is needed")
	case o.Hold <= 0:
		return fmt.Errorf("hold: %s is not above 0", o.Hold)
	case o.SynchronousCommit != "on" && o.SynchronousCommit != "off":
		return fmt.Errorf("synchronous commit: %q is neither on nor off", o.SynchronousCommit)
	case o.onlyBare():
		return fmt.Errorf("sink: %s is measured by scenario %s alone", Bare, Drain)
	}
	return o.validateRelay()
}

// maxKeys bounds what is remembered of each key.
const maxKeys = 10_000_000

// validateRelay leaves it to the relay what workers and batches it takes.
func (o *Options) validateRelay() error {
	settings := relay.DefaultSettings()
	settings.Workers, settings.BatchMessages = o.Workers, o.Batch
	settings.Database = noDatabase
	return settings.Validate()
}

// onlyBare tells that a scenario needs a relay, but there is only the naive loop.
func (o *Options) onlyBare() bool {
	needs := slices.ContainsFunc(o.Scenarios, func(s string) bool {
		return slices.Contains([]string{SnapshotHeld, WriterHeld, Backlog, Memory}, s)
	})
	return needs && len(o.relaySinks()) == 0
}

// relaySinks are the sinks that a relay delivers to.
func (o *Options) relaySinks() []string {
	return slices.DeleteFunc(slices.Clone(o.Sinks), func(s string) bool { return s == Bare })
}

// bench is what a run of scenarios uses.
type bench struct {
	Options
	*servers
	environment Environment
}

// Run measures the scenarios one after the other. After an error it returns the rows
// that there are. The error is a *localserver.NotInstalledError when a server is needed
// and not installed.
func Run(ctx context.Context, o Options) (rows []Row, err error) {
	if err := o.Validate(); err != nil {
		return nil, fmt.Errorf("reading the options: %w", err)
	}
	b := &bench{Options: o}
	if b.servers, err = openServers(ctx, &o); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.close(ctx)) }()
	if b.environment, err = b.describe(ctx); err != nil {
		return nil, err
	}
	b.environment.RelaySynchronousCommit = o.SynchronousCommit
	scenarios := map[string]func(context.Context) ([]Row, error){
		Drain: b.drains, SnapshotHeld: b.snapshotHeld, WriterHeld: b.writerHeld, Backlog: b.backlogs,
		Latency: b.latencies, Producers: b.producers, Memory: b.memory,
	}
	for _, name := range o.Scenarios {
		more, err := scenarios[name](ctx)
		for i := range more {
			b.complete(&more[i])
		}
		rows = append(rows, more...)
		if err != nil {
			return rows, fmt.Errorf("measuring %s: %w", name, err)
		}
	}
	return rows, nil
}

// complete adds to a row what all have in common.
func (b *bench) complete(r *Row) {
	r.Payload, r.Keys, r.Workers, r.Batch = b.Payload, b.Keys, b.Workers, b.Batch
	r.Environment = b.environment
}

func (b *bench) say(format string, args ...any) {
	_, _ = fmt.Fprintf(b.Progress, format+"\n", args...)
}
