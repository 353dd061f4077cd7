package integration

// canary_site_test.go writes configurations with a release, and reads what a gateway tells of
// it.

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/weirproxy/weir/governance/rollout"
	"github.com/weirproxy/weir/internal/freeport"
)

const (
	canarySeed = "checkout-2026-11"
	canaryKey  = "the first key of 32 bytes or more"
	// canaryUser is the key of most releases, and stageShown tells clients their stage.
	canaryUser = "key {header.X-User-Id}"
	stageShown = "response_header X-Stage"
)

// release is one site in front of the stages of a release with the name checkout.
type release struct {
	Admin   string
	Address string
	// Global are lines of the global options, Site of the site before canary_route.
	Global []string
	Site   []string
	// Options are lines of canary_route's block.
	Options []string
	// Stages are those of the block, each with its own.
	Stages []string
	// After are lines of the site behind canary_route.
	After []string
}

// newRelease returns a release on free addresses, without stages.
func newRelease(t testing.TB, options ...string) *release {
	t.Helper()
	return &release{
		Admin: freeport.Address(t), Address: freeport.Address(t),
		Options: append([]string{"seed " + canarySeed}, options...),
	}
}

// stage adds a stage whose directives are lines; stable has no share.
func (r *release) stage(name, share string, lines ...string) *release {
	r.Stages = append(r.Stages, fmt.Sprintf("stage %s %s {\n%s\n}", name, share, strings.Join(lines, "\n")))
	return r
}

// to is the directive that hands requests to a back end, without retries.
func to(v *version) string { return "reverse_proxy " + v.Address }

// URL is where the site answers.
func (r *release) URL() string { return "http://" + r.Address + "/" }

// Caddyfile returns the configuration.
func (r *release) Caddyfile() string {
	host, port, _ := strings.Cut(r.Address, ":")
	lines := []string{"{", "admin " + r.Admin, "auto_https off", "persist_config off"}
	lines = append(lines, r.Global...)
	lines = append(lines, "}", "http://:"+port+" {", "bind "+host)
	lines = append(lines, r.Site...)
	lines = append(lines, "canary_route checkout {")
	lines = append(lines, r.Options...)
	lines = append(lines, r.Stages...)
	lines = append(lines, "}")
	lines = append(lines, r.After...)
	return strings.Join(append(lines, "}", ""), "\n")
}

// start starts weir with the release.
func (r *release) start(t testing.TB) *Gateway {
	t.Helper()
	return Start(t, Weir(t), r.Admin, r.Caddyfile())
}

// releaseState is a release as the admin API shows it.
type releaseState struct {
	Killed bool `json:"killed"`
	Stages []struct {
		Name       string  `json:"name"`
		Percent    float64 `json:"percent"`
		Configured float64 `json:"configured_percent"`
		Requests   uint64  `json:"requests"`
	} `json:"stages"`
	Rollout struct {
		Stage   string `json:"stage"`
		Guarded bool   `json:"guarded"`
		rollout.Snapshot
	} `json:"rollout"`
}

// canaryState asks the admin API for the release.
func canaryState(t testing.TB, g *Gateway) *releaseState {
	t.Helper()
	return readState(t, g.Get("/governance/canaries/checkout"))
}

func readState(t testing.TB, a *Answer) *releaseState {
	t.Helper()
	s := new(releaseState)
	if err := json.Unmarshal([]byte(a.Body), s); err != nil || a.Status != http.StatusOK {
		t.Fatalf("/governance/canaries/checkout: %d %s", a.Status, a.Body)
	}
	return s
}

// decideCanary has an operator decide, and returns what the admin API shows then.
func decideCanary(t testing.TB, g *Gateway, decision string) *releaseState {
	t.Helper()
	return readState(t, g.Post("/governance/canaries/checkout", decision))
}

// percent is the share of a stage that runs, in per cent; -1 if there is no such stage.
func (s *releaseState) percent(stage string) float64 {
	for i := range s.Stages {
		if s.Stages[i].Name == stage {
			return s.Stages[i].Percent
		}
	}
	return -1
}
