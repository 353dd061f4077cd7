package openapi

// plan.go says how a handler treats each operation of a document.

import (
	"maps"
	"regexp"
	"slices"
	"sync"
	"sync/atomic"

	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2"

	"github.com/weirproxy/weir/governance/contract"
)

// mode is what is done with an operation's requests.
type mode uint8

const (
	enforced mode = iota
	reported
	skipped
)

var modes = [...]string{enforced: "enforce", reported: "report", skipped: "skip"}

func (m mode) String() string { return modes[m] }

// plan is how a handler treats the operations of a generation. It is made once for each, off the requests' way where
// that can be: a request makes it only if it is the first one after a swap.
type plan struct {
	generation *generation
	operations map[*contract.Operation]*operation
	missing    []string // operations that are configured, and not in the document
}

// plans are the plan of a handler, which is that for the latest generation it has seen.
type plans struct {
	making  sync.Mutex // held while one is made
	current atomic.Pointer[plan]
}

// operation is how a handler treats one operation.
type operation struct {
	*contract.Operation
	name         string
	mode         mode
	responses    mode // skipped: not judged
	maxBody      int64
	counts       *operationCounts
	placeholders caddy.ReplacerFunc
}

// planFor returns the plan for a generation.
func (h *Handler) planFor(g *generation) *plan {
	if p := h.plans.current.Load(); p != nil && p.generation == g {
		return p
	}
	h.plans.making.Lock()
	defer h.plans.making.Unlock()
	current := h.plans.current.Load()
	if current != nil && current.generation == g {
		return current
	}
	p := h.newPlan(g)
	if current != nil && current.generation.number > g.number {
		return p // for a request that has been overtaken by a newer document
	}
	if len(p.missing) > 0 {
		h.logger.Warn("the document does not have operations that the configuration names",
			zap.String("contract", h.Name), zap.Uint64("generation", g.number), zap.Strings("operations", p.missing))
	}
	h.plans.current.Store(p)
	return p
}

func (h *Handler) newPlan(g *generation) *plan {
	p := &plan{generation: g, operations: make(map[*contract.Operation]*operation)}
	byName := make(map[string]*operation)
	for _, op := range g.contract.Operations() {
		o := &operation{
			Operation: op, name: op.Name(), maxBody: h.MaxBody,
			counts: h.live.counts.operation(op.Name()), placeholders: placeholders(op),
		}
		o.mode = enforced
		if h.Mode == modeReport {
			o.mode = reported
		}
		p.operations[op] = o
		byName[unnamed(op.Method+" "+op.Template)] = o
		if op.ID != "" {
			byName[op.ID] = o
		}
	}
	each := func(names []string, do func(*operation, string)) {
		for _, name := range names {
			o := byName[name]
			if o == nil {
				o = byName[unnamed(name)]
			}
			if o != nil {
				do(o, name)
			} else if !slices.Contains(p.missing, name) {
				p.missing = append(p.missing, name)
			}
		}
	}
	each(h.ReportOnly, func(o *operation, _ string) { o.mode = reported })
	each(h.EnforceOnly, func(o *operation, _ string) { o.mode = enforced })
	each(h.Skip, func(o *operation, _ string) { o.mode = skipped })
	each(slices.Sorted(maps.Keys(h.MaxBodyOf)), func(o *operation, name string) { o.maxBody = h.MaxBodyOf[name] })
	for _, o := range p.operations {
		o.responses = h.responsesOf(o.mode)
	}
	return p
}

// parameters are those of a path template.
var parameters = regexp.MustCompile(`\{[^{}]*\}`)

// unnamed is a path template without the names of its parameters, which do not tell templates apart. Besides, a
// Caddyfile does not keep them all: it makes {host} {http.request.host}.
func unnamed(template string) string { return parameters.ReplaceAllLiteralString(template, "{}") }

// responsesOf is what is done with the responses of an operation whose requests are treated as m says.
func (h *Handler) responsesOf(m mode) mode {
	switch h.Responses {
	case modeEnforce:
		return m
	case modeReport:
		return max(m, reported)
	default:
		return skipped
	}
}

// placeholders returns what answers the placeholders of an operation, so that nothing is set for requests that ask
// for none.
func placeholders(op *contract.Operation) caddy.ReplacerFunc {
	return func(key string) (any, bool) {
		switch key {
		case "http.openapi.operation_id":
			return op.ID, true
		case "http.openapi.path_template":
			return op.Template, true
		default:
			return nil, false
		}
	}
}
