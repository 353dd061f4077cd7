package exchange

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// page is a route that answers a host ("" for every one) with body, if the error has
// that status (0 for every one), and ends the routes for all of its errors, as a
// site's does.
func page(host, status, body string) string {
	route := `{"terminal": true, "handle": [{"handler": "subroute", "routes": [{`
	if host != "" {
		route = `{"match": [{"host": ["` + host + `"]}],` + route[1:]
	}
	if status != "" {
		route += `"match": [{"expression": "{http.error.status_code} == ` + status + `"}],`
	}
	return route + `"handle": [{"handler": "static_response", "body": "` + body + `"}]}]}]}`
}

func TestOpenEndedErrorRoutes(t *testing.T) {
	const mark = `{"handle": [{"handler": "vars", "marked": "yes"}]}`
	const ifMarked = `"match": [{"vars": {"marked": ["yes"]}}]`
	const rest = `{"handle": [{"handler": "static_response", "body": "the rest"}]}`
	tests := []struct {
		name, routes string
		body         string // empty: nothing is written
	}{
		{"no routes", ``, ""},
		{"a site that does not answer, and a catch-all", page("example.com", "404", "site") + "," + page("", "", "all"), ""},
		{"a site that does not answer, and a wildcard", page("example.com", "404", "site") + "," + page("*.com", "", "all"), ""},
		{"a site that answers, and a catch-all", page("example.com", "503", "site") + "," + page("", "", "all"), "site"},
		{"another site, and a catch-all", page("other.com", "", "site") + "," + page("", "", "all"), "all"},
		{"a catch-all that does not answer", page("other.com", "", "site") + "," + page("", "404", "all"), ""},
		{"one of two hosts", `{"match": [{"host": ["other.com"]}, {"host": ["example.com"]}], "terminal": true},` + rest, ""},
		{"neither of two hosts", `{"match": [{"host": ["a.com"]}, {"host": ["b.com"]}], "terminal": true},` + rest, "the rest"},
		{"a terminal route that matches by what a route before it did", mark + `,{` + ifMarked + `, "terminal": true},` + rest, ""},
		{"the same, and it does not match", `{` + ifMarked + `, "terminal": true},` + rest, "the rest"},
		{"a terminal route of a group that is satisfied", `{"group": "g"},{"group": "g", "terminal": true},` + rest, "the rest"},
		{"a terminal route of a group that is not", `{"group": "g", "match": [{"host": ["a.com"]}]},{"group": "g", "terminal": true},` + rest, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := server(t, "["+tt.routes+"]")
			for range 2 { // the server's own routes must stay as they are
				rec := httptest.NewRecorder()
				w := begun(rec, "GET")
				r := prepare(httptest.NewRequest("GET", "http://example.com/", nil), w, s)
				r = s.Errors.WithError(r, caddyhttp.Error(http.StatusServiceUnavailable, errTest))
				if err := openEnded(s.Errors.Routes).ServeHTTP(w, r); err != nil {
					t.Fatal(err)
				}
				if rec.Body.String() != tt.body || (w.status != 0) != (tt.body != "") {
					t.Errorf("status %d, body %q, want %q", w.status, rec.Body, tt.body)
				}
			}
		})
	}
}

// counting is a matcher that notes how often it is asked.
type counting struct {
	calls int
	err   error
}

func (m *counting) MatchWithError(*http.Request) (bool, error) {
	m.calls++
	return m.err == nil, m.err
}

func TestMatchersOfErrorRoutesAreAskedOnce(t *testing.T) {
	failure := errors.New("the matcher fails")
	matches, fails := new(counting), &counting{err: failure}
	routes := caddyhttp.RouteList{{MatcherSets: caddyhttp.MatcherSets{{fails}}, Terminal: true}}
	w := httptest.NewRecorder()
	if err := openEnded(routes).ServeHTTP(w, newRequest(w)); !errors.Is(err, failure) || fails.calls != 1 {
		t.Errorf("error %v after %d calls", err, fails.calls)
	}
	routes[0].MatcherSets = caddyhttp.MatcherSets{{matches}}
	if err := openEnded(routes).ServeHTTP(w, newRequest(w)); err != nil || matches.calls != 1 {
		t.Errorf("error %v after %d calls", err, matches.calls)
	}
}
