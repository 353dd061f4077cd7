package openapi

// response.go judges the answer to a request.

import (
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/weirproxy/weir/governance/contract"
	"github.com/weirproxy/weir/governance/contract/body"
	"github.com/weirproxy/weir/governance/contract/schema"
	"github.com/weirproxy/weir/internal/exchange"
)

// answer is the handler in place of next for requests whose answer is judged, and the writer that next gets.
//
// Where the answer is only reported, it goes out as it comes, and a copy is kept aside to judge it afterwards. Where
// the contract is enforced, the answer is held back until it is known to be good, within max_body.
type answer struct {
	exchange.Writer
	handler    *Handler
	op         *operation
	loose      bool // see contract.Match
	generation uint64
	x          *exchange.Exchange
	logged     *logged
	next       caddyhttp.Handler

	request  *http.Request
	method   string      // as it was before next, which may rewrite it
	original http.Header // as it was before next, to put it back; nil if nothing is refused

	state   state
	check   *contract.BodyCheck // nil if the body is not to be judged
	text    []byte              // what is held back, or the copy
	skipped bool                // not judged, or not wholly
	partial bool                // next may not have written all of it
	trailer http.Header         // the header of an answer that is held back and has trailers
	report  schema.Report
	took    time.Duration

	discarded int       // bytes
	cutAfter  time.Time // when a refused answer is cut off
}

// state is what becomes of what next writes.
type state uint8

const (
	passing  state = iota // it goes out
	copying               // it goes out, and a copy is kept
	holding               // it is kept, and nothing has gone out
	refusing              // it is thrown away
)

// ServeHTTP implements caddyhttp.Handler.
func (a *answer) ServeHTTP(w http.ResponseWriter, r *http.Request) error {
	a.Wrap(w, r, a)
	a.request, a.method = r, r.Method
	a.report.Max = a.handler.Limits.Violations
	if a.op.responses == enforced {
		a.original = maps.Clone(w.Header())
	}
	err := a.call(r)
	switch {
	case a.state == refusing:
		return a.refuse()
	case err != nil: // what next makes of it is weir's and Caddy's answer, and no upstream's
		if a.state == holding {
			a.putHeaderBack()
		}
		return err
	case a.Status() == 0: // nobody has answered
		return nil
	case a.check != nil && r.Context().Err() != nil && int64(len(a.text)) != declaredLength(a.Header()): // it may be incomplete
		a.partial = true
	}
	return a.finish()
}

// call calls next. Once an answer is refused, it is of no interest that it broke off, or was cut off.
func (a *answer) call(r *http.Request) error {
	defer func() {
		if a.state != refusing {
			return
		}
		if v := recover(); v != nil && v != http.ErrAbortHandler {
			panic(v)
		}
	}()
	return a.next.ServeHTTP(a, r)
}

// decide judges the status and the headers, and says what becomes of the body.
func (a *answer) decide(status int) {
	header := a.Header()
	if a.untouched(status, header) {
		a.skipped = true
		return
	}
	begun := time.Now()
	a.judgeHead(status, header)
	a.took = time.Since(begun)
	switch enforces := a.op.responses == enforced; {
	case enforces && a.report.Total > 0:
		a.state, a.cutAfter = refusing, begun.Add(longestDiscarded)
	case a.check == nil:
	case declaredLength(header) > a.op.maxBody:
		a.skip()
	case enforces:
		a.state = holding
	default:
		a.state = copying
	}
}

// untouched tells the answers that are none of a contract's business: streams, answers that ask to be passed on as they
// come (RFC 10036), which holding them back would break, answers to conditional and range requests, whose document describes the whole, what handlers of weir made up in place of the upstream, the status that
// reverse_proxy notes for a client that left before the upstream answered, and redirects and errors where the upstream
// may not see the operation in the request.
func (a *answer) untouched(status int, header http.Header) bool {
	return a.Streams() || isGRPC(header) || caddyhttp.IsIncremental(header) || a.x.RefusedBy != "" ||
		status == http.StatusPartialContent || status == http.StatusNotModified ||
		status == exchange.StatusClientClosed && a.request.Context().Err() != nil ||
		a.loose && status >= http.StatusMultipleChoices
}

func (a *answer) judgeHead(status int, header http.Header) {
	declared, ok := a.op.Response(status)
	if !ok {
		a.report.At("status", "")
		a.report.Add("", "undeclared", "status "+strconv.Itoa(status)+" is not declared")
		return
	}
	declared.Head(header, &a.report)
	if a.method == http.MethodHead || status == http.StatusNoContent {
		return
	}
	check, verdict := declared.Body(header)
	switch verdict {
	case contract.Check:
		a.check = check
	case contract.Unsupported:
		a.report.At("body", "")
		a.report.Add("", "content_type", "the content type must be one of: "+check.Accepted)
	case contract.Missing:
		a.report.At("body", "")
		a.report.Add("", "required", "a body is required")
	}
}

// broken reports whether the answer is not known to be complete at the client.
func (a *answer) broken() bool { return a.partial || a.Incomplete() }

func declaredLength(header http.Header) int64 {
	n, err := strconv.ParseInt(header.Get("Content-Length"), 10, 64)
	if err != nil {
		return -1
	}
	return n
}

// skip gives up judging the body.
func (a *answer) skip() { a.check, a.text, a.skipped = nil, nil, true }

// finish judges the body of an answer that is complete, and sends it if it was held back. What may be incomplete is
// judged if it was held back, so that no client gets around it by seeming to leave, but is no violation.
func (a *answer) finish() error {
	if a.check != nil && (!a.broken() || a.state == holding) {
		begun := time.Now()
		a.judgeBody()
		a.took += time.Since(begun)
	}
	if a.state == holding {
		switch {
		case a.report.Total > 0 && a.broken():
			a.putHeaderBack()
			a.report.Total = 0
			a.conclude()
			return caddyhttp.Error(exchange.StatusClientClosed, errIncomplete)
		case a.report.Total > 0:
			return a.refuse()
		}
		a.sendHeld()
	}
	a.conclude()
	return nil
}

func (a *answer) judgeBody() {
	text := a.text
	if coding := strings.Join(a.Header()["Content-Encoding"], ", "); coding != "" {
		var err error
		text, err = body.Decompress(coding, text, a.op.maxBody)
		switch {
		case err == nil:
		case err == body.ErrCorrupt:
			a.report.At("body", "")
			a.report.Add("", "content_encoding", "the body is not what its Content-Encoding says")
			return
		default: // too large, or a coding that only client and upstream know
			a.skipped = true
			return
		}
	}
	a.check.Check(text, a.Header(), &a.report)
}

// isGRPC tells answers that are gRPC messages, a stream of them if need be.
func isGRPC(header http.Header) bool {
	const grpc = "application/grpc"
	values := header["Content-Type"]
	return len(values) > 0 && len(values[0]) >= len(grpc) && strings.EqualFold(values[0][:len(grpc)], grpc)
}

// conclude counts the answer and reports what is wrong with it.
func (a *answer) conclude() {
	result, refused := responseOK, a.state == refusing
	switch {
	case refused:
		result = responseInvalid
	case a.report.Total > 0:
		result = responseReported
	case a.skipped || a.broken():
		result = responseSkipped
	}
	a.op.counts.responses[result].Add(1)
	if a.took > 0 {
		a.handler.live.counts.took(response, a.took)
	}
	if a.report.Total > 0 {
		a.handler.tell(finding{
			op: a.op, generation: a.generation, direction: response, report: &a.report,
			logged: a.logged, traceID: a.x.TraceID, refused: refused,
		})
	}
}

// refuse returns the error in place of the upstream's answer.
func (a *answer) refuse() error {
	a.state = refusing
	a.putHeaderBack()
	a.conclude()
	return a.handler.noAnswer()
}

// putHeaderBack makes the header what it was before the upstream answered.
func (a *answer) putHeaderBack() {
	header := a.Header()
	clear(header)
	maps.Copy(header, a.original)
}

// Interface guards
var _ caddyhttp.Handler = (*answer)(nil)
