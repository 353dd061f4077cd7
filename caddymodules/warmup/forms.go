package warmup

// forms.go holds the configuration of the two forms.

import (
	"fmt"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/weirproxy/weir/governance/ramp"
)

// Ramp grows the share of the requests that is admitted, step by step, and has it
// follow the success rate in the end.
type Ramp struct {
	// From is the share to begin with, above 0 and at most follow. Default: 0.05.
	From float64 `json:"from,omitempty"`
	// Follow is the share from which on it follows the success rate, at most 1.
	// Default: 0.8.
	Follow float64 `json:"follow,omitempty"`
	// Factor multiplies the share at each step, above 1. Default: 1.5.
	Factor float64 `json:"factor,omitempty"`
	// Interval is the time between two steps, at most 24h. Default: 30s.
	Interval caddy.Duration `json:"interval,omitempty"`
	// Complete is the success rate that ends the warm-up, at most 1. Default: 0.95.
	Complete float64 `json:"complete,omitempty"`
}

// Slope grows how many requests are admitted a second, linearly.
type Slope struct {
	// Over is how long it takes. Required.
	Over caddy.Duration `json:"over,omitempty"`
	// From is the number of requests a second to begin with, above 0. Required.
	From float64 `json:"from,omitempty"`
	// To is the number of requests a second to end with, at least from. Required.
	To float64 `json:"to,omitempty"`
}

// CacheHit makes climb depend on the part of the answers that come from a cache.
type CacheHit struct {
	// Grow is the cache-hit rate above which climb goes on, above 0 and at most
	// steady. Required.
	Grow float64 `json:"grow,omitempty"`
	// Steady is the cache-hit rate from which on the warm-up is over after climb, at
	// most 1. Required.
	Steady float64 `json:"steady,omitempty"`
	// Header is the response header that tells of the cache; it is a hit if it has
	// the word hit. Default: Cache-Status (RFC 9211).
	Header string `json:"header,omitempty"`
}

// share is what the form comes to with its defaults.
func (r *Ramp) share() *ramp.Share {
	s := ramp.DefaultShare()
	setIf(&s.From, r.From)
	setIf(&s.Follow, r.Follow)
	setIf(&s.Factor, r.Factor)
	setIf(&s.Interval, time.Duration(r.Interval))
	setIf(&s.Complete, r.Complete)
	return &s
}

// setIf sets what is configured.
func setIf[T comparable](setting *T, configured T) {
	var zero T
	if configured != zero {
		*setting = configured
	}
}

// rate is what the form comes to. Probe must be there.
func (h *Handler) rate() *ramp.Rate {
	r := &ramp.Rate{Hold: time.Duration(h.Hold), Probe: h.Probe.slope()}
	if h.Climb != nil {
		climb := h.Climb.slope()
		r.Climb = &climb
	}
	if h.CacheHit != nil {
		r.CacheHit = &ramp.CacheHit{Grow: h.CacheHit.Grow, Steady: h.CacheHit.Steady}
	}
	return r
}

// validate tells what is wrong with it.
func (c *CacheHit) validate() error {
	if strings.ContainsFunc(c.Header, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
	}) {
		return fmt.Errorf("cache_hit: %q is not the name of a header", c.Header)
	}
	return (&ramp.CacheHit{Grow: c.Grow, Steady: c.Steady}).Validate()
}

func (s *Slope) slope() ramp.Slope {
	return ramp.Slope{Over: time.Duration(s.Over), From: s.From, To: s.To}
}
