package cli

// relays.go holds what run keeps going: the relays of the configuration's outboxes.

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/weirproxy/weir/outboxworker/cli/supervisor"
	"github.com/weirproxy/weir/outboxworker/config"
	"github.com/weirproxy/weir/outboxworker/monitor"
	"github.com/weirproxy/weir/outboxworker/relay"
)

// relays are the services of run.
type relays struct {
	logger     *zap.Logger
	metrics    *relay.Metrics
	supervisor *supervisor.Supervisor[relay.Status]
	clients    clients // of the Redis of timers
}

func newRelays(registry prometheus.Registerer, logger *zap.Logger) (services, error) {
	metrics, err := relay.NewMetrics(registry)
	if err != nil {
		return nil, fmt.Errorf("registering the metrics of relays: %w", err)
	}
	return &relays{logger: logger, metrics: metrics, supervisor: supervisor.New[relay.Status]("outbox", logger)}, nil
}

// errNoOutbox is the error of run with a configuration for consume alone.
var errNoOutbox = errors.New("the configuration has no outboxes: there is nothing to run, but consumers for consume")

func (r *relays) check(c *config.Config) error {
	if len(c.Outboxes) == 0 {
		return errNoOutbox
	}
	return nil
}

// served is what decides whether a relay must be exchanged.
type served struct {
	Database config.Database
	Redis    *config.Redis
	Outbox   config.Outbox
}

func (r *relays) apply(ctx context.Context, c *config.Config) error {
	all := make([]supervisor.Service[relay.Status], 0, len(c.Outboxes))
	for _, o := range c.Outboxes {
		s := served{c.Database, c.Redis, o}
		if !o.Retry.Timers {
			s.Redis = nil
		}
		all = append(all, supervisor.Service[relay.Status]{
			Name:     o.Schema,
			Settings: s,
			New:      func() (supervisor.Runner[relay.Status], error) { return r.newRelay(&s) },
		})
	}
	if err := r.supervisor.Apply(ctx, all); err != nil {
		return err
	}
	return r.clients.keep(c.Redis)
}

// newRelay makes the relay of an outbox.
func (r *relays) newRelay(s *served) (supervisor.Runner[relay.Status], error) {
	o := &s.Outbox
	settings, err := o.Settings(&s.Database)
	if err != nil {
		return nil, err
	}
	if s.Redis != nil {
		client, err := r.clients.of(s.Redis)
		if err != nil {
			return nil, err
		}
		if settings.Timers, err = o.Timers(client, settings.Database, r.logger); err != nil {
			return nil, err
		}
	}
	to, err := o.Sink.Open()
	if err != nil {
		return nil, err
	}
	made, err := relay.New(settings, to, r.metrics, r.logger)
	if err != nil {
		_ = to.Close()
		return nil, err
	}
	r.logger.Info("serving an outbox", zap.String("outbox", o.Schema), zap.String("sink", o.Sink.Kind()), zap.Int("workers", o.Workers))
	return made, nil
}

func (r *relays) stop(ctx context.Context) error {
	return errors.Join(r.supervisor.Stop(ctx), r.clients.keep(nil))
}

func (r *relays) stopTimeout(c *config.Config) time.Duration {
	var longest time.Duration
	for _, o := range c.Outboxes {
		longest = max(longest, o.StopTimeout)
	}
	return longest
}

// readiness: ready once every outbox has a connection.
func (r *relays) readiness() monitor.Readiness {
	answer := monitor.Readiness{Ready: true, Outboxes: make(map[string]monitor.Outbox)}
	for name, s := range r.supervisor.Status() {
		o := monitor.Outbox{
			Connected: s.Runner.Connected, Workers: s.Runner.Workers,
			Outage: s.Runner.Outage, PausedSeconds: s.Runner.Paused.Seconds(),
		}
		if s.Err != nil {
			o.Error = s.Err.Error()
		}
		answer.Outboxes[name] = o
		answer.Ready = answer.Ready && o.Connected > 0
	}
	answer.Ready = answer.Ready && len(answer.Outboxes) > 0
	return answer
}
