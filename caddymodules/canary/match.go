package canary

// match.go holds the matcher release_stage.

import (
	"errors"
	"fmt"
	"net/http"
	"slices"

	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/weirproxy/weir/governance/livestate"
	"github.com/weirproxy/weir/internal/inforce"
)

func init() {
	caddy.RegisterModule(new(Match))
}

// Match matches requests that a canary_route before it on the route has sent to one of
// some stages. A request that has passed none of that name does not match.
type Match struct {
	// Name is that of the canary_route. Required.
	Name string `json:"name,omitempty"`

	// Stages are the names of stages; one of them has to be the request's. Required.
	Stages []string `json:"stages,omitempty"`

	variable string
}

// CaddyModule returns the Caddy module information.
func (*Match) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.matchers.release_stage",
		New: func() caddy.Module { return new(Match) },
	}
}

// UnmarshalCaddyfile sets up the matcher from Caddyfile tokens. Syntax:
//
//	release_stage <name> <stages...>
func (m *Match) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume the matcher's name
	args := d.RemainingArgs()
	if len(args) < 2 {
		return d.Err("release_stage takes the name of a canary_route and at least one stage, as in: release_stage checkout canary")
	}
	m.Name, m.Stages = args[0], args[1:]
	if err := m.check(); err != nil {
		return d.WrapErr(err)
	}
	if d.NextBlock(0) {
		return d.Errf("release_stage has no block, got %q", d.Val())
	}
	if d.Next() {
		return d.Err("release_stage is given twice; name several stages in one: release_stage checkout canary preview")
	}
	return nil
}

// Provision checks the configuration.
func (m *Match) Provision(ctx caddy.Context) error {
	if err := m.check(); err != nil {
		return err
	}
	m.variable = stageVariable(m.Name)
	// not before all handlers are provisioned, the one of the name among them
	inforce.Then(ctx, func() { m.warn(ctx.Logger()) })
	return nil
}

// warn tells about names that no request will have: else a slip in a name would send everybody
// to one back end, with nothing to be seen of it.
func (m *Match) warn(logger *zap.Logger) {
	held, err := livestate.Default.Get(livestate.Key{Kind: kind, Name: m.Name})
	h, ok := held.View.(*Handler)
	if err != nil || !ok {
		logger.Warn("release_stage never matches: there is no canary_route of that name", zap.String("canary", m.Name))
		return
	}
	for _, stage := range m.Stages {
		if h.stageNamed(stage) < 0 {
			logger.Warn("release_stage never matches a stage that its canary_route does not have",
				zap.String("canary", m.Name), zap.String("stage", stage))
		}
	}
}

func (m *Match) check() error {
	if err := checkName(m.Name); err != nil {
		return fmt.Errorf("release_stage: %w", err)
	}
	if len(m.Stages) == 0 {
		return errors.New("release_stage: at least one stage is needed")
	}
	for _, stage := range m.Stages {
		if err := checkStageName(stage); err != nil {
			return fmt.Errorf("release_stage: %w", err)
		}
	}
	return nil
}

// MatchWithError reports whether the request goes to one of the stages. There is never an
// error.
func (m *Match) MatchWithError(r *http.Request) (bool, error) {
	stage, ok := caddyhttp.GetVar(r.Context(), m.variable).(string)
	return ok && slices.Contains(m.Stages, stage), nil
}

// Interface guards
var (
	_ caddy.Provisioner                 = (*Match)(nil)
	_ caddyhttp.RequestMatcherWithError = (*Match)(nil)
	_ caddyfile.Unmarshaler             = (*Match)(nil)
)
