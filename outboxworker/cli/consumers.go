package cli

// consumers.go holds what consume keeps going: the configuration's consumers.

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/weirproxy/weir/outboxworker/cli/supervisor"
	"github.com/weirproxy/weir/outboxworker/config"
	"github.com/weirproxy/weir/outboxworker/consumer"
	"github.com/weirproxy/weir/outboxworker/consumer/deliver"
	"github.com/weirproxy/weir/outboxworker/idempotency/redisclaim"
	"github.com/weirproxy/weir/outboxworker/monitor"
)

// consumers are the services of consume.
type consumers struct {
	only       []string // their names; none means all
	logger     *zap.Logger
	metrics    *consumer.Metrics
	suspects   *consumer.Suspects
	supervisor *supervisor.Supervisor[consumer.Status]
}

// newConsumers makes those of these names, or all.
func newConsumers(only []string) newServices {
	return func(registry prometheus.Registerer, logger *zap.Logger) (services, error) {
		metrics, err := consumer.NewMetrics(registry)
		if err != nil {
			return nil, fmt.Errorf("registering the metrics of consumers: %w", err)
		}
		return &consumers{only, logger, metrics, consumer.NewSuspects(), supervisor.New[consumer.Status]("group", logger)}, nil
	}
}

// errNoConsumer is the error of consume with a configuration for run alone.
var errNoConsumer = errors.New("the configuration has no consumers: there is nothing to consume")

func (c *consumers) check(of *config.Config) error {
	if len(of.Consumers) == 0 {
		return errNoConsumer
	}
	for _, name := range c.only {
		if !slices.ContainsFunc(of.Consumers, func(one config.Consumer) bool { return one.Name == name }) {
			return fmt.Errorf("the configuration has no consumer %q", name)
		}
	}
	return nil
}

// chosen are the consumers of a configuration that are served here.
func (c *consumers) chosen(of *config.Config) (all []config.Consumer) {
	for _, one := range of.Consumers {
		if len(c.only) == 0 || slices.Contains(c.only, one.Name) {
			all = append(all, one)
		}
	}
	return all
}

// consumed is what decides whether a consumer must be exchanged.
type consumed struct {
	Redis    config.Redis
	Consumer config.Consumer
}

func (c *consumers) apply(ctx context.Context, of *config.Config) error {
	var all []supervisor.Service[consumer.Status]
	for _, one := range c.chosen(of) {
		all = append(all, supervisor.Service[consumer.Status]{
			Name:     one.Name,
			Settings: consumed{*of.Redis, one},
			New:      func() (supervisor.Runner[consumer.Status], error) { return c.newConsuming(of.Redis, &one) },
		})
	}
	return c.supervisor.Apply(ctx, all)
}

// consuming is a consumer with what it has for itself.
type consuming struct {
	*consumer.Consumer
	logger    *zap.Logger
	client    redis.UniversalClient
	store     *redisclaim.Store // or nil
	deliverer *deliver.Deliverer
}

// newConsuming makes a consumer.
func (c *consumers) newConsuming(server *config.Redis, of *config.Consumer) (*consuming, error) {
	settings, err := of.Deliverer()
	if err != nil {
		return nil, err
	}
	one := &consuming{logger: c.logger.With(zap.String("group", of.Name))}
	if one.deliverer, err = deliver.New(settings); err != nil {
		return nil, err
	}
	if one.client, err = server.Open(); err != nil {
		return nil, errors.Join(err, one.deliverer.Close())
	}
	options := of.Options()
	options.Metrics, options.Suspects, options.Logger = c.metrics, c.suspects, c.logger // to which it adds the group
	if of.Idempotency.Store == "redis" {
		if one.store, err = redisclaim.New(one.client, of.Idempotency.Settings()); err != nil {
			return nil, errors.Join(err, one.close())
		}
		options.Idempotency = one.store
	}
	if one.Consumer, err = consumer.New(one.client, of.Name, one.deliverer.Handle, options); err != nil {
		return nil, errors.Join(err, one.close())
	}
	one.logger.Info("serving a group", zap.Strings("streams", of.Streams), zap.Int("concurrency", options.Concurrency))
	return one, nil
}

// Run consumes, and closes what the consumer had for itself.
func (c *consuming) Run(ctx context.Context) error {
	c.warn(ctx)
	return errors.Join(c.Consumer.Run(ctx), c.close())
}

// warn tells of a Redis that may forget what was handled. One that is away is waited for.
func (c *consuming) warn(ctx context.Context) {
	if c.store == nil {
		return
	}
	warnings, _ := c.store.Check(ctx)
	for _, warning := range warnings {
		c.logger.Warn(warning)
	}
}

func (c *consuming) close() error {
	return errors.Join(c.deliverer.Close(), c.client.Close())
}

func (c *consumers) stop(ctx context.Context) error { return c.supervisor.Stop(ctx) }

func (c *consumers) stopTimeout(of *config.Config) time.Duration {
	var longest time.Duration
	for _, one := range c.chosen(of) {
		longest = max(longest, one.StopTimeout)
	}
	return longest
}

// readiness: ready once Redis answers every consumer.
func (c *consumers) readiness() monitor.Readiness {
	answer := monitor.Readiness{Ready: true, Consumers: make(map[string]monitor.Consumer)}
	for name, s := range c.supervisor.Status() {
		one := monitor.Consumer{Connected: s.Runner.Connected, PausedSeconds: s.Runner.Paused.Seconds()}
		if s.Err != nil {
			one.Error = s.Err.Error()
		}
		answer.Consumers[name] = one
		answer.Ready = answer.Ready && one.Connected
	}
	answer.Ready = answer.Ready && len(answer.Consumers) > 0
	return answer
}
