package warmup

// observe.go sees how admitted calls end.

import (
	"cmp"
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/weirproxy/weir/governance/ramp"
	"github.com/weirproxy/weir/internal/exchange"
)

// admitted is a call, and the owner of the writer that sees how it is answered. A call counts when next has
// returned, as its answer can break off, but that of a stream and a failure counts
// when its headers are there: nothing after them makes it better. What the inner
// handlers put into the header is seen before an outer one takes it away, which
// Caddy's header directive does when they are written.
type admitted struct {
	exchange.Writer
	handler *Handler
	request *http.Request
	body    exchange.Body
	result  ramp.Result
	over    bool // and recorded
}

// observe calls next and records how it ended.
func observe(h *Handler, rw http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	w := &admitted{handler: h, request: r}
	w.Wrap(rw, r, w)
	if r.Body != nil && r.Body != http.NoBody {
		w.body.ReadCloser, r.Body = r.Body, &w.body
	}
	// A panic, such as that of reverse_proxy when an answer breaks off, passes unchanged
	// but counts: hence a status and no recover.
	status := http.StatusInternalServerError
	defer func() { w.end(status) }()
	err := next.ServeHTTP(w, r)
	status = cmp.Or(w.Status(), http.StatusOK)
	if err != nil {
		status = exchange.StatusOf(err)
	}
	return err
}

// Begin implements exchange.Owner.
func (w *admitted) Begin(status int) (hold bool) {
	w.readCache()
	if status >= 500 || w.Streams() {
		w.end(status)
		return false
	}
	w.result.Answered = true
	w.handler.live.ramp.Answered(time.Now())
	return false
}

func (w *admitted) readCache() {
	if hit := w.handler.CacheHit; hit != nil {
		w.result.Cache = cacheOf(w.Header(), hit.Header)
	}
}

// end records the call, once.
func (w *admitted) end(status int) {
	if w.over {
		return
	}
	w.over = true
	if w.Status() == 0 {
		w.readCache()
	}
	w.result.Outcome = w.outcome(status)
	w.handler.live.ramp.Record(time.Now(), w.result)
}

// outcome is what a status says about the service: nothing if the client went
// away or broke its body off, and that it works if the fault is the client's.
func (w *admitted) outcome(status int) ramp.Outcome {
	switch {
	case status == exchange.StatusClientClosed:
		return ramp.Neutral
	case status < 500:
		return ramp.Success
	case w.body.Failed() || w.Gone(w.request):
		return ramp.Neutral
	default:
		return ramp.Failure
	}
}

// Interface guards
var _ exchange.Owner = (*admitted)(nil)
