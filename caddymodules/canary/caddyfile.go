package canary

// caddyfile.go holds the directive canary_route.

import (
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/weirproxy/weir/governance/cohort"
	"github.com/weirproxy/weir/internal/caddyarg"
	_ "github.com/weirproxy/weir/internal/directiveorder" // places the directive
)

func init() {
	httpcaddyfile.RegisterHandlerDirective("canary_route", parseCaddyfile)
}

// parser reads a handler and remembers where its parts stand, for errors about how they go
// together.
type parser struct {
	httpcaddyfile.Helper
	h    *Handler
	seen map[string]bool

	stages, rules []caddyfile.Dispenser // where each of them stands
	guard, pin    caddyfile.Dispenser
}

// parseCaddyfile reads a handler from Caddyfile tokens. Syntax:
//
//	canary_route [<matcher>] <name> {
//		header [<name>] {
//			trust  private_ranges|<ip addresses and ranges...>
//			strict
//			pin
//		}
//		rule  <matcher> <stage>
//		rule  <stage> {
//			<matchers...>
//		}
//		key   <placeholders...>
//		cookie <name> {
//			keys    <key> [<key before>]
//			max_age <duration>
//		}
//		seed  <text>
//		guard {
//			stage              <stage>
//			steps              <shares...>
//			interval           <duration>
//			min_requests       <n>
//			max_error_increase <share>
//			max_latency_ratio  <n>
//			quantile           <share>
//			min_errors         <n>
//			alpha              <n>
//			on_fail            rollback|pause
//		}
//		stage <name> [<share>] {
//			<directives...>
//		}
//		response_header <name>
//		fallback_buffer <size>
//		no_fallback
//	}
//
// Rules and stages can be repeated. A matcher is *, a path or @name.
func parseCaddyfile(helper httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	p := &parser{Helper: helper, h: new(Handler), seen: make(map[string]bool)}
	p.Next() // consume the directive's name
	start := *p.Dispenser
	if !p.NextArg() {
		return nil, p.Err("a name is needed, as in: canary_route checkout")
	}
	p.h.Name = p.Val()
	if err := checkName(p.h.Name); err != nil {
		return nil, p.WrapErr(err)
	}
	if p.NextArg() {
		return nil, p.Errf("canary_route takes one name, got also %q", p.Val())
	}
	for p.NextBlock(0) {
		if err := p.option(); err != nil {
			return nil, err
		}
		if p.NextBlock(1) {
			return nil, p.Errf("there is no block here, got %q", p.Val())
		}
	}
	return p.h, p.together(&start)
}

func (p *parser) option() (err error) {
	h, d := p.h, p.Dispenser
	switch d.Val() {
	case "rule":
		return p.rule()
	case "stage":
		return p.stage()
	}
	if err := caddyarg.Once(d, p.seen); err != nil {
		return err
	}
	switch d.Val() {
	case "header":
		return p.header()
	case "key":
		return p.key()
	case "cookie":
		return p.cookie()
	case "seed":
		h.Seed, err = caddyarg.One(d)
		return err
	case "guard":
		p.guard = *d
		h.Guard = new(Guard)
		return h.Guard.unmarshalCaddyfile(d)
	case "response_header":
		if h.ResponseHeader, err = caddyarg.One(d); err != nil {
			return err
		}
		return wrap(d, h.checkResponseHeader())
	case "fallback_buffer":
		h.MaxBody, err = caddyarg.Size(d)
		return err
	case "no_fallback":
		h.NoFallback = true
		return caddyarg.Flag(d)
	default:
		return caddyarg.Unknown(d, "header", "rule", "key", "cookie", "seed", "guard", "stage",
			"response_header", "fallback_buffer", "no_fallback")
	}
}

// rule reads a rule with a matcher token, or with a block of matchers.
func (p *parser) rule() error {
	d := p.Dispenser
	p.rules = append(p.rules, *d)
	ahead := *d
	args := ahead.RemainingArgs()
	switch isToken := len(args) > 0 && args[0] != "" && strings.Contains("*/@", args[0][:1]); {
	case len(args) == 1 && !isToken:
		return p.ruleOfBlock()
	case len(args) != 2 || !isToken:
		return d.Err("rule takes a matcher, which is *, a path or @name, and a stage, as in: rule /v2/* canary; " +
			"for other matchers write: rule canary { header X-Beta yes }")
	}
	set, _, err := p.MatcherToken()
	if err != nil {
		return d.WrapErr(err)
	}
	d.NextArg()
	var sets caddyhttp.RawMatcherSets
	if set != nil {
		sets = caddyhttp.RawMatcherSets{set}
	}
	p.h.Rules = append(p.h.Rules, Rule{MatchRaw: sets, Stage: d.Val()})
	return nil
}

func (p *parser) ruleOfBlock() error {
	d := p.Dispenser
	d.NextArg()
	stage := d.Val()
	set, err := caddyhttp.ParseCaddyfileNestedMatcherSet(d)
	if err != nil {
		return err
	}
	if len(set) == 0 {
		return d.Errf("rule %s needs a matcher: put one before the stage, such as *, /path or @name, or several into a block", stage)
	}
	p.h.Rules = append(p.h.Rules, Rule{MatchRaw: caddyhttp.RawMatcherSets{set}, Stage: stage})
	return nil
}

// stage reads one stage and, as a subroute, its directives.
func (p *parser) stage() error {
	d := p.Dispenser
	start := *d
	segment := d.NextSegment()
	line := caddyfile.NewDispenser(segment)
	line.Next()
	args := line.RemainingArgs()
	var stage Stage
	switch len(args) {
	case 2:
		share, err := shareOf(&start, "stage "+args[0], args[1])
		if err != nil {
			return err
		}
		stage.Share = &share
		fallthrough
	case 1:
		stage.Name = args[0]
	default:
		return start.Err("stage takes a name and a share, as in: stage canary 5%; stable has no share")
	}
	if err := stage.check(); err != nil {
		return start.WrapErr(err)
	}
	if block := segment[1+len(args):]; len(block) > 0 {
		tokens := slices.Concat(segment[:1], block)
		subroute, err := httpcaddyfile.ParseSegmentAsSubroute(p.WithDispenser(caddyfile.NewDispenser(tokens)))
		if err != nil {
			return err
		}
		stage.HandleRaw = caddyconfig.JSONModuleObject(subroute, "handler", "subroute", nil)
	}
	p.stages = append(p.stages, start)
	p.h.Stages = append(p.h.Stages, stage)
	return p.layout(start)
}

// layout checks the stages so far, at the last of them.
func (p *parser) layout(at caddyfile.Dispenser) error {
	first, last := p.h.Stages[0], p.h.Stages[len(p.h.Stages)-1]
	if (first.HandleRaw == nil) != (last.HandleRaw == nil) {
		return at.Errf("of the stages %s and %s only one has directives: all have some, or none", first.Name, last.Name)
	}
	stages := p.h.cohortStages()
	if p.h.stageNamed(stableName) < 0 {
		stages = append(stages, cohort.Stage{Name: stableName, Rest: true}) // it may come yet
	}
	_, err := cohort.NewLayout(stages)
	return wrap(&at, err)
}

// together checks what the parts of the handler say of each other.
func (p *parser) together(start *caddyfile.Dispenser) error {
	h := p.h
	if h.stageNamed(stableName) < 0 {
		return start.WrapErr(errNoStable)
	}
	for i, rule := range h.Rules {
		if err := h.checkRule(rule); err != nil {
			return p.rules[i].WrapErr(err)
		}
	}
	if h.Guard != nil {
		if err := h.checkGuarded(h.Guard.stage()); err != nil {
			return p.guard.WrapErr(err)
		}
	}
	if h.pins() && h.Cookie == nil {
		return p.pin.WrapErr(errNoPinCookie)
	}
	return nil
}
