package canary

// writer.go is the visit as the owner of the writer of the stage: it sees the status, and adds
// to the header before that goes out.

import (
	"net/http"
	"time"

	"github.com/weirproxy/weir/internal/exchange"
)

// Begin implements exchange.Owner. A stream is told before the header is added to.
func (v *visit) Begin(status int) (hold bool) {
	streams := v.Streams()
	v.decorate(true)
	if streams {
		v.finish(status, status >= 500, v.body.Failed())
	}
	return false
}

// decorate adds to the header of the answer what the answer depends on, the stage and, if
// wanted, the cookie. It is done as late as can be: reverse_proxy adds the upstream's
// header to what is there, and whether the cookie may be set depends on it.
func (v *visit) decorate(withCookie bool) {
	h, header := v.handler, v.Header()
	h.addVary(header)
	if h.ResponseHeader != "" {
		header.Set(h.ResponseHeader, h.Stages[v.stage].Name)
	}
	if !withCookie || v.cookie == "" {
		return
	}
	// A 304 is for whoever has kept the answer, and is added to that.
	if v.Status() == http.StatusNotModified || isShared(header, time.Now()) {
		return
	}
	cookie := http.Cookie{
		Name:     h.Cookie.Name,
		Value:    v.cookie,
		Path:     "/",
		MaxAge:   int(time.Duration(h.Cookie.MaxAge) / time.Second),
		Secure:   v.secure,
		HttpOnly: true,
		SameSite: http.SameSiteLaxMode,
	}
	header.Add("Set-Cookie", cookie.String())
}

// Interface guards
var _ exchange.Owner = (*visit)(nil)
