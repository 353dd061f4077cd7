package route

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/routers/gorillamux"
)

const large = "box-3.0.json"

// sent are requests for all operations that a request can reach.
func sent(reachable []endpoint) (requests []*http.Request) {
	for _, e := range reachable {
		var path strings.Builder
		for i, piece := range strings.Split(e.template, "{") {
			if i > 0 {
				_, piece, _ = strings.Cut(piece, "}")
				path.WriteString("12345678901")
			}
			path.WriteString(piece)
		}
		requests = append(requests, httptest.NewRequest(strings.ToUpper(e.method), path.String(), nil))
	}
	return requests
}

// One operation is one lookup, of all operations of a large document in turn.
func BenchmarkMatch(b *testing.B) {
	tree, reachable, _ := document(b, large)
	requests := sent(reachable)
	params := make([]string, 0, 8)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		at := i % len(requests)
		got, values, ok := find(tree, reachable[at].method, requests[at].URL.EscapedPath(), params)
		if params = values; !ok || got != reachable[at] {
			b.Fatalf("got %v for %v", got, reachable[at])
		}
	}
}

// What most gateways do: a regular expression for each template, tried in turn, those without parameters first.
func BenchmarkRegexps(b *testing.B) {
	_, reachable, _ := document(b, large)
	type entry struct {
		endpoint
		pattern *regexp.Regexp
	}
	var routes, templated []entry
	parameter := regexp.MustCompile(`\\\{[^}]*\\\}`)
	for _, e := range reachable {
		r := entry{e, regexp.MustCompile("^" + parameter.ReplaceAllString(regexp.QuoteMeta(e.template), "([^/]+)") + "$")}
		if strings.Contains(e.template, "{") {
			templated = append(templated, r)
		} else {
			routes = append(routes, r)
		}
	}
	routes = append(routes, templated...)
	requests := sent(reachable)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		at := i % len(requests)
		path, found := requests[at].URL.EscapedPath(), false
		for _, r := range routes {
			if r.method == reachable[at].method && r.pattern.FindStringSubmatch(path) != nil {
				found = true
				break
			}
		}
		if !found {
			b.Fatalf("nothing for %v", reachable[at])
		}
	}
}

// kin-openapi's router, without servers.
func BenchmarkGorillamux(b *testing.B) {
	_, reachable, unreachable := document(b, large)
	doc, err := openapi3.NewLoader().LoadFromData(read(b, large))
	if err != nil {
		b.Fatal(err)
	}
	for _, template := range unreachable {
		doc.Paths.Delete(template)
	}
	doc.Servers = nil
	router, err := gorillamux.NewRouter(doc)
	if err != nil {
		b.Fatal(err)
	}
	requests := sent(reachable)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		at := i % len(requests)
		if _, _, err := router.FindRoute(requests[at]); err != nil {
			b.Fatal(reachable[at], err)
		}
	}
}
