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
	"github.com/weirproxy/weir/governance/circuit"
	"github.com/weirproxy/weir/governance/livestate"
	"github.com/weirproxy/weir/internal/breakerconf"
)

// kind is the registry's name for what policies keep.
const kind = "pools"

// snapshot is a pool as the admin API shows it.
type snapshot struct {
	Name string `json:"name"`
	balance.Snapshot
	// Absent replaces the Snapshot's: decisions in the form in which they are made.
	Absent []absent `json:"absent,omitempty"`
	// Retries counts second and later attempts, RetriesDenied the requests that
	// the budget did not allow another one.
	Retries       uint64 `json:"retries"`
	RetriesDenied uint64 `json:"retries_denied"`
	// MaxConcurrentRefused counts requests refused because no upstream could have
	// another attempt.
	MaxConcurrentRefused uint64 `json:"max_concurrent_refused"`
}

// Snapshot implements livestate.View.
func (p *Policy) Snapshot() any { return p.snapshot() }

func (p *Policy) snapshot() snapshot {
	if p.dynamic {
		p.balancer.Adopt()
	}
	s := snapshot{
		Name:                 p.Name,
		Snapshot:             p.balancer.Snapshot(),
		Retries:              p.live.retried.Load(),
		RetriesDenied:        p.live.denied.Load(),
		MaxConcurrentRefused: p.live.limited.Load(),
	}
	for _, a := range s.Snapshot.Absent {
		d := shown(*a.Decision)
		s.Absent = append(s.Absent, absent{a.Address, &d})
	}
	return s
}

// command is an operator's decision about an upstream. What it does not name stays
// as it was decided before; weight null takes that decision back.
type command struct {
	Drain  *bool           `json:"drain"`
	Weight json.RawMessage `json:"weight"`
	// Breaker is a command about the upstream's breaker, with a ttl of its own.
	Breaker json.RawMessage `json:"breaker"`
	// TTL is how long what the command decides of drain and weight holds, as in "5m";
	// absent means until it is taken back or, for a weight, the configured one changes.
	TTL string `json:"ttl"`
}

// Control implements livestate.Controller: path is upstreams and an address.
func (p *Policy) Control(path []string, body []byte) (any, error) {
	if len(path) != 2 || path[0] != "upstreams" {
		return nil, fmt.Errorf("%w: a decision is about upstreams/<address>", livestate.ErrNotFound)
	}
	if p.dynamic {
		p.balancer.Adopt()
	}
	m, ok := p.live.member(p.balancer.Table(), path[1])
	if !ok {
		return nil, fmt.Errorf("%w: pool %q has no upstream %q", livestate.ErrNotFound, p.Name, path[1])
	}
	if err := p.live.decide(p, m, body); err != nil {
		return nil, err
	}
	s := p.snapshot()
	for _, u := range s.Upstreams {
		if u.Address == path[1] {
			return u, nil
		}
	}
	for _, a := range s.Absent {
		if a.Address == path[1] {
			return a, nil
		}
	}
	return absent{Address: path[1]}, nil
}

// member returns what there is to decide about at address: a member of the table, or
// one that has left with a decision, which can then be seen and taken back. A weight
// decided anew for such a one holds against the same configured weight as the old.
func (l *livePool) member(table *balance.Table, address string) (m balance.Member, ok bool) {
	if i := table.Index(address); i >= 0 {
		return table.Member(i), true
	}
	m = balance.Member{Address: address, Advertised: true}
	d := l.Decision(m, time.Now())
	if w := d.Weight; w != nil && w.Configured != nil {
		m.Weight, m.Advertised = *w.Configured, false
	}
	return m, d != balance.Decision{}
}

// decide carries out the command in body and stores what comes of it.
func (l *livePool) decide(p *Policy, m balance.Member, body []byte) error {
	l.deciding.Lock()
	defer l.deciding.Unlock()
	loadErr := l.load(p)
	now := time.Now()
	decided, err := amend(l.Decision(m, now), m, p.breakers.settings, body, now)
	if err != nil {
		return fmt.Errorf("%w: %w", livestate.ErrInvalid, err)
	}
	l.Decide(m.Address, decided)
	if loadErr != nil {
		// what was stored about it must not come back when storage does
		l.decided[m.Address] = true
	}
	p.logger.Info("operator's decision", zap.String("pool", p.Name), zap.String("upstream", m.Address), zap.Any("decision", shown(decided)))
	if err := l.save(p); err != nil {
		return fmt.Errorf("the decision holds, but not over a restart: %w", err)
	}
	return nil
}

// amend returns d as changed by the JSON command in body. breaker are the configured
// settings of the upstream's breaker, nil if it has none.
func amend(d balance.Decision, m balance.Member, breaker *circuit.Settings, body []byte, now time.Time) (balance.Decision, error) {
	var c command
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&c); err != nil {
		return d, fmt.Errorf("the body must be an object such as {\"drain\":true} or {\"weight\":2,\"ttl\":\"5m\"}: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return d, errors.New("there is something after the object")
	}
	if c.Drain == nil && c.Weight == nil {
		switch {
		case c.Breaker == nil:
			return d, errors.New("neither drain nor weight nor breaker is given")
		case c.TTL != "":
			return d, errors.New(`the ttl of a breaker's state stands beside it: {"breaker":{"state":"open","ttl":"5m"}}`)
		}
	}
	var until time.Time
	if c.TTL != "" {
		ttl, err := caddy.ParseDuration(c.TTL)
		if err != nil || ttl <= 0 {
			return d, fmt.Errorf("ttl %q is not a positive duration such as 5m", c.TTL)
		}
		until = now.Add(ttl).Round(0)
	}
	if c.Drain != nil {
		d.Drain = nil
		if *c.Drain {
			d.Drain = &balance.Drain{Until: until}
		}
	}
	if c.Weight != nil {
		var value *float64
		if err := json.Unmarshal(c.Weight, &value); err != nil {
			return d, fmt.Errorf("weight is neither a number nor null: %w", err)
		}
		d.Weight = nil
		if value != nil {
			if *value < 0 || *value > math.MaxInt32 {
				return d, fmt.Errorf("weight %v is not between 0 and %d", *value, math.MaxInt32)
			}
			d.Weight = &balance.Weight{Value: *value, Until: until}
			if !m.Advertised {
				d.Weight.Configured = &m.Weight
			}
		}
	}
	if c.Breaker != nil {
		return amendBreaker(d, breaker, c.Breaker, now)
	}
	return d, nil
}

func amendBreaker(d balance.Decision, configured *circuit.Settings, body []byte, now time.Time) (balance.Decision, error) {
	if configured == nil {
		return d, errors.New("the pool's upstreams have no breaker: lb_policy success_weighted { breaker }")
	}
	var before circuit.Decision
	if d.Breaker != nil {
		before = *d.Breaker
	}
	decided, err := breakerconf.Amend(before, *configured, body, now)
	if err != nil {
		return d, fmt.Errorf("breaker: %w", err)
	}
	d.Breaker = nil
	if decided != (circuit.Decision{}) {
		d.Breaker = &decided
	}
	return d, nil
}
