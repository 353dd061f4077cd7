// Package consul connects Caddy with Consul: the module governance.consul holds how
// Consul is reached and what is registered with it, two sources of upstreams follow
// what is registered there, and the command service-lease registers other programs.
package consul

import (
	"context"
	"fmt"
	"log/slog"
	"sync"

	"github.com/hashicorp/consul/api"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"

	"github.com/weirproxy/weir/governance/processhealth"
	"github.com/weirproxy/weir/internal/inforce"
	"github.com/weirproxy/weir/internal/metricset"
)

func init() {
	caddy.RegisterModule(new(Consul))
}

// Consul tells how Consul is reached, for all of a configuration, and registers the
// process as an instance of services. What is left out comes from the environment, as
// with Consul's own tools: CONSUL_HTTP_ADDR, CONSUL_HTTP_TOKEN and their kin.
//
// Nothing is asked of Consul before the configuration runs.
type Consul struct {
	Settings
	// Registrations are kept while configurations that have them run.
	Registrations []Registration `json:"registrations,omitempty"`

	client     *api.Client
	identity   string // a hash of what the client was made from, the token included; not to be shown
	registrars []*registrar
	slog       *slog.Logger
}

// CaddyModule returns the Caddy module information.
func (*Consul) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "governance.consul",
		New: func() caddy.Module { return new(Consul) },
	}
}

// Provision makes the client, which does not connect yet, and checks all settings.
func (c *Consul) Provision(ctx caddy.Context) (err error) {
	c.slog = ctx.Slogger()
	registry := ctx.GetMetricsRegistry()
	if err := metricset.Register(registry); err != nil {
		return err
	}
	if c.client, c.identity, err = c.Settings.connect(); err != nil {
		return fmt.Errorf("consul: %w", err)
	}
	for _, registration := range c.Registrations {
		if err := c.register(ctx, registration, registry); err != nil {
			return fmt.Errorf("register %s %s: %w", registration.Service, registration.Address, err)
		}
	}
	if len(c.registrars) > 0 {
		return c.subscribe(ctx)
	}
	return nil
}

// register makes a registrar, which does nothing before Start.
func (c *Consul) register(ctx caddy.Context, registration Registration, registry any) error {
	if err := registration.Validate(); err != nil {
		return err
	}
	for _, other := range c.registrars {
		if err := registration.clash(other.Registration); err != nil {
			return err
		}
	}
	instance, err := registration.instance()
	if err != nil {
		return err
	}
	r := &registrar{
		Registration: registration, terms: registration.terms(c.identity), instance: instance, client: c.client, slog: c.slog,
		inForce: func(f func()) { inforce.Then(ctx, f) },
	}
	if err := r.hold(registry); err != nil {
		return err
	}
	c.registrars = append(c.registrars, r)
	return nil
}

// WatchHealth has the registrations follow the health of the process, which monitor
// returns. Without registrations nobody asks for it.
func (c *Consul) WatchHealth(monitor func() (*processhealth.Monitor, error)) error {
	for _, r := range c.registrars {
		var err error
		if r.monitor, err = monitor(); err != nil {
			return err
		}
	}
	return nil
}

// Start begins the registrations that no older configuration has, as soon as this one
// runs; the others take this one's settings when the older one has ended.
func (c *Consul) Start() error {
	for _, r := range c.registrars {
		r.handle.Show(r)
	}
	return nil
}

// subscribe releases the registrations when the process exits, before any server stops:
// while they drain, requests are still served.
func (c *Consul) subscribe(ctx caddy.Context) error {
	app, err := ctx.App("events")
	if err != nil {
		return err
	}
	events, ok := app.(interface {
		On(string, caddyevents.Handler) error
	})
	if !ok {
		return fmt.Errorf("the app events is a %T, which takes no subscriptions", app)
	}
	return events.On("stopping", onStopping{c})
}

// exiting reports whether the process is about to end; tests give another one.
var exiting = caddy.Exiting

// onStopping implements caddyevents.Handler.
type onStopping struct{ consul *Consul }

// Handle waits until the registrations are released. The event also comes with a reload,
// which is none of their business.
func (s onStopping) Handle(context.Context, caddy.Event) error {
	if !exiting() {
		return nil
	}
	var all sync.WaitGroup
	for _, r := range s.consul.registrars {
		all.Go(r.live.close)
	}
	all.Wait()
	return nil
}

// Cleanup gives the registrations up. Those that the next configuration has go on, others
// are released in the background.
func (c *Consul) Cleanup() error {
	for _, r := range c.registrars {
		r.release()
	}
	return nil
}

// moduleOf returns the configuration's module, with client and identity. Without the app
// governance compiled in it is one with the settings of the environment.
func moduleOf(ctx caddy.Context) (*Consul, error) {
	var module any
	if _, err := caddy.GetModule("governance"); err != nil {
		if module, err = ctx.LoadModuleByID("governance.consul", nil); err != nil {
			return nil, err
		}
	} else {
		app, err := ctx.App("governance")
		if err != nil {
			return nil, err
		}
		holder, ok := app.(interface{ ConsulModule() (any, error) })
		if !ok {
			return nil, fmt.Errorf("the app governance is a %T, which holds no settings of Consul", app)
		}
		if module, err = holder.ConsulModule(); err != nil {
			return nil, err
		}
	}
	c, ok := module.(*Consul)
	if !ok {
		return nil, fmt.Errorf("the module governance.consul is a %T, not a %T", module, c)
	}
	return c, nil
}

// Interface guards
var (
	_ caddy.Provisioner   = (*Consul)(nil)
	_ caddy.CleanerUpper  = (*Consul)(nil)
	_ caddyevents.Handler = onStopping{}
)
