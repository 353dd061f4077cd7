package openapi

// request.go takes a request through the contract, up to the handler that comes next.

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/weirproxy/weir/governance/contract"
	"github.com/weirproxy/weir/governance/contract/body"
	"github.com/weirproxy/weir/governance/contract/schema"
	"github.com/weirproxy/weir/internal/exchange"
)

// check is what it takes to judge one request. It is used again for another one, so that what is right costs few
// allocations.
type check struct {
	match  contract.Match
	report schema.Report
	plan   *plan
	op     *operation
	x      *exchange.Exchange
	logged *logged // nil where the server logs nothing

	took   time.Duration // validation, without the time that the client took
	status int           // to refuse with, once there are violations; 0: that for parameters
	result requestResult // requestOK: as the violations say
}

var checks = sync.Pool{New: func() any { return new(check) }}

func (h *Handler) newCheck(p *plan, x *exchange.Exchange) *check {
	c := checks.Get().(*check)
	c.plan, c.x = p, x
	c.report.Max, c.report.Values = h.Limits.Violations, h.EchoValues
	return c
}

// free gives c back. What the match still has of the request, the next one overwrites.
func (c *check) free() {
	clear(c.report.Violations)
	match, kept := c.match, c.report.Violations[:0]
	match.Operation = nil
	*c = check{match: match, report: schema.Report{Violations: kept}}
	checks.Put(c)
}

// ServeHTTP implements caddyhttp.MiddlewareHandler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	x := exchange.From(r)
	g, err := h.generation(r.Context())
	if err != nil {
		return x.Serve(w, r, h.unavailable(next))
	}
	c := h.newCheck(h.planFor(g), x)
	err = h.judge(c, w, r)
	op, loose, logged := c.op, c.match.Loose, c.logged
	c.free()
	switch {
	case err != nil:
		next = failing(err)
	case op != nil && op.responses != skipped && h.sampled():
		next = &answer{handler: h, op: op, loose: loose, generation: g.number, x: x, logged: logged, next: next}
	}
	return x.Serve(w, r, next)
}

// generation is the document in force; a lazy one may have to be loaded.
func (h *Handler) generation(ctx context.Context) (*generation, error) {
	if g := h.track.generation(); g != nil {
		return g, nil
	}
	return h.track.wait(ctx)
}

// sampled tells whether the response to a request is to be judged.
func (h *Handler) sampled() bool { return h.ResponseShare >= 1 || rand.Float64() < h.ResponseShare }

// judge returns an error for a request that may not pass. It sets c.op if the document has an operation for it.
func (h *Handler) judge(c *check, w http.ResponseWriter, r *http.Request) error {
	h.find(c, method(r), r.URL.EscapedPath())
	if c.match.Operation == nil {
		return h.unknown(c, w, r)
	}
	op := c.plan.operations[c.match.Operation]
	c.op = op
	c.x.RouteTemplate = op.Template
	ctx := r.Context()
	if repl, ok := ctx.Value(caddy.ReplacerCtxKey).(*caddy.Replacer); ok {
		repl.Map(op.placeholders)
	}
	c.logged = addToAccessLog(ctx, op.name, c.plan.generation.number)
	if op.mode == skipped {
		op.counts.requests[requestSkipped].Add(1)
		return nil
	}
	err := h.checkRequest(c, w, r)
	h.live.counts.took(request, c.took)
	if err != nil { // the body could not be read
		op.counts.requests[c.result].Add(1)
		return err
	}
	return h.conclude(c)
}

// find looks up the operation of a request. What would pass because its path or method is unknown must not be a request
// that the upstream takes for one of an operation.
func (h *Handler) find(c *check, method, path string) {
	document := c.plan.generation.contract
	document.Match(method, path, &c.match)
	status := h.UnknownPath
	if c.match.PathKnown {
		status = h.UnknownMethod
	}
	passes := status == 0 || h.Mode == modeReport
	if c.match.Operation == nil && passes {
		document.MatchLoosely(method, path, &c.match)
	}
}

// method is the request's. WebSocket over HTTP/2 and HTTP/3 is CONNECT (RFC 8441, RFC 9220), which upstreams get as the
// GET that documents describe.
func method(r *http.Request) string {
	if r.Method == http.MethodConnect && r.ProtoMajor >= 2 && r.URL.Path != "" {
		return http.MethodGet
	}
	return r.Method
}

// checkRequest judges the request: parameters, then content type, then body. Its error is for a client that did not
// send its body.
func (h *Handler) checkRequest(c *check, w http.ResponseWriter, r *http.Request) error {
	begun := time.Now()
	c.match.Head(r, &c.report)
	c.took = time.Since(begun)
	if c.report.Total > 0 && c.op.mode == enforced || r.Method == http.MethodConnect { // whose body is a tunnel
		return nil
	}
	bodyCheck, verdict := c.op.RequestBody(r)
	switch verdict {
	case contract.Check:
		return h.checkBody(c, bodyCheck, w, r)
	case contract.Unsupported:
		c.unsupported("content_type", "the content type must be one of: "+bodyCheck.Accepted)
		if c.op.mode == enforced {
			w.Header().Set("Accept", bodyCheck.Accepted)
		}
	case contract.Missing:
		c.bodyViolation(h.BodyStatus, "required", "a body is required")
	}
	return nil
}

// checkBody reads the body and judges it.
func (h *Handler) checkBody(c *check, bodyCheck *contract.BodyCheck, w http.ResponseWriter, r *http.Request) error {
	text, err := h.read(c, w, r)
	switch {
	case errors.Is(err, errTooLarge):
		c.tooLarge()
		return nil
	case err != nil && c.op.mode == enforced:
		c.result, err = h.unread(r, err)
		return err
	case err != nil: // whoever comes next finds out
		if c.report.Total == 0 {
			c.result = requestSkipped
		}
		return nil
	}
	begun := time.Now()
	defer func() { c.took += time.Since(begun) }()
	if coding := strings.Join(r.Header["Content-Encoding"], ", "); coding != "" {
		text, err = body.Decompress(coding, text, c.op.maxBody)
		switch {
		case errors.Is(err, body.ErrTooLarge):
			c.tooLarge()
			return nil
		case errors.Is(err, body.ErrCoding):
			c.unsupported("content_encoding", "the content coding must be gzip, deflate, zstd or br")
			if c.op.mode == enforced {
				w.Header().Set("Accept-Encoding", "gzip, deflate, zstd, br")
			}
			return nil
		case err != nil:
			c.bodyViolation(h.BodyStatus, "content_encoding", "the body is not what its Content-Encoding says")
			return nil
		}
	}
	bodyCheck.Check(text, r.Header, &c.report)
	c.refuseWith(h.BodyStatus)
	return nil
}

// bodyViolation notes something that is wrong with the body as a whole.
func (c *check) bodyViolation(status int, code, detail string) {
	c.report.At("body", "")
	c.report.Add("", code, detail)
	c.refuseWith(status)
}

func (c *check) unsupported(code, detail string) {
	c.result = requestUnsupported
	c.bodyViolation(http.StatusUnsupportedMediaType, code, detail)
}

func (c *check) tooLarge() {
	c.result = requestTooLarge
	c.bodyViolation(http.StatusRequestEntityTooLarge, "too_large", "the body is too large")
}

// refuseWith sets the status for the violations of a body. Those of parameters have been dealt with before, unless
// nothing is refused.
func (c *check) refuseWith(status int) { c.status = status }

// conclude counts the request, reports what is wrong with it, and returns an error if it may not pass.
func (h *Handler) conclude(c *check) error {
	result := c.result
	switch {
	case result != requestOK:
	case c.report.Total == 0:
	case c.op.mode == enforced:
		result = requestInvalid
	default:
		result = requestReported
	}
	c.op.counts.requests[result].Add(1)
	if c.report.Total == 0 {
		return nil
	}
	h.tell(finding{
		op: c.op, generation: c.plan.generation.number, direction: request, report: &c.report,
		logged: c.logged, traceID: c.x.TraceID, refused: c.op.mode == enforced,
	})
	if c.op.mode != enforced {
		return nil
	}
	if c.status == 0 {
		c.status = h.ParameterStatus
	}
	return h.refusal(c.status, c.op, &c.report)
}
