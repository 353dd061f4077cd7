package exchange

// errorroutes.go runs a server's error routes so that one can tell an error they
// answered from one they did not.

import (
	"net/http"
	"slices"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// unanswered is the end of the error routes: nobody has written anything.
var unanswered = caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error { return nil })

// openEnded compiles error routes as Caddy does, except that an error which no
// handler answers is left unanswered. Caddy gives it an empty answer where a terminal
// route ends, and in the Caddyfile the route of each site is terminal.
func openEnded(routes caddyhttp.RouteList) caddyhttp.Handler {
	var next caddyhttp.Handler = unanswered
	for _, route := range slices.Backward(routes) {
		if route.Terminal {
			next = openTerminal(route, next)
		} else {
			next = route.Compile(next)
		}
	}
	return next
}

// openTerminal compiles a terminal route that ends unanswered; rest is what follows
// where it does not match. Its matchers are asked once, in their turn, as they
// may fail, log and depend on the routes before them.
func openTerminal(route caddyhttp.Route, rest caddyhttp.Handler) caddyhttp.Handler {
	var matched reached
	var sets caddyhttp.MatcherSets
	for _, set := range route.MatcherSets {
		sets = append(sets, append(slices.Clip(set), &matched))
	}
	if sets == nil { // everything matches
		sets = caddyhttp.MatcherSets{{&matched}}
	}
	route.MatcherSets, route.Terminal = sets, false
	return route.Compile(caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		if matched {
			return unanswered(w, r)
		}
		return rest.ServeHTTP(w, r)
	}))
}

// reached is a matcher that stands behind others and notes that they all matched.
type reached bool

func (m *reached) MatchWithError(*http.Request) (bool, error) {
	*m = true
	return true, nil
}

// Interface guards
var _ caddyhttp.RequestMatcherWithError = (*reached)(nil)
