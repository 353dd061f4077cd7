package health

// load_shed_stream.go lets a request hold its place until it is answered or, if the
// answer is a stream, until its headers.

import (
	"net/http"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/weirproxy/weir/governance/shed"
	"github.com/weirproxy/weir/internal/exchange"
)

// hold calls next and gives the permit back at the end, also after a panic, which
// passes unchanged.
func (h *LoadShed) hold(x *exchange.Exchange, w http.ResponseWriter, r *http.Request, next caddyhttp.Handler, permit shed.Permit) error {
	held := &holder{permit: permit}
	defer func() { held.permit.Release(held.outcome) }()
	return held.serve(x, w, r, next)
}

// serve calls next and notes how the request ended.
func (h *holder) serve(x *exchange.Exchange, w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	h.Wrap(w, r, h)
	h.outcome = shed.Failed
	err := x.Serve(h, r, next)
	if err == nil && h.Status() < 500 && r.Context().Err() == nil {
		h.outcome = shed.Answered
	}
	return err
}

// holder is the owner of the writer of a request that holds a permit.
type holder struct {
	exchange.Writer
	permit  shed.Permit
	outcome shed.Outcome
}

// Begin implements exchange.Owner.
func (h *holder) Begin(int) (hold bool) {
	if h.Streams() {
		h.permit.Release(shed.Streaming)
	}
	return false
}

// Interface guards
var _ exchange.Owner = (*holder)(nil)
