package breaker

// control.go holds what an operator sees of a breaker and decides about it.

import (
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/weirproxy/weir/governance/circuit"
	"github.com/weirproxy/weir/governance/livestate"
	"github.com/weirproxy/weir/internal/breakerconf"
	"github.com/weirproxy/weir/internal/statestore"
)

// snapshot is a breaker as the admin API shows it.
type snapshot struct {
	Name string `json:"name"`
	circuit.Snapshot
	// Decision is what an operator decided, nil if nothing.
	Decision *breakerconf.Decision `json:"decision,omitempty"`
	// Fallbacks counts requests that the fallback was asked to answer.
	Fallbacks fallbacks `json:"fallbacks"`
}

type fallbacks struct {
	Refused uint64 `json:"refused"`
	Failure uint64 `json:"failure"`
}

// Snapshot implements livestate.View.
func (h *Handler) Snapshot() any { return h.snapshot() }

func (h *Handler) snapshot() snapshot {
	s := snapshot{
		Name:     h.Name,
		Snapshot: h.breaker.Snapshot(),
		Fallbacks: fallbacks{
			Refused: h.live.fallbacksRefused.Load(),
			Failure: h.live.fallbacksFailure.Load(),
		},
	}
	if d := h.decision(); d != (circuit.Decision{}) {
		shown := breakerconf.Store(d)
		s.Decision = &shown
	}
	return s
}

// decision is what holds now of an operator's decision for this configuration.
func (h *Handler) decision() circuit.Decision {
	d := h.live.Decision()
	if d.Configured != nil && *d.Configured != h.settings {
		d.Thresholds, d.Configured = nil, nil
	}
	return d
}

// Control implements livestate.Controller: a decision is about the whole breaker.
func (h *Handler) Control(path []string, body []byte) (any, error) {
	if len(path) != 0 {
		return nil, fmt.Errorf("%w: a decision is about the breaker as a whole", livestate.ErrNotFound)
	}
	if err := h.decide(body); err != nil {
		return nil, err
	}
	return h.snapshot(), nil
}

// decide carries out the command in body and stores what comes of it.
func (h *Handler) decide(body []byte) error {
	l := h.live
	l.deciding.Lock()
	defer l.deciding.Unlock()
	loadErr := h.load()
	d, err := breakerconf.Amend(h.decision(), h.settings, body, time.Now())
	if err != nil {
		return fmt.Errorf("%w: %w", livestate.ErrInvalid, err)
	}
	l.Decide(d)
	// what was stored about it must not come back when storage does
	l.decided = l.decided || loadErr != nil
	h.logger.Info("operator's decision", zap.String("breaker", h.Name), zap.Any("decision", breakerconf.Store(d)))
	if err := h.save(); err != nil {
		return fmt.Errorf("the decision holds, but not over a restart: %w", err)
	}
	return nil
}

// save stores the decision, so that it outlives a restart. If that of before could not
// be read yet, it tries again first, lest it is lost. The caller holds deciding.
func (h *Handler) save() error {
	if err := h.load(); err != nil {
		return err
	}
	return statestore.Save(h.storage, kind, h.Name, breakerconf.Store(h.live.Decision()))
}

// load takes up the decision that was made before the process started, once. The
// caller holds deciding.
func (h *Handler) load() error {
	l := h.live
	if l.restored {
		return nil
	}
	var stored breakerconf.Decision
	err := statestore.Load(h.storage, kind, h.Name, &stored)
	if err != nil && !errors.Is(err, statestore.ErrBroken) {
		return err
	}
	l.restored = true
	d, unknown := stored.Restore(time.Now())
	if err := errors.Join(err, unknown); err != nil {
		// it will not mend by itself, and must not keep new decisions from being stored
		h.logger.Error("operator's decision of before is lost", zap.String("breaker", h.Name), zap.Error(err))
	}
	if !l.decided && d != (circuit.Decision{}) {
		l.Decide(d)
	}
	return nil
}

// restore is load for a configuration that begins: one that cannot read what was
// decided can still serve.
func (h *Handler) restore() {
	h.live.deciding.Lock()
	defer h.live.deciding.Unlock()
	if err := h.load(); err != nil {
		h.logger.Warn("operator's decision of before is not known", zap.String("breaker", h.Name), zap.Error(err))
	}
}
