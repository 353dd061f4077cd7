package canary

// guard.go holds the settings of a guard.

import (
	"errors"
	"fmt"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/weirproxy/weir/governance/rollout"
)

// Guard promotes a stage, or rolls it back, by comparing it with stable.
type Guard struct {
	// Stage is the name of the guarded stage. Default: canary.
	Stage string `json:"stage,omitempty"`

	// Steps are the shares to go through, each above 0, at most 1, and above the one before.
	// Default: none, the stage is only watched.
	Steps []float64 `json:"steps,omitempty"`

	// Interval is how long a step lasts at least, up to 24h. Default: 15s.
	Interval caddy.Duration `json:"interval,omitempty"`

	// MinRequests is how many answered requests of each of both stages a step takes. Default:
	// 200.
	MinRequests int `json:"min_requests,omitempty"`

	// MaxErrorIncrease is by how much the share of failed requests may be above stable's: 0.01
	// lets 3 % pass where stable has 2 %. Below 1. Default: 0.01.
	MaxErrorIncrease *float64 `json:"max_error_increase,omitempty"`

	// MaxLatencyRatio is how many times as long as stable's the quantile of the latencies may
	// be, at least 1. Default: 1.5.
	MaxLatencyRatio float64 `json:"max_latency_ratio,omitempty"`

	// Quantile is that of the latencies that is compared, from 0.5 to 0.999. Default: 0.95.
	Quantile float64 `json:"quantile,omitempty"`

	// Alpha is the probability that a look takes back a stage that is just as bad as may be,
	// at most 0.05. Default: 0.001.
	Alpha float64 `json:"alpha,omitempty"`

	// MinErrors is how many errors it takes to take the stage back for errors. Default: 5.
	MinErrors int `json:"min_errors,omitempty"`

	// OnFail is rollback, or pause, which leaves the stage its share. Default: rollback.
	OnFail string `json:"on_fail,omitempty"`
}

func (h *Handler) configureGuard() error {
	h.guarded = -1
	if h.Guard == nil {
		return nil
	}
	if err := h.Guard.check(); err != nil {
		return err
	}
	stage := h.Guard.stage()
	if err := h.checkGuarded(stage); err != nil {
		return err
	}
	h.guarded = h.stageNamed(stage)
	h.settings = h.Guard.settings()
	return nil
}

func (h *Handler) checkGuarded(stage string) error {
	switch {
	case stage == stableName:
		return errors.New("guard: stable is what the guarded stage is compared with; guard another one")
	case h.stageNamed(stage) < 0:
		return fmt.Errorf("guard: there is no stage %s to guard; add it, or name another in the guard: stage <name>", stage)
	}
	return nil
}

// stage is the name of the guarded stage.
func (g *Guard) stage() string {
	if g.Stage == "" {
		return canaryName
	}
	return g.Stage
}

// check refuses what makes no sense.
func (g *Guard) check() error {
	if err := g.settings().Validate(); err != nil {
		return fmt.Errorf("guard: %w", err)
	}
	return nil
}

// settings are those that the fields come to, with defaults.
func (g *Guard) settings() rollout.Settings {
	s := rollout.DefaultSettings()
	s.Steps = g.Steps
	if g.MaxErrorIncrease != nil {
		s.MaxErrorIncrease = *g.MaxErrorIncrease
	}
	if g.OnFail != "" {
		s.OnFail = rollout.Action(g.OnFail)
	}
	setIf(&s.Interval, time.Duration(g.Interval))
	setIf(&s.MinRequests, g.MinRequests)
	setIf(&s.MaxLatencyRatio, g.MaxLatencyRatio)
	setIf(&s.Quantile, g.Quantile)
	setIf(&s.Alpha, g.Alpha)
	setIf(&s.MinErrors, g.MinErrors)
	return s
}

// setIf sets a setting that was given.
func setIf[T comparable](setting *T, given T) {
	var none T
	if given != none {
		*setting = given
	}
}
