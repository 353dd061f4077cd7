// Package directiveorder registers where weir's directives stand in the order of
// Caddyfile directives.
//
// Go initialises packages by import path and Caddy accepts an order only relative
// to a standard directive, inserting next to it. If every module registered its
// own place, the result would depend on the names of the packages; so all places
// are registered here, and every package with a directive imports this one.
// A directive whose package is not compiled in costs nothing: its name just
// never appears in a Caddyfile.
package directiveorder

import (
	"slices"

	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
)

// Group is a run of weir directives that stands, in its order, at one place
// among the standard ones.
type Group struct {
	// Position says on which side of Anchor the group stands.
	Position httpcaddyfile.Positional
	// Anchor is a directive of standard Caddy.
	Anchor string
	// Directives are the group's members, outermost first.
	Directives []string
}

// Groups is the documented order, outermost first. What observes a request
// stands right after tracing, so that it sees what every other handler does;
// what governs it stands before the directives that hold routes (invoke, handle,
// route), inside encode and after authentication.
var Groups = []Group{
	{
		Position:   httpcaddyfile.After,
		Anchor:     "tracing",
		Directives: []string{"trace_context", "request_metrics", "process_health"},
	},
	{
		Position:   httpcaddyfile.Before,
		Anchor:     "invoke",
		Directives: []string{"load_shed", "warm_up", "openapi_contract", "canary_route", "breaker"},
	},
}

func init() {
	for _, g := range Groups {
		directives := slices.Clone(g.Directives)
		// Caddy inserts next to the anchor, so of two directives placed after
		// it the later call comes out first.
		if g.Position == httpcaddyfile.After {
			slices.Reverse(directives)
		}
		for _, d := range directives {
			httpcaddyfile.RegisterDirectiveOrder(d, g.Position, g.Anchor)
		}
	}
}
