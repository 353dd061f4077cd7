// Package dev shows an outbox at work with nothing configured: private servers, a
// producer that changes orders and enqueues their events, a relay that delivers these to
// a stream, and live counts.
//
// The package depends on pgx for the producer, on go-redis to look at the stream, and on
// zap and client_golang because a relay has a log and metrics.
package dev

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/weirproxy/weir/outboxworker/outbox"
	"github.com/weirproxy/weir/outboxworker/relay"
	"github.com/weirproxy/weir/outboxworker/sink/redisstream"
)

// Options are what is shown. Zero values are not defaults: begin with DefaultOptions.
type Options struct {
	// Rate is how many transactions a second the producer makes: up to 10,000.
	// Default: 20.
	Rate float64
	// Data is the folder that keeps the databases. Default: temporary ones, which are
	// removed at the end.
	Data string
	// PostgresBin is the folder of PostgreSQL's programs, RedisServer the program of
	// Redis. Defaults: those that are found.
	PostgresBin, RedisServer string
	// For is after what time all ends. Default: 0, which means when the context is
	// done.
	For time.Duration
	// Out is where it is shown. Default: nowhere.
	Out io.Writer
	// Logger has the relay's log. Default: none.
	Logger *zap.Logger
}

// DefaultOptions are the defaults.
func DefaultOptions() Options { return Options{Rate: 20, Out: io.Discard, Logger: zap.NewNop()} }

// Validate tells what is wrong with the options.
func (o *Options) Validate() error {
	switch {
	case !(o.Rate > 0 && o.Rate <= 10_000): // neither for NaN
		return fmt.Errorf("rate: %g is not above 0 and at most 10000", o.Rate)
	case o.For < 0:
		return fmt.Errorf("for: %s is negative", o.For)
	}
	return nil
}

// Run shows an outbox until ctx is done or Options.For has passed; then it delivers what
// is left, ends what it started and returns nil. The error is a
// *localserver.NotInstalledError when a server is not installed.
func Run(ctx context.Context, o Options) (err error) {
	if err := o.Validate(); err != nil {
		return fmt.Errorf("reading the options: %w", err)
	}
	s, err := start(ctx, &o)
	defer func() { err = errors.Join(err, s.stop(ctx)) }()
	if err != nil {
		return err
	}
	d := &demo{Options: o, servers: s}
	if err := d.prepare(ctx); err != nil {
		return err
	}
	defer d.close(ctx)
	if err := d.welcome(); err != nil {
		return err
	}
	if o.For > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.For)
		defer cancel()
	}
	return d.run(ctx)
}

// demo is what runs.
type demo struct {
	Options
	*servers
	producer *producer
	stream   *redis.Client
	meter    *meter
	relay    *relay.Relay
}

// prepare makes the tables and connects everything. What it has connected when it fails
// is closed.
func (d *demo) prepare(ctx context.Context) (err error) {
	conn, err := pgx.Connect(ctx, d.postgres.URL(database))
	if err != nil {
		return fmt.Errorf("connecting the producer: %w", err)
	}
	d.producer = &producer{conn: conn, every: time.Duration(float64(time.Second) / d.Rate)}
	defer func() {
		if err != nil {
			d.close(ctx)
		}
	}()
	if _, err := outbox.Migrate(ctx, conn, outbox.DefaultSchema); err != nil {
		return err
	}
	if err := d.producer.prepare(ctx); err != nil {
		return err
	}
	options, err := redis.ParseURL(d.redis.URL())
	if err != nil {
		return fmt.Errorf("connecting to Redis: %w", err)
	}
	d.stream = redis.NewClient(options)
	return d.prepareRelay()
}

func (d *demo) prepareRelay() error {
	sinkSettings := redisstream.DefaultSettings()
	sinkSettings.URL = d.redis.URL()
	to, err := redisstream.New(sinkSettings)
	if err != nil {
		return fmt.Errorf("opening the sink: %w", err)
	}
	d.meter = &meter{Sink: to}
	settings := relay.DefaultSettings()
	settings.Topics = []string{topic}
	if settings.Database, err = pgx.ParseConfig(d.postgres.URL(database)); err != nil {
		return errors.Join(fmt.Errorf("reading the database's URL: %w", err), to.Close())
	}
	settings.Listen = settings.Database
	metrics, err := relay.NewMetrics(prometheus.NewRegistry())
	if err == nil {
		d.relay, err = relay.New(settings, d.meter, metrics, d.Logger)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("making the relay: %w", err), to.Close())
	}
	return nil
}

func (d *demo) close(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = d.producer.conn.Close(ctx)
	if d.stream != nil {
		_ = d.stream.Close()
	}
}

// drainWithin is how long what is left at the end may take.
const drainWithin = 5 * time.Second

// run produces, relays and shows until ctx is done.
func (d *demo) run(ctx context.Context) error {
	relaying, stopRelay := context.WithCancel(context.WithoutCancel(ctx))
	defer stopRelay()
	ended := make(chan error, 1)
	go func() { ended <- d.relay.Run(relaying) }()
	produced := make(chan error, 1)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		defer cancel() // without a producer there is nothing to show
		produced <- d.producer.run(ctx)
	}()
	showErr := d.show(ctx)
	cancel()
	err := <-produced
	if err == nil {
		err = showErr
	}
	deadline := time.Now().Add(drainWithin)
	for d.meter.relayed() < d.producer.produced.Load() && time.Now().Before(deadline) {
		time.Sleep(5 * time.Millisecond)
	}
	stopRelay()
	return errors.Join(err, <-ended, d.farewell(context.WithoutCancel(ctx)))
}
