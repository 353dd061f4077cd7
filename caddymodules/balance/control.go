package balance

// control.go holds what an operator sees of a pool and decides about it.

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2"

	"github.com/weirproxy/weir/governance/balance"
	"github.com/weirproxy/weir/governance/livestate"
	"github.com/weirproxy/weir/internal/statestore"
)

// kind is the registry's name for what policies keep.
const kind = "pools"

// snapshot is a pool as the admin API shows it.
type snapshot struct {
	Name string `json:"name"`
	balance.Snapshot
	// Retries counts second and later attempts, RetriesDenied those that the
	// budget did not allow.
	Retries       uint64 `json:"retries"`
	RetriesDenied uint64 `json:"retries_denied"`
}

// Snapshot implements livestate.View.
func (p *Policy) Snapshot() any {
	return snapshot{
		Name:          p.Name,
		Snapshot:      p.balancer.Snapshot(),
		Retries:       p.live.retried.Load(),
		RetriesDenied: p.live.denied.Load(),
	}
}

// command is an operator's decision about an upstream. A field that is absent
// leaves what was decided before; weight null takes the decision back.
type command struct {
	Drain  *bool           `json:"drain"`
	Weight json.RawMessage `json:"weight"`
	// TTL is how long the decision holds, as in "5m"; absent means until it is
	// taken back or the configured weight changes.
	TTL string `json:"ttl"`
}

// Control implements livestate.Controller: path is upstreams and an address.
func (p *Policy) Control(path []string, body []byte) (any, error) {
	if len(path) != 2 || path[0] != "upstreams" {
		return nil, fmt.Errorf("%w: a decision is about upstreams/<address>", livestate.ErrNotFound)
	}
	address := path[1]
	configured, known := p.configuredWeight(address)
	if !known {
		return nil, fmt.Errorf("%w: pool %q has no upstream %q", livestate.ErrNotFound, p.Name, address)
	}
	decision := p.live.Decisions()[address]
	if decision.Configured != configured {
		decision = balance.Decision{}
	}
	decision.Configured = configured
	if err := amend(&decision, body, time.Now()); err != nil {
		return nil, fmt.Errorf("%w: %w", livestate.ErrInvalid, err)
	}
	p.live.Decide(address, decision)
	p.logger.Info("operator's decision", zap.String("pool", p.Name), zap.String("upstream", address),
		zap.Bool("drain", decision.Drain), zap.Float64p("weight", decision.Weight), zap.Time("until", decision.Until))
	if err := p.save(); err != nil {
		return nil, fmt.Errorf("the decision holds, but not over a restart: %w", err)
	}
	for _, u := range p.balancer.Snapshot().Upstreams {
		if u.Address == address {
			return u, nil
		}
	}
	return nil, fmt.Errorf("%w: upstream %q has just left", livestate.ErrNotFound, address)
}

// amend changes d as the JSON command in body says.
func amend(d *balance.Decision, body []byte, now time.Time) error {
	var c command
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&c); err != nil {
		return fmt.Errorf("the body must be an object such as {\"drain\":true} or {\"weight\":2,\"ttl\":\"5m\"}: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is something after the object")
	}
	if c.Drain == nil && c.Weight == nil {
		return errors.New("neither drain nor weight is given")
	}
	if c.Drain != nil {
		d.Drain = *c.Drain
	}
	if c.Weight != nil {
		d.Weight = nil
		if err := json.Unmarshal(c.Weight, &d.Weight); err != nil {
			return fmt.Errorf("weight is neither a number nor null: %w", err)
		}
		if d.Weight != nil && (*d.Weight < 0 || *d.Weight > math.MaxInt32) {
			return fmt.Errorf("weight %v is not between 0 and %d", *d.Weight, math.MaxInt32)
		}
	}
	d.Until = time.Time{}
	if c.TTL != "" {
		ttl, err := caddy.ParseDuration(c.TTL)
		if err != nil || ttl <= 0 {
			return fmt.Errorf("ttl %q is not a positive duration such as 5m", c.TTL)
		}
		d.Until = now.Add(ttl).Round(0)
	}
	return nil
}

// configuredWeight returns the weight that the configuration or the source gives
// an upstream of the pool.
func (p *Policy) configuredWeight(address string) (weight float64, known bool) {
	if table := p.balancer.Table(); table != nil {
		return table.ConfiguredWeight(address)
	}
	return 0, false
}

// save stores the pool's decisions, so that they outlive a restart.
func (p *Policy) save() error {
	return statestore.Save(p.storage, kind, p.Name, p.live.Decisions())
}

// restore takes up the decisions that were made before the process started.
func (p *Policy) restore() {
	var decisions map[string]balance.Decision
	if err := statestore.Load(p.storage, kind, p.Name, &decisions); err != nil {
		p.logger.Warn("operator's decisions of before are not known", zap.String("pool", p.Name), zap.Error(err))
		return
	}
	p.live.Restore(decisions, time.Now())
}

// dropOldDecisions forgets decisions that were made against another configured
// weight, so that they don't come back should the configuration. It is called when
// requests reach the policy: a configuration that fails to load drops nothing.
func (p *Policy) dropOldDecisions(table *balance.Table) {
	dropped := 0
	for address, d := range p.live.Decisions() {
		if weight, known := table.ConfiguredWeight(address); known && weight != d.Configured {
			p.live.Decide(address, balance.Decision{})
			dropped++
		}
	}
	if dropped == 0 {
		return
	}
	p.logger.Info("configured weights changed: operator's decisions about them end", zap.String("pool", p.Name), zap.Int("decisions", dropped))
	go func() { // not on a request's time
		if err := p.save(); err != nil {
			p.logger.Warn("storing operator's decisions", zap.Error(err))
		}
	}()
}
