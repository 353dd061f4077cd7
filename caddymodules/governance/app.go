package governance

// app.go is the app governance, which holds what concerns the whole process.

import (
	"encoding/json"
	"fmt"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2"

	"github.com/weirproxy/weir/governance/livestate"
	"github.com/weirproxy/weir/governance/processhealth"
	"github.com/weirproxy/weir/internal/metricset"
)

func init() {
	caddy.RegisterModule(new(App))
}

// App holds settings for the whole process. It need not be configured: modules that
// depend on it bring it along with its defaults.
type App struct {
	// ProcessHealth sets how the health of the process is judged, and makes that
	// visible in metrics and in the admin API even if no handler asks for it.
	ProcessHealth *ProcessHealth `json:"process_health,omitempty"`
	// Consul is the module governance.consul: how Consul is reached, and what is
	// registered with it. Default: as the environment says, and nothing.
	Consul json.RawMessage `json:"consul,omitempty"`

	consul   any // the module; nil until somebody wants it
	ctx      caddy.Context
	logger   *zap.Logger
	storage  certmagic.Storage
	registry any // what all modules of this configuration have in common
	settings processhealth.Settings
	handle   *livestate.Handle
	live     *liveHealth // nil if nobody wants it
}

// CaddyModule returns the Caddy module information.
func (*App) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "governance",
		New: func() caddy.Module { return new(App) },
	}
}

// Provision checks the settings. They apply from Start on: a configuration that fails
// to load must not have changed the one that runs.
func (a *App) Provision(ctx caddy.Context) error {
	a.ctx, a.logger = ctx, ctx.Logger()
	a.storage = ctx.Storage()
	registry := ctx.GetMetricsRegistry()
	a.registry = registry
	if err := metricset.Register(registry); err != nil {
		return err
	}
	a.settings = a.ProcessHealth.settings()
	a.settings.OnLevel, a.settings.OnCheck = a.logLevel, a.logCheck
	if err := a.settings.Validate(); err != nil {
		return fmt.Errorf("process_health: %w", err)
	}
	if a.ProcessHealth != nil {
		if _, err := a.HealthMonitor(); err != nil {
			return err
		}
	}
	if a.Consul != nil {
		_, err := a.ConsulModule()
		return err
	}
	return nil
}

// HealthMonitor returns the monitor of this process. It samples while any
// configuration that asked for it runs, with the settings of the latest one.
func (a *App) HealthMonitor() (*processhealth.Monitor, error) {
	if a.live == nil {
		live, handle, err := livestate.Acquire(livestate.Default, livestate.Claim{
			Key:           livestate.Key{Kind: healthKind, Name: healthName},
			Configuration: a.registry,
			Place:         "the app governance",
		}, func() (*liveHealth, error) { return new(liveHealth), nil })
		if err != nil {
			return nil, fmt.Errorf("holding the process's health: %w", err)
		}
		a.live, a.handle = live, handle
		live.restore(a)
		handle.Show(a)
	}
	return &a.live.Monitor, nil
}

// Start begins to sample, with this configuration's settings, and to register.
func (a *App) Start() error {
	if a.live != nil {
		if err := a.live.begin(a); err != nil {
			return err
		}
	}
	if consul, ok := a.consul.(interface{ Start() error }); ok {
		return consul.Start()
	}
	return nil
}

// Stop does nothing: other apps may still be at work when it is called. Cleanup is
// called when all have stopped.
func (*App) Stop() error { return nil }

// Cleanup gives up the monitor. If this configuration was started but another one
// goes on, as after a failure to start, that one's settings apply again.
func (a *App) Cleanup() error {
	if a.live != nil {
		a.live.end(a)
	}
	a.handle.Release()
	return nil
}

func (a *App) logLevel(now, before processhealth.Verdict) {
	write := a.logger.Info
	if now.Level > before.Level {
		write = a.logger.Warn
	}
	write("process health changed", zap.Stringer("level", now.Level), zap.Stringer("before", before.Level),
		zap.String("reason", now.Reason), zap.Float64("pressure", now.Pressure), zap.Float64("weight", now.Weight))
}

func (a *App) logCheck(name string, err error) {
	if err == nil {
		a.logger.Info("a check of readiness succeeds", zap.String("check", name))
		return
	}
	a.logger.Warn("a check of readiness fails", zap.String("check", name), zap.Error(err))
}

// Interface guards
var (
	_ caddy.App            = (*App)(nil)
	_ caddy.Provisioner    = (*App)(nil)
	_ caddy.CleanerUpper   = (*App)(nil)
	_ livestate.Controller = (*App)(nil)
)
