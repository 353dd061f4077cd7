package bench

// relaying.go runs a relay, as the worker does.

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/weirproxy/weir/outboxworker/relay"
	"github.com/weirproxy/weir/outboxworker/sink"
	"github.com/weirproxy/weir/outboxworker/sink/null"
	"github.com/weirproxy/weir/outboxworker/sink/redisstream"
)

// job is what a relay is to do.
type job struct {
	Database          string `json:"database"`
	Redis             string `json:"redis"`
	Sink              string `json:"sink"`
	Workers           int    `json:"workers"`
	Batch             int    `json:"batch"`
	SynchronousCommit string `json:"synchronous_commit"`
	Keys              int    `json:"keys"`
	// Messages is after how many a process ends by itself; 0 means never.
	Messages int64 `json:"messages"`
}

// job is that of a relay to a sink.
func (b *bench) job(sink string) job {
	return job{
		Database: b.database, Redis: b.redisURL, Sink: sink,
		Workers: b.Workers, Batch: b.Batch, SynchronousCommit: b.SynchronousCommit, Keys: b.Keys,
	}
}

// openSink opens the sinks that need no receiver of the benchmark's own.
func (j *job) openSink() (sink.Sink, error) {
	switch j.Sink {
	case Null:
		return null.New(), nil
	case RedisStream:
		settings := redisstream.DefaultSettings()
		settings.URL, settings.Stream = j.Redis, stream
		return redisstream.New(settings)
	default:
		return nil, fmt.Errorf("opening a sink: there is no %q", j.Sink)
	}
}

// relaying is a relay that runs.
type relaying struct {
	*relay.Relay
	cancel context.CancelFunc
	ended  chan error
}

// start starts a relay. laneTimeout is above the relay's own where a test of patience
// is part of the measurement.
func (j *job) start(ctx context.Context, to sink.Sink, laneTimeout time.Duration, logger *zap.Logger) (*relaying, error) {
	database, err := pgx.ParseConfig(j.Database)
	if err != nil {
		return nil, fmt.Errorf("reading the database's URL: %w", err)
	}
	s := relay.DefaultSettings()
	s.Schema, s.Database, s.Listen = schema, database, database
	s.Workers, s.BatchMessages, s.SynchronousCommit = j.Workers, j.Batch, j.SynchronousCommit
	s.LaneTimeout = max(s.LaneTimeout, laneTimeout)
	metrics, err := relay.NewMetrics(prometheus.NewRegistry())
	if err != nil {
		return nil, fmt.Errorf("making metrics: %w", err)
	}
	r, err := relay.New(s, to, metrics, logger)
	if err != nil {
		return nil, fmt.Errorf("making a relay: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	running := &relaying{Relay: r, cancel: cancel, ended: make(chan error, 1)}
	go func() { running.ended <- r.Run(ctx) }()
	return running, nil
}

// stop waits until all batches under way are committed. It is called once.
func (r *relaying) stop() error {
	r.cancel()
	if err := <-r.ended; err != nil {
		return fmt.Errorf("stopping the relay: %w", err)
	}
	return nil
}

// stopIf is stop for a defer: its error is added to one that there may be.
func (r *relaying) stopIf(err *error) { *err = errors.Join(*err, r.stop()) }

// connected waits until all workers have their connection.
func (r *relaying) connected(ctx context.Context) error {
	for {
		status := r.Status()
		if status.Connected == status.Workers {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for workers: %w", ctx.Err())
		case <-time.After(time.Millisecond):
		}
	}
}
