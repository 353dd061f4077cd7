package canary

// vary.go tells caches what the answer depends on, and knows which of them may keep it.

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
)

// addVary adds to Vary the request headers that the stage may depend on, beside those
// that are there. They are the same for all answers, whatever has decided this one.
func (h *Handler) addVary(header http.Header) {
	for _, name := range h.varies {
		vary(header, name)
	}
}

// configureVary finds the headers that the stage may depend on, before the rules' matchers
// are loaded.
func (h *Handler) configureVary() {
	names := make(http.Header)
	if len(h.trust) > 0 {
		vary(names, h.header)
	}
	for _, rule := range h.Rules {
		varyByMatchers(names, rule.MatchRaw)
	}
	if h.Cookie != nil {
		vary(names, "Cookie")
	}
	for _, text := range h.Key {
		varyByText(names, text)
	}
	h.varies = names["Vary"]
}

// varyByMatchers adds the headers that matchers look at, as far as can be told from the
// outside: an expression, say, can read whatever it likes.
func varyByMatchers(names http.Header, sets []caddy.ModuleMap) {
	for _, set := range sets {
		for _, matcher := range slices.Sorted(maps.Keys(set)) {
			switch raw := set[matcher]; matcher {
			case "header", "header_regexp":
				var fields map[string]json.RawMessage
				_ = json.Unmarshal(raw, &fields) // what is wrong with it is told when it is loaded
				for _, field := range slices.Sorted(maps.Keys(fields)) {
					if !strings.EqualFold(field, "Host") { // which no cache mixes up
						vary(names, http.CanonicalHeaderKey(field))
					}
				}
			case "not":
				var negated []caddy.ModuleMap
				_ = json.Unmarshal(raw, &negated)
				varyByMatchers(names, negated)
			default:
				varyByText(names, string(raw))
			}
		}
	}
}

// varyByText adds the headers that the placeholders of a text read.
func varyByText(names http.Header, text string) {
	const inHeader, inCookie, inAuth = "{http.request.header.", "{http.request.cookie.", "{http.auth."
	if strings.Contains(text, inCookie) {
		vary(names, "Cookie")
	}
	if strings.Contains(text, inAuth) {
		vary(names, "Authorization")
	}
	for _, rest, found := strings.Cut(text, inHeader); found; _, rest, found = strings.Cut(rest, inHeader) {
		// what follows a colon is a default
		if end := strings.IndexAny(rest, ":}"); end > 0 {
			vary(names, http.CanonicalHeaderKey(rest[:end]))
		}
	}
}

// vary adds a name to Vary if it is not there.
func vary(header http.Header, name string) {
	for _, line := range header["Vary"] {
		for token := range strings.SplitSeq(line, ",") {
			token = strings.TrimSpace(token)
			if token == "*" || strings.EqualFold(token, name) {
				return
			}
		}
	}
	header.Add("Vary", name)
}

// isShared reports whether the header of an answer says that shared caches may keep it
// (RFC 9111, and RFC 9213 for those of a CDN): then a cookie in it would be everybody's.
// Answers that say nothing may be kept as well, but caches do not when there is a
// cookie, and browsers would hardly ever get one.
func isShared(header http.Header, now time.Time) bool {
	if directivesOf(header["Cdn-Cache-Control"]).allowShared(false) {
		return true
	}
	expires, err := http.ParseTime(header.Get("Expires"))
	return directivesOf(header["Cache-Control"]).allowShared(err == nil && expires.After(now))
}

// directives is what a Cache-Control says about shared caches.
type directives struct {
	forbidden      bool // private or no-store
	public         bool
	sMaxAge        bool // it says for how long shared ones may keep the answer
	maxAge         bool // it says for how long all may
	sFresh, mFresh bool // that is longer than no time
}

// directivesOf reads the lines of a Cache-Control. A private that names headers is about
// these only.
func directivesOf(lines []string) (d directives) {
	for _, line := range lines {
		for part := range strings.SplitSeq(line, ",") {
			name, value, hasValue := strings.Cut(strings.TrimSpace(part), "=")
			switch strings.ToLower(name) {
			case "private":
				d.forbidden = d.forbidden || !hasValue
			case "no-store":
				d.forbidden = true
			case "public":
				d.public = true
			case "s-maxage":
				d.sMaxAge, d.sFresh = true, d.sFresh || isPositive(value)
			case "max-age":
				d.maxAge, d.mFresh = true, d.mFresh || isPositive(value)
			}
		}
	}
	return d
}

// allowShared reports whether shared caches may keep the answer. expires tells that Expires
// is in the future.
func (d directives) allowShared(expires bool) bool {
	switch {
	case d.forbidden:
		return false
	case d.public:
		return true
	case d.sMaxAge:
		return d.sFresh
	case d.maxAge:
		return d.mFresh
	default:
		return expires
	}
}

// isPositive reports whether a number of seconds, however large, is above 0.
func isPositive(seconds string) bool {
	seconds = strings.Trim(strings.TrimSpace(seconds), `"`)
	if strings.Trim(seconds, "0123456789") != "" {
		return false
	}
	return strings.Trim(seconds, "0") != ""
}
