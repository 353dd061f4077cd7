package canary

// settings.go holds the parts of the configuration, their defaults and checks.

import (
	"encoding/json"

	"github.com/caddyserver/caddy/v2"
)

// Stage is one stage of a release.
type Stage struct {
	// Name is at most 40 letters, digits, and -, _ or dots. Required.
	Name string `json:"name,omitempty"`

	// Share is the part of all cohorts that get the stage, from 0 to 1. With 0 it takes a
	// header, a rule or a pin to get there. Required, but for stable, which has what the others
	// leave.
	Share *float64 `json:"share,omitempty"`

	// HandleRaw is the handler for the stage's requests; a subroute holds several. What it
	// passes on goes to what comes after canary_route. Either all stages have one or none.
	// Default: none, the request passes on.
	HandleRaw json.RawMessage `json:"handle,omitempty" caddy:"namespace=http.handlers inline_key=handler"`
}

// Header is the request header that tells the stage.
type Header struct {
	// Name of the header. Default: X-Release-Stage.
	Name string `json:"name,omitempty"`

	// Trust are the IP addresses and ranges (CIDR) of the clients who may ask for a stage.
	// Default: none, the header is removed and never followed.
	Trust []string `json:"trust,omitempty"`

	// Strict answers a trusted client that asks for an unknown stage with 400. Default: the
	// header is ignored.
	Strict bool `json:"strict,omitempty"`

	// Pin keeps the stage that a trusted client asks for in its cookie, so that it has it
	// afterwards without the header. Needs a cookie. Default: the header is good for one
	// request.
	Pin bool `json:"pin,omitempty"`
}

// Cookie keeps a client's cohort, or the stage that it is pinned to.
type Cookie struct {
	// Name of the cookie. Required.
	Name string `json:"name,omitempty"`

	// Keys sign it: the first one, of at least 16 bytes, which should be random. Cookies that
	// are signed with the second one are still valid, so that a key can be changed. May
	// have placeholders such as {env.STAGE_KEY} and {file./run/secrets/stage}. Required.
	Keys []string `json:"keys,omitempty"`

	// MaxAge is how long it is kept, from 1 s to 400 days; that of a cohort begins anew when
	// half of it has passed. Default: 24h.
	MaxAge caddy.Duration `json:"max_age,omitempty"`
}
