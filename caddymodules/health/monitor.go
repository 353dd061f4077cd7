// Package health holds the Caddy modules http.handlers.process_health, which answers
// questions about liveness, readiness and load, and http.handlers.load_shed, which
// refuses requests under load.
package health

import (
	"context"
	"fmt"

	"github.com/caddyserver/caddy/v2"

	"github.com/weirproxy/weir/governance/livestate"
	"github.com/weirproxy/weir/governance/processhealth"
)

// governanceApp is what the app governance offers to whom it does not know.
type governanceApp interface {
	// HealthMonitor returns the monitor of this process. It samples while the
	// configuration runs, with the settings of the global option process_health.
	HealthMonitor() (*processhealth.Monitor, error)
}

// monitorOf returns the monitor of this process. It is to be called while a module is
// provisioned.
func monitorOf(ctx caddy.Context) (*processhealth.Monitor, error) {
	if _, err := caddy.GetModule("governance"); err != nil {
		return ownMonitor(ctx)
	}
	app, err := ctx.App("governance")
	if err != nil {
		return nil, err
	}
	governance, ok := app.(governanceApp)
	if !ok {
		return nil, fmt.Errorf("the app governance is a %T, which knows no process health: another plugin took the name", app)
	}
	return governance.HealthMonitor()
}

// ownMonitor is for a Caddy without the app governance: the monitor has the default
// settings, and runs until the configuration is gone.
func ownMonitor(ctx caddy.Context) (*processhealth.Monitor, error) {
	monitor, handle, err := livestate.Acquire(livestate.Default, livestate.Claim{
		Key:           livestate.Key{Kind: "process_health", Name: "self"},
		Configuration: ctx.GetMetricsRegistry(),
		Place:         "a handler of caddymodules/health",
	}, func() (*processhealth.Monitor, error) {
		settings := processhealth.DefaultSettings()
		settings.Draining = caddy.Exiting
		return processhealth.New(settings)
	})
	if err != nil {
		return nil, err
	}
	monitor.Start()
	context.AfterFunc(ctx, func() {
		monitor.Stop()
		handle.Release()
	})
	return monitor, nil
}
