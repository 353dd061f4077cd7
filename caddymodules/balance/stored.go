package balance

// stored.go holds decisions in the form in which they are stored and shown.

import (
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/weirproxy/weir/governance/balance"
	"github.com/weirproxy/weir/governance/circuit"
	"github.com/weirproxy/weir/internal/breakerconf"
	"github.com/weirproxy/weir/internal/inforce"
	"github.com/weirproxy/weir/internal/statestore"
)

// decision is an operator's decision about an upstream.
type decision struct {
	balance.Decision
	Breaker *breakerconf.Decision `json:"breaker,omitempty"`
}

func shown(d balance.Decision) decision {
	s := decision{Decision: d}
	if d.Breaker != nil {
		stored := breakerconf.Store(*d.Breaker)
		s.Breaker = &stored
	}
	return s
}

// restored returns what s holds at now, and tells what of it makes no sense any more.
func (s decision) restored(now time.Time) (balance.Decision, error) {
	if s.Breaker == nil {
		return s.Decision, nil
	}
	b, err := s.Breaker.Restore(now)
	if b != (circuit.Decision{}) {
		s.Decision.Breaker = &b
	}
	return s.Decision, err
}

// absent is an upstream that is not there, but decided about.
type absent struct {
	Address string `json:"address"`
	// Decision is nil if it was just taken back.
	Decision *decision `json:"decision,omitempty"`
}

// save stores the pool's decisions, so that they outlive a restart. If those of
// before could not be read yet, it tries again first, lest they are lost. The
// caller holds deciding.
func (l *livePool) save(p *Policy) error {
	if err := l.load(p); err != nil {
		return err
	}
	decisions := make(map[string]decision)
	for address, d := range l.Decisions() {
		decisions[address] = shown(d)
	}
	return statestore.Save(p.storage, kind, p.Name, decisions)
}

// load takes up the decisions that were made before the process started, once. The
// caller holds deciding.
func (l *livePool) load(p *Policy) error {
	if l.restored {
		return nil
	}
	var stored map[string]decision
	switch err := statestore.Load(p.storage, kind, p.Name, &stored); {
	case errors.Is(err, statestore.ErrBroken):
		// it will not mend by itself, and must not keep new decisions from being stored
		p.logger.Error("operator's decisions of before are lost", zap.String("pool", p.Name), zap.Error(err))
		stored = nil
	case err != nil:
		return err
	}
	now := time.Now()
	decisions := make(map[string]balance.Decision, len(stored))
	for address, s := range stored {
		if l.decided[address] {
			continue
		}
		d, err := s.restored(now)
		if err != nil {
			p.logger.Warn("an operator's decision of before is lost in part", zap.String("pool", p.Name), zap.String("upstream", address), zap.Error(err))
		}
		decisions[address] = d
	}
	l.Restore(decisions, now)
	l.restored = true
	return nil
}

// restore is load for a configuration that begins: one that cannot read what was
// decided can still serve.
func (l *livePool) restore(p *Policy) {
	l.deciding.Lock()
	defer l.deciding.Unlock()
	if err := l.load(p); err != nil {
		p.logger.Warn("operator's decisions of before are not known", zap.String("pool", p.Name), zap.Error(err))
	}
}

// Lead implements livestate.Leader: the settings of the breakers hold from now on, and
// decisions that do not hold against the configuration are forgotten once it is in force.
func (p *Policy) Lead() {
	p.leads.Store(true)
	p.balancer.Serve()
	if len(p.live.Decisions()) > 0 {
		inforce.Then(p.ctx, p.dropOld)
	}
}

// dropOld forgets decisions that no longer hold, above all weights and thresholds that
// were decided against another configuration, so that they don't come back should that
// one.
func (p *Policy) dropOld() {
	l, table := p.live, p.balancer.Table()
	l.deciding.Lock()
	defer l.deciding.Unlock()
	now, dropped := time.Now(), 0
	for address, d := range l.Decisions() {
		m, _ := l.member(table, address)
		left := l.Decision(m, now)
		left.Breaker = stillHolds(left.Breaker, p.breakers.settings)
		if left != d {
			l.Decide(address, left)
			dropped++
		}
	}
	if dropped == 0 {
		return
	}
	p.logger.Info("decisions that hold no longer are dropped", zap.String("pool", p.Name), zap.Int("upstreams", dropped))
	if err := l.save(p); err != nil {
		p.logger.Warn("storing operator's decisions", zap.Error(err))
	}
}

// stillHolds returns d without thresholds that were decided against another
// configuration.
func stillHolds(d *circuit.Decision, configured *circuit.Settings) *circuit.Decision {
	if d == nil || d.Thresholds == nil || configured != nil && d.Configured != nil && *d.Configured == *configured {
		return d
	}
	left := circuit.Decision{Mode: d.Mode, Until: d.Until}
	if left == (circuit.Decision{}) {
		return nil
	}
	return &left
}
