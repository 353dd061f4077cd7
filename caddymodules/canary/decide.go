package canary

// decide.go finds the stage of a request.

import (
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/weirproxy/weir/governance/cohort"
)

// The reasons of decisions, which are labels of metrics too.
const (
	reasonKilled   = "killed"
	reasonHeader   = "header"
	reasonRule     = "rule"
	reasonPin      = "pin"
	reasonKey      = "key"
	reasonCookie   = "cookie"
	reasonRandom   = "random"
	reasonFallback = "fallback" // stable answers for another stage; decide has no such
)

// reasons are all there are.
var reasons = []string{
	reasonKilled, reasonHeader, reasonRule, reasonPin, reasonKey, reasonCookie, reasonRandom, reasonFallback,
}

// Why a header was not followed, which are labels of metrics too.
const (
	ignoredUntrusted = "untrusted"
	ignoredUnknown   = "unknown"
)

// decision is what decide comes to.
type decision struct {
	stage  int    // index in Handler.Stages
	reason string // one of reasons

	point    cohort.Point // where the cohort decided
	hasPoint bool

	// setCookie is the value that the cookie is to have from now on, empty if it stays as
	// it is.
	setCookie string
	// ignored is why the header was not followed, empty if it was or there is none.
	ignored string
	// badCookie is why the cookie was refused, empty if it was not, or not looked at.
	badCookie cohort.TokenError
}

// decide finds the stage of a request; the first that has an opinion counts. It changes
// nothing in the request. The error is for the client: a header with an unknown stage where
// that is strict, or a rule that could not be asked.
func (h *Handler) decide(r *http.Request, repl *caddy.Replacer) (decision, error) {
	if h.live.killed.Load() {
		return decision{stage: h.stable, reason: reasonKilled}, nil
	}
	var d decision
	if followed, err := h.byHeader(r, &d); followed || err != nil {
		return d, err
	}
	if matched, err := h.byRule(r, &d); matched || err != nil {
		return d, err
	}
	h.byClient(r, repl, &d)
	return d, nil
}

// byClient gives the request the stage that its client is pinned to, or that of its cohort.
func (h *Handler) byClient(r *http.Request, repl *caddy.Replacer, d *decision) {
	var claim cohort.Claim
	isKnown := false
	if h.pins() {
		claim, isKnown = h.openCookie(r, d)
		if stage := h.stageNamed(claim.Stage); isKnown && stage >= 0 {
			d.stage, d.reason = stage, reasonPin
			return
		}
	}
	if value := h.keyOf(r, repl); value != "" {
		h.byCohort(d, reasonKey, h.hasher.Point(value))
		return
	}
	if h.signer == nil {
		h.byCohort(d, reasonRandom, cohort.Point(rand.Uint64()))
		return
	}
	if !h.pins() {
		claim, isKnown = h.openCookie(r, d)
	}
	now := time.Now()
	if !isKnown || claim.Stage != "" { // a pin to what has gone is no cohort
		h.byCohort(d, reasonRandom, cohort.Point(rand.Uint64()))
		d.setCookie = h.seal(d.point, now)
		return
	}
	h.byCohort(d, reasonCookie, claim.Point)
	if h.isOld(claim, now) {
		d.setCookie = h.seal(d.point, now)
	}
}

func (h *Handler) byCohort(d *decision, reason string, point cohort.Point) {
	d.stage, d.reason = h.layout.Load().At(point), reason
	d.point, d.hasPoint = point, true
}

// stageNamed is the index in Stages, -1 if there is none of that name.
func (h *Handler) stageNamed(name string) int {
	for i := range h.Stages {
		if h.Stages[i].Name == name {
			return i
		}
	}
	return -1
}
