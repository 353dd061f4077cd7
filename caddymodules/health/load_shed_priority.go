package health

// load_shed_priority.go tells how much a request matters.

import (
	"fmt"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/weirproxy/weir/governance/shed"
)

func (h *LoadShed) loadMatchers(ctx caddy.Context) error {
	for _, matcher := range []struct {
		field string
		raw   caddyhttp.RawMatcherSets
		sets  *caddyhttp.MatcherSets
	}{
		{"CriticalRaw", h.CriticalRaw, &h.critical},
		{"LowRaw", h.LowRaw, &h.low},
		{"ExemptRaw", h.ExemptRaw, &h.exempt},
	} {
		if len(matcher.raw) == 0 {
			continue
		}
		loaded, err := ctx.LoadModule(h, matcher.field)
		if err != nil {
			return fmt.Errorf("loading matchers: %w", err)
		}
		if err := matcher.sets.FromInterface(loaded); err != nil {
			return fmt.Errorf("loading matchers: %w", err)
		}
	}
	return nil
}

// classify tells a request's priority, or that it is none of the handler's business.
func (h *LoadShed) classify(r *http.Request) (p shed.Priority, exempt bool, err error) {
	if h.checks.has(r) {
		return shed.Normal, true, nil
	}
	if len(h.exempt) > 0 {
		if exempt, err = h.exempt.AnyMatchWithError(r); exempt || err != nil {
			return shed.Normal, exempt, err
		}
	}
	if len(h.critical) > 0 {
		if matches, err := h.critical.AnyMatchWithError(r); matches || err != nil {
			return shed.Critical, false, err
		}
	}
	if len(h.low) > 0 {
		if matches, err := h.low.AnyMatchWithError(r); matches || err != nil {
			return shed.Low, false, err
		}
	}
	return shed.Normal, false, nil
}
