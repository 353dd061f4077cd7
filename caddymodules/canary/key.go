package canary

// key.go reads what tells one client from another.

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/caddyserver/caddy/v2"
)

// key is one text of Handler.Key. Where it is just one header or cookie, that is read without
// a replacer, which would allocate.
type key struct {
	header string // canonical
	cookie string
	text   string
}

// newKey reads a text that has at least one placeholder.
func newKey(text string) (key, error) {
	if !strings.Contains(text, "{") {
		return key{}, fmt.Errorf("key %q is the same for everybody; use a placeholder, such as {http.request.header.X-User-Id}", text)
	}
	inner, opened := strings.CutPrefix(text, "{")
	inner, closed := strings.CutSuffix(inner, "}")
	if opened && closed && !strings.ContainsAny(inner, `{}\:`) {
		if name, ok := strings.CutPrefix(inner, "http.request.header."); ok && name != "" {
			return key{header: http.CanonicalHeaderKey(name)}, nil
		}
		if name, ok := strings.CutPrefix(inner, "http.request.cookie."); ok && name != "" {
			return key{cookie: name}, nil
		}
	}
	return key{text: text}, nil
}

// of returns what the request has for the key, empty if nothing.
func (k *key) of(r *http.Request, repl *caddy.Replacer) string {
	switch {
	case k.header != "":
		values := r.Header[k.header]
		if len(values) == 1 {
			return values[0]
		}
		return strings.Join(values, ",") // as the placeholder
	case k.cookie != "":
		if cookie, err := r.Cookie(k.cookie); err == nil {
			return cookie.Value
		}
		return ""
	default:
		value, err := repl.ReplaceOrErr(k.text, true, true)
		if err != nil { // else all who lack what goes into it would be one client
			return ""
		}
		return value
	}
}

// keyOf returns the client's key, empty if it has none.
func (h *Handler) keyOf(r *http.Request, repl *caddy.Replacer) string {
	for i := range h.keys {
		if value := h.keys[i].of(r, repl); value != "" {
			return value
		}
	}
	return ""
}
