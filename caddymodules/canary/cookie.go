package canary

// cookie.go reads and renews the cookie with the cohort or the pin of a client.

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/caddyserver/caddy/v2"

	"github.com/weirproxy/weir/governance/cohort"
)

const (
	defaultMaxAge = 24 * time.Hour
	// maxMaxAge is the longest that browsers keep a cookie (RFC 6265bis, 5.5).
	maxMaxAge = 400 * 24 * time.Hour
	// maxCookies is how many cookies of the name are looked at, as each takes a signature.
	maxCookies = 5
)

// pins reports whether clients can be pinned to stages.
func (h *Handler) pins() bool { return h.Header != nil && h.Header.Pin }

// openCookie returns what the first valid one of the client's cookies says, and whether there
// is one. A client may send several of one name: what another host of the domain, or
// somebody on it, has set for all of them is not replaced by what this one sets.
func (h *Handler) openCookie(r *http.Request, d *decision) (cohort.Claim, bool) {
	var bad cohort.TokenError
	cookies := r.CookiesNamed(h.Cookie.Name)
	for _, cookie := range cookies[:min(len(cookies), maxCookies)] {
		claim, err := h.signer.Open(cookie.Value, time.Now())
		if err == nil {
			return claim, true
		}
		if bad == "" {
			bad, _ = errors.AsType[cohort.TokenError](err)
		}
	}
	d.badCookie = bad
	return cohort.Claim{}, false
}

// seal returns the value of a cookie with a cohort.
func (h *Handler) seal(point cohort.Point, now time.Time) string {
	return h.signer.Seal(point, now, now.Add(time.Duration(h.Cookie.MaxAge)))
}

// isOld reports whether half of a cookie's time has passed.
func (h *Handler) isOld(claim cohort.Claim, now time.Time) bool {
	return now.Sub(claim.Issued) >= claim.Expires.Sub(claim.Issued)/2
}

// pin has the cookie keep the stage of the decision, unless it does already.
func (h *Handler) pin(r *http.Request, d *decision) {
	stage := h.Stages[d.stage].Name
	now := time.Now()
	if claim, isKnown := h.openCookie(r, d); isKnown && claim.Stage == stage && !h.isOld(claim, now) {
		return
	}
	// it cannot fail: names of stages are not that long
	d.setCookie, _ = h.signer.SealPin(stage, now, now.Add(time.Duration(h.Cookie.MaxAge)))
}

// check fills in the default and refuses what makes no sense without the keys.
func (c *Cookie) check() error {
	switch {
	case c.Name == "":
		return errors.New("cookie: a name is needed, as in: cookie weir_cohort")
	case !httpguts.ValidHeaderFieldName(c.Name):
		return fmt.Errorf("cookie: %q is not a valid name", c.Name)
	case len(c.Keys) == 0:
		return errors.New("cookie: keys are needed to sign it, as in: keys {env.STAGE_KEY}")
	case len(c.Keys) > 2:
		return fmt.Errorf("keys: there are %d, at most two are of use: the present one and the one before", len(c.Keys))
	}
	if c.MaxAge == 0 {
		c.MaxAge = caddy.Duration(defaultMaxAge)
	}
	if age := time.Duration(c.MaxAge); age < time.Second || age > maxMaxAge {
		return fmt.Errorf("max_age: %s is not from 1s to %s", age, maxMaxAge)
	}
	for i, key := range c.Keys {
		if key == "" {
			return fmt.Errorf("keys: key %d is empty; set it or leave it out", i+1)
		}
		if !strings.Contains(key, "{") && len(key) < cohort.MinKey {
			return fmt.Errorf("keys: key %d has less than %d bytes; make one with: openssl rand -hex 32", i+1, cohort.MinKey)
		}
	}
	return nil
}

// newSigner fills in the placeholders of the keys. Its errors hold no part of a key.
func (h *Handler) newSigner() (*cohort.Signer, error) {
	repl := caddy.NewReplacer()
	var keys [][]byte
	for i, text := range h.Cookie.Keys {
		value, err := repl.ReplaceOrErr(text, true, true)
		switch {
		case err != nil && isPlaceholder(text):
			return nil, fmt.Errorf("keys: key %d is empty: %s is not set; set it or leave it out", i+1, text)
		case err != nil:
			return nil, fmt.Errorf("keys: a placeholder of key %d is unknown or not set", i+1)
		case len(value) < cohort.MinKey:
			return nil, fmt.Errorf("keys: key %d has less than %d bytes; make one with: openssl rand -hex 32", i+1, cohort.MinKey)
		}
		keys = append(keys, []byte(value))
	}
	return cohort.NewSigner(h.Name+"\x00"+h.Seed, keys...)
}

// isPlaceholder reports whether a text names where a key is, so that it may be shown.
func isPlaceholder(text string) bool {
	return strings.HasSuffix(text, "}") && (strings.HasPrefix(text, "{env.") || strings.HasPrefix(text, "{file.")) &&
		strings.Count(text, "{") == 1
}
