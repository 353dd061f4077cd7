// Package breakerconf holds what breakers in a Caddy configuration have in common:
// the settings as JSON fields and Caddyfile options, and the operator's command on
// a breaker with the form in which it is stored. The route breaker and the breakers of
// a pool's upstreams share it, so that a setting means the same in both.
package breakerconf

import (
	"fmt"
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/weirproxy/weir/governance/circuit"
)

// defaultSlowRatio is the share of slow calls that opens a breaker which was told
// what is slow but not how much of it is too much.
const defaultSlowRatio = 0.8

// Config are the settings of a breaker. It is meant to be embedded in a module.
type Config struct {
	// Window is the rolling time over which calls are counted. Default: 10s.
	Window caddy.Duration `json:"window,omitempty"`

	// MinCalls is the number of calls in the window from which on the ratios
	// count. Default: 20.
	MinCalls int `json:"min_calls,omitempty"`

	// FailureRatio is the share of failures, above 0 and at most 1, from which on the
	// breaker opens; 0 means never. Default: 0.5.
	FailureRatio *float64 `json:"failure_ratio,omitempty"`

	// Consecutive is the number of failures in a row that open the breaker, and of slow
	// calls while none is answered or ends in time; 0 means that no number does.
	// Default: 5.
	Consecutive *int `json:"consecutive,omitempty"`

	// SlowCall is from when on a call is slow, whether it has ended or not. The time
	// begins once the request has been sent with its body. Default: 0, never.
	SlowCall caddy.Duration `json:"slow_call,omitempty"`

	// SlowRatio is the share of slow calls, above 0 and at most 1, from which on the
	// breaker opens. Default: 0.8 if slow_call is set.
	SlowRatio float64 `json:"slow_ratio,omitempty"`

	// OpenFor is how long the breaker stays open first. The time doubles, with
	// jitter, each time it opens again without having recovered. Default: 5s.
	OpenFor caddy.Duration `json:"open_for,omitempty"`

	// OpenForMax is how long it stays open at most. Default: 5m, or open_for if that
	// is longer.
	OpenForMax caddy.Duration `json:"open_for_max,omitempty"`

	// Probes is how many calls at a time, up to 1000, are let through to see whether they
	// succeed again, and how many must in a row to close the breaker. Default: 3.
	Probes int `json:"probes,omitempty"`

	// ProbeTimeout is when a probe that has not been answered counts as a failure.
	// Default: 10s.
	ProbeTimeout caddy.Duration `json:"probe_timeout,omitempty"`

	// RecoverOver is how long traffic takes to grow back after the breaker has
	// closed; 0 means at once. Default: 10s.
	RecoverOver *caddy.Duration `json:"recover_over,omitempty"`

	// MaxConcurrent is how many calls may be under way; more are refused, but for
	// probes. Default: 0, any number.
	MaxConcurrent int `json:"max_concurrent,omitempty"`

	// FailureStatus are the statuses that count as failures, from 400 on; 4 and 5
	// stand for their classes. Default: 500, 502, 503, 504.
	FailureStatus []int `json:"failure_status,omitempty"`

	// DryRun counts and logs what would be refused, and refuses nothing.
	// Default: false.
	DryRun bool `json:"dry_run,omitempty"`
}

// Settings returns what the configuration comes to, defaults filled in. The error
// names the setting that makes no sense.
func (c *Config) Settings() (circuit.Settings, error) {
	s := circuit.DefaultSettings()
	setIf(&s.Window, time.Duration(c.Window))
	setIf(&s.MinCalls, c.MinCalls)
	setIf(&s.SlowCall, time.Duration(c.SlowCall))
	if c.SlowCall != 0 {
		s.SlowRatio = defaultSlowRatio
	}
	setIf(&s.SlowRatio, c.SlowRatio)
	setIf(&s.OpenFor, time.Duration(c.OpenFor))
	s.OpenForMax = max(s.OpenForMax, s.OpenFor)
	setIf(&s.OpenForMax, time.Duration(c.OpenForMax))
	setIf(&s.Probes, c.Probes)
	setIf(&s.ProbeTimeout, time.Duration(c.ProbeTimeout))
	setIf(&s.MaxConcurrent, c.MaxConcurrent)
	if c.FailureRatio != nil {
		s.FailureRatio = *c.FailureRatio
	}
	if c.Consecutive != nil {
		s.Consecutive = *c.Consecutive
	}
	if c.RecoverOver != nil {
		s.RecoverOver = time.Duration(*c.RecoverOver)
	}
	s.DryRun = c.DryRun
	if err := s.Validate(); err != nil {
		return s, err
	}
	_, err := c.Failures()
	return s, err
}

// setIf sets what is configured.
func setIf[T comparable](setting *T, configured T) {
	var zero T
	if configured != zero {
		*setting = configured
	}
}

// of is the configuration, without failure_status, that comes to s, every setting
// spelled out.
func of(s circuit.Settings) Config {
	recoverOver := caddy.Duration(s.RecoverOver)
	return Config{
		Window:        caddy.Duration(s.Window),
		MinCalls:      s.MinCalls,
		FailureRatio:  &s.FailureRatio,
		Consecutive:   &s.Consecutive,
		SlowCall:      caddy.Duration(s.SlowCall),
		SlowRatio:     s.SlowRatio,
		OpenFor:       caddy.Duration(s.OpenFor),
		OpenForMax:    caddy.Duration(s.OpenForMax),
		Probes:        s.Probes,
		ProbeTimeout:  caddy.Duration(s.ProbeTimeout),
		RecoverOver:   &recoverOver,
		MaxConcurrent: s.MaxConcurrent,
		DryRun:        s.DryRun,
	}
}

// Statuses is a set of HTTP statuses.
type Statuses [600]bool

// Has reports whether status is in the set; a nil set is empty.
func (s *Statuses) Has(status int) bool {
	return s != nil && status >= 0 && status < len(s) && s[status]
}

// Failures returns the statuses that count as failures.
func (c *Config) Failures() (*Statuses, error) { return StatusesOf(c.FailureStatus) }

// StatusesOf returns the set of statuses and classes that are configured to count as
// failures, that of the default if there are none. Others than 4xx and 5xx are refused:
// what counts as a failure counts as a success no more.
func StatusesOf(configured []int) (*Statuses, error) {
	if len(configured) == 0 {
		configured = []int{http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout}
	}
	failures := new(Statuses)
	for _, status := range configured {
		switch {
		case !mayFail(status):
			return nil, fmt.Errorf("failure_status: %d is neither a status from 400 to 599 nor the class 4 or 5", status)
		case status <= 5:
			for i := status * 100; i < status*100+100; i++ {
				failures[i] = true
			}
		default:
			failures[status] = true
		}
	}
	return failures, nil
}

// mayFail reports whether a status, or a class by its digit, can be that of a failure.
func mayFail(status int) bool { return status == 4 || status == 5 || status >= 400 && status <= 599 }
