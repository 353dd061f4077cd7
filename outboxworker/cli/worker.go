package cli

// worker.go holds what run keeps going: the relays, the server that shows them, the log.

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/weirproxy/weir/outboxworker/cli/supervisor"
	"github.com/weirproxy/weir/outboxworker/config"
	"github.com/weirproxy/weir/outboxworker/monitor"
	"github.com/weirproxy/weir/outboxworker/relay"
)

// worker is a running worker.
type worker struct {
	process    Process
	format     string // of the log
	logger     *zap.Logger
	level      zap.AtomicLevel
	metrics    *relay.Metrics
	reloads    *reloads
	supervisor *supervisor.Supervisor
	server     *monitor.Server

	// mu guards how long relays may take to stop, which a reload changes.
	mu         sync.Mutex
	stopWithin time.Duration
}

// newWorker puts a worker together. Nothing runs yet.
func newWorker(c *config.Config, process Process) (*worker, error) {
	w := &worker{process: process, format: c.Log.Format, stopWithin: stopTimeout(c), level: zap.NewAtomicLevel()}
	w.level.SetLevel(c.Log.ZapLevel())
	w.logger = newLogger(process.Err, c.Log.Format, w.level)
	redis.SetLogger(clientLog{w.logger})
	registry := monitor.NewRegistry()
	var err error
	if w.metrics, err = relay.NewMetrics(registry); err != nil {
		return nil, fmt.Errorf("registering the metrics of relays: %w", err)
	}
	if w.reloads, err = newReloads(registry); err != nil {
		return nil, err
	}
	w.supervisor = supervisor.New(w.logger)
	w.server = monitor.New(registry, w.readiness, w.logger)
	return w, nil
}

// start listens and starts the relays.
func (w *worker) start(ctx context.Context, c *config.Config) error {
	if err := w.server.Listen(c.HTTP.Address); err != nil {
		return err
	}
	for _, o := range c.Outboxes {
		w.logger.Info("serving an outbox", zap.String("outbox", o.Schema), zap.String("sink", o.Sink.Kind()), zap.Int("workers", o.Workers))
	}
	w.reloads.succeeded(time.Now())
	return w.supervisor.Apply(ctx, w.outboxes(c))
}

// served is what decides whether a relay must be exchanged.
type served struct {
	Database config.Database
	Outbox   config.Outbox
}

// outboxes returns the outboxes of a configuration as the supervisor takes them.
func (w *worker) outboxes(c *config.Config) []supervisor.Outbox {
	all := make([]supervisor.Outbox, 0, len(c.Outboxes))
	for _, o := range c.Outboxes {
		all = append(all, supervisor.Outbox{
			Name:     o.Schema,
			Settings: served{c.Database, o},
			New:      func() (supervisor.Relay, error) { return w.newRelay(&c.Database, &o) },
		})
	}
	return all
}

// newRelay makes the relay of an outbox.
func (w *worker) newRelay(database *config.Database, o *config.Outbox) (supervisor.Relay, error) {
	settings, err := o.Settings(database)
	if err != nil {
		return nil, err
	}
	to, err := o.Sink.Open()
	if err != nil {
		return nil, err
	}
	r, err := relay.New(settings, to, w.metrics, w.logger)
	if err != nil {
		_ = to.Close()
		return nil, err
	}
	return r, nil
}

// readiness is what /readyz answers: ready once every outbox has a connection.
func (w *worker) readiness() monitor.Readiness {
	r := monitor.Readiness{Ready: true, Outboxes: make(map[string]monitor.Outbox)}
	for name, s := range w.supervisor.Status() {
		o := monitor.Outbox{
			Connected: s.Connected, Workers: s.Workers, Outage: s.Outage, PausedSeconds: s.Paused.Seconds(),
		}
		if s.Err != nil {
			o.Error = s.Err.Error()
		}
		r.Outboxes[name] = o
		r.Ready = r.Ready && s.Connected > 0
	}
	r.Ready = r.Ready && len(r.Outboxes) > 0
	return r
}

// stopTimeout is the longest time that a relay of a configuration has to stop.
func stopTimeout(c *config.Config) time.Duration {
	var longest time.Duration
	for _, o := range c.Outboxes {
		longest = max(longest, o.StopTimeout)
	}
	return longest
}

// stopsWithin is how long relays may take to stop. change, if it is not nil, changes it
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
