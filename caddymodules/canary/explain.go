package canary

// explain.go tells an operator where a request would go, and why.

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/weirproxy/weir/governance/livestate"
	"github.com/weirproxy/weir/internal/problem"
)

// question is a request that an operator asks about.
type question struct {
	// Method is GET if it is empty.
	Method string `json:"method"`
	// Path may have a query; it is / if it is empty.
	Path string `json:"path"`
	// Headers has Host and Cookie, too.
	Headers map[string]string `json:"headers"`
	// RemoteIP is the client, to whom no proxy has lent its address.
	RemoteIP string `json:"remote_ip"`
}

// explanation is what would become of it. There are no stage and no reason if it would be
// refused.
type explanation struct {
	Stage   string   `json:"stage,omitempty"`
	Reason  string   `json:"reason,omitempty"`
	Refused *refused `json:"refused,omitempty"`
	// Cohort is where the client is between 0 and 1, if that decides.
	Cohort *float64 `json:"cohort,omitempty"`
	// Steps are those that were taken, in their order; the last one decides.
	Steps []step `json:"steps"`
}

type refused struct {
	Status int    `json:"status"`
	Detail string `json:"detail"`
}

// step is one thing that can decide, and what it says.
type step struct {
	Step string `json:"step"`
	Says string `json:"says"`
}

const questions = `{"method":"GET","path":"/v2/cart","headers":{"X-User-Id":"7"},"remote_ip":"192.0.2.1"}`

// explain decides about a request as about any other, but for nobody: it is not counted, and
// no cookie is set.
func (h *Handler) explain(body []byte) (any, error) {
	var q question
	if err := decode(body, &q, questions); err != nil {
		return nil, err
	}
	r, repl, err := q.request()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", livestate.ErrInvalid, err)
	}
	d, err := h.decide(r, repl)
	e := explanation{Steps: h.steps(r, &d, err)}
	if err != nil {
		p := problem.Of(err)
		e.Refused = &refused{p.Status, p.Detail}
		return e, nil
	}
	e.Stage, e.Reason = h.Stages[d.stage].Name, d.reason
	if d.hasPoint {
		at := d.point.Fraction()
		e.Cohort = &at
	}
	return e, nil
}

// request makes the request that is asked about, as Caddy would hand it over.
func (q *question) request() (*http.Request, *caddy.Replacer, error) {
	if q.Method == "" {
		q.Method = http.MethodGet
	}
	if q.Path == "" {
		q.Path = "/"
	}
	if !strings.HasPrefix(q.Path, "/") {
		return nil, nil, fmt.Errorf("path %q does not begin with a slash", q.Path)
	}
	target, err := url.ParseRequestURI(q.Path)
	if err != nil {
		return nil, nil, fmt.Errorf("path %q: %w", q.Path, err)
	}
	r, err := http.NewRequest(q.Method, target.String(), http.NoBody)
	if err != nil {
		return nil, nil, err
	}
	r.RequestURI = q.Path
	for name, value := range q.Headers {
		r.Header.Set(name, value)
	}
	r.Host = r.Header.Get("Host")
	r.Header.Del("Host")
	if q.RemoteIP != "" {
		if net.ParseIP(q.RemoteIP) == nil {
			return nil, nil, fmt.Errorf("remote_ip %q is no IP address", q.RemoteIP)
		}
		r.RemoteAddr = net.JoinHostPort(q.RemoteIP, "0")
	}
	repl := caddy.NewReplacer()
	return caddyhttp.PrepareRequest(r, repl, nil, new(caddyhttp.Server)), repl, nil
}

// steps tells what each step says, up to the one that decides.
func (h *Handler) steps(r *http.Request, d *decision, failed error) []step {
	if d.reason == reasonKilled {
		return []step{{"kill_switch", "on: everybody gets stable"}}
	}
	steps := []step{{"kill_switch", "off"}, {"header", h.headerSays(r, d)}}
	if d.reason == reasonHeader || failed != nil && d.ignored == ignoredUnknown {
		return steps
	}
	steps = append(steps, step{"rules", h.rulesSay(r, d, failed)})
	if d.reason == reasonRule || failed != nil {
		return steps
	}
	if h.pins() {
		steps = append(steps, step{"pin", cookieSays(d, d.reason == reasonPin, "the cookie pins to the stage")})
		if d.reason == reasonPin {
			return steps
		}
	}
	if len(h.keys) > 0 {
		says := "the request has none"
		if d.reason == reasonKey {
			says = "decides the cohort"
		}
		steps = append(steps, step{"key", says})
		if d.reason == reasonKey {
			return steps
		}
	}
	if h.signer != nil {
		steps = append(steps, step{"cookie", cookieSays(d, d.reason == reasonCookie, "has the cohort")})
		if d.reason == reasonCookie {
			return steps
		}
		return append(steps, step{"random", "the cohort is drawn, another each time you ask; the client's cookie keeps the one it gets"})
	}
	return append(steps, step{"random", "the cohort is drawn, for each request: there is no cookie to keep it"})
}

func (h *Handler) headerSays(r *http.Request, d *decision) string {
	switch {
	case d.reason == reasonHeader:
		return "asks for the stage, and the client is trusted"
	case d.ignored == ignoredUnknown:
		return "asks for a stage that does not exist"
	case d.ignored == ignoredUntrusted && isProxied(r.Header):
		return "is not followed: the client is not trusted, or it came through a proxy that is none of trusted_proxies"
	case d.ignored != "":
		return "is not followed: the client is not trusted"
	}
	return "asks for nothing"
}

func (h *Handler) rulesSay(r *http.Request, d *decision, failed error) string {
	switch {
	case failed != nil:
		return "could not be asked"
	case len(h.rules) == 0:
		return "there are none"
	case d.reason != reasonRule:
		return "none matches"
	}
	for i := range h.rules {
		if matches, err := h.rules[i].matchers.AnyMatchWithError(r); matches && err == nil {
			return fmt.Sprintf("rule %d of %d matches", i+1, len(h.rules))
		}
	}
	return "one matches"
}

func cookieSays(d *decision, decides bool, says string) string {
	switch {
	case decides:
		return says
	case d.badCookie != "":
		return "is not valid: " + string(d.badCookie)
	}
	return "says nothing"
}
