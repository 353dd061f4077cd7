package cli

// worker.go holds what run and consume keep going: their services, the server that shows
// them, the log.

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/weirproxy/weir/outboxworker/config"
	"github.com/weirproxy/weir/outboxworker/monitor"
)

// services are what a worker keeps going: relays, or consumers.
type services interface {
	// check tells whether a configuration has none.
	check(c *config.Config) error
	// apply serves those of a configuration, and no others.
	apply(ctx context.Context, c *config.Config) error
	// stop ends them all, within ctx.
	stop(ctx context.Context) error
	// stopTimeout is the longest time that one of a configuration has to stop.
	stopTimeout(c *config.Config) time.Duration
	// readiness is what /readyz answers.
	readiness() monitor.Readiness
}

// newServices makes services that serve nothing yet.
type newServices func(registry prometheus.Registerer, logger *zap.Logger) (services, error)

// worker is a running worker.
type worker struct {
	process  Process
	format   string // of the log
	logger   *zap.Logger
	level    zap.AtomicLevel
	reloads  *reloads
	services services
	server   *monitor.Server

	// mu guards how long services may take to stop, which a reload changes.
	mu         sync.Mutex
	stopWithin time.Duration
}

// newWorker puts a worker together. Nothing runs yet.
func newWorker(c *config.Config, process Process, of newServices) (*worker, error) {
	w := &worker{process: process, format: c.Log.Format, level: zap.NewAtomicLevel()}
	w.level.SetLevel(c.Log.ZapLevel())
	w.logger = newLogger(process.Err, c.Log.Format, w.level)
	redis.SetLogger(clientLog{w.logger})
	registry := monitor.NewRegistry()
	var err error
	if w.services, err = of(registry, w.logger); err != nil {
		return nil, err
	}
	if err := w.services.check(c); err != nil {
		return nil, err
	}
	if w.reloads, err = newReloads(registry); err != nil {
		return nil, err
	}
	w.stopWithin = w.services.stopTimeout(c)
	w.server = monitor.New(registry, w.services.readiness, w.logger)
	return w, nil
}

// start listens and starts the services.
func (w *worker) start(ctx context.Context, c *config.Config) error {
	if err := w.server.Listen(c.HTTP.Address); err != nil {
		return err
	}
	w.reloads.succeeded(time.Now())
	return w.services.apply(ctx, c)
}

// stopsWithin is how long services may take to stop. change, if it is not nil, changes it
// first.
func (w *worker) stopsWithin(change func(time.Duration) time.Duration) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	if change != nil {
		w.stopWithin = change(w.stopWithin)
	}
	return w.stopWithin
}

// shutDown ends the server. Scrapes under way have a moment, also when ctx is done.
func (w *worker) shutDown(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	return w.server.Shutdown(ctx)
}

// reloads are the metrics of reloads.
type reloads struct {
	ok prometheus.Gauge
	at prometheus.Gauge
}

func newReloads(registry prometheus.Registerer) (*reloads, error) {
	r := &reloads{
		ok: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "outbox_config_last_reload_successful",
			Help: "Whether the last attempt to read the configuration succeeded.",
		}),
		at: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "outbox_config_last_reload_success_timestamp_seconds",
			Help: "When the configuration in force was read, in Unix time.",
		}),
	}
	for _, c := range []prometheus.Collector{r.ok, r.at} {
		if err := registry.Register(c); err != nil {
			return nil, fmt.Errorf("registering the metrics of reloads: %w", err)
		}
	}
	return r, nil
}

func (r *reloads) succeeded(now time.Time) {
	r.ok.Set(1)
	r.at.Set(float64(now.UnixNano()) / 1e9)
}

func (r *reloads) failed() { r.ok.Set(0) }
