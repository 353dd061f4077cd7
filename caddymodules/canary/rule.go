package canary

// rule.go gives stages to requests that match.

import (
	"fmt"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// Rule gives a stage to the requests that match.
type Rule struct {
	// MatchRaw are sets of matchers, of which one has to match. Default: everything matches.
	MatchRaw caddyhttp.RawMatcherSets `json:"match,omitempty" caddy:"namespace=http.matchers"`

	// Stage is the name of a stage. Required.
	Stage string `json:"stage,omitempty"`
}

// rule is a rule that is ready to be asked.
type rule struct {
	matchers caddyhttp.MatcherSets
	stage    int
}

// loadRules loads the matchers of the rules.
func (h *Handler) loadRules(ctx caddy.Context) error {
	h.rules = make([]rule, len(h.Rules))
	for i := range h.Rules {
		from := &h.Rules[i]
		h.rules[i].stage = h.stageNamed(from.Stage)
		if len(from.MatchRaw) == 0 {
			continue
		}
		loaded, err := ctx.LoadModule(from, "MatchRaw")
		if err != nil {
			return fmt.Errorf("loading the matcher of rule %d: %w", i+1, err)
		}
		if err := h.rules[i].matchers.FromInterface(loaded); err != nil {
			return fmt.Errorf("loading the matcher of rule %d: %w", i+1, err)
		}
	}
	return nil
}

func (h *Handler) checkRules() error {
	for i, rule := range h.Rules {
		if err := h.checkRule(rule); err != nil {
			return fmt.Errorf("rule %d: %w", i+1, err)
		}
	}
	return nil
}

func (h *Handler) checkRule(rule Rule) error {
	if h.stageNamed(rule.Stage) < 0 {
		return fmt.Errorf("there is no stage %q", rule.Stage)
	}
	return nil
}

// byRule reports whether a rule gives the request a stage.
func (h *Handler) byRule(r *http.Request, d *decision) (bool, error) {
	for i := range h.rules {
		matches, err := h.rules[i].matchers.AnyMatchWithError(r)
		if err != nil {
			return false, err
		}
		if matches {
			d.stage, d.reason = h.rules[i].stage, reasonRule
			return true, nil
		}
	}
	return false, nil
}
