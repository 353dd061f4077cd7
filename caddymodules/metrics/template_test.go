package metrics

import (
	"cmp"
	"fmt"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	dto "github.com/prometheus/client_model/go"

	"github.com/weirproxy/weir/internal/exchange"
)

const petTemplate = "/pets/{petId}"

// byTemplate is an observation of a request that was answered with 200.
func byTemplate(template string) observation { return observation{status: 200, template: template} }

func TestRequestsByTemplate(t *testing.T) {
	const sites = `http://site.test:$PORT {
	request_metrics %ROUTE%
	handle /pets/* {
		fault template
		respond "a pet"
	}
	respond "no pet"
}
`
	for _, tt := range []struct {
		route, label string
	}{
		{"", petTemplate},
		{"default", petTemplate},
		{"api", "api"},
	} {
		t.Run("route "+tt.route, func(t *testing.T) {
			g := start(t, strings.ReplaceAll(sites, "%ROUTE%", tt.route))
			g.do("GET", "/pets/1", nil)
			g.do("GET", "/pets/2", nil)
			g.do("HEAD", "/pets/2", nil)
			g.do("GET", "/other", nil)
			want := map[string]float64{tt.label + " GET 200": 2, tt.label + " HEAD 200": 1}
			want[cmp.Or(tt.route, defaultRoute)+" GET 200"]++
			g.wantCounts(want)
			g.wantMetric(`gateway_http_requests_in_flight{route="` + cmp.Or(tt.route, defaultRoute) + `"} 0`)
			g.wantMetric(`gateway_http_response_size_bytes_count{route="` + tt.label + `"} ` + strconv.Itoa(int(want[tt.label+" GET 200"]+1)))
		})
	}
}

// What is counted by template survives a reload, also one with other buckets.
func TestTemplatesSurviveAReload(t *testing.T) {
	const site = "http://site.test:$PORT {\n\trequest_metrics %s\n\tfault template\n\trespond ok\n}\n"
	g := start(t, fmt.Sprintf(site, "{\n\t\tbuckets 1\n\t}"))
	g.do("GET", "/", nil)
	g.wantCounts(map[string]float64{petTemplate + " GET 200": 1})
	g.reload(fmt.Sprintf(site, "{\n\t\tbuckets 1\n\t}") + "# again\n")
	g.do("GET", "/", nil)
	g.wantCounts(map[string]float64{petTemplate + " GET 200": 2})
	g.reload(fmt.Sprintf(site, "{\n\t\tbuckets 1 100\n\t}"))
	g.do("GET", "/", nil)
	g.wantMetric(`gateway_http_requests_total{method="GET",route="` + petTemplate + `",status="200"} 3`)
	g.wantMetric(`gateway_http_request_duration_seconds_bucket{method="GET",route="` + petTemplate + `",status="200",le="100"} 1`)
}

// A configured route and a template of the same name would be the same series, at which
// Prometheus refuses all of them.
func TestTemplateThatIsARoute(t *testing.T) {
	ctx := newContext(t)
	unnamed := provisioned(t, ctx, new(Handler)).recorder
	unnamed.methods[0].record(byTemplate("/orders"), testTime)
	gather := func(want map[string]float64) {
		t.Helper()
		families, err := ctx.GetMetricsRegistry().Gather() // a pedantic registry
		if err != nil {
			t.Fatal(err)
		}
		for route, n := range want {
			if got := requestsOf(families, route); got != n {
				t.Errorf("route %s: %v requests, want %v", route, got, n)
			}
		}
	}
	gather(map[string]float64{"/orders": 1, "default": 0})

	named := &Handler{Route: "/orders"}
	if err := named.Provision(newContext(t)); err != nil {
		t.Fatal(err)
	}
	named.recorder.methods[0].record(observation{status: 200}, testTime)
	named.recorder.methods[0].record(byTemplate("/pets"), testTime)
	gather(map[string]float64{"/orders": 2, "/pets": 0})
	unnamed.methods[0].record(byTemplate("/orders"), testTime)
	gather(map[string]float64{"/orders": 2, "default": 1})

	_ = named.Cleanup()
	gather(map[string]float64{"/orders": 1, "default": 1})
	unnamed.methods[0].record(byTemplate("/orders"), testTime)
	gather(map[string]float64{"/orders": 2, "default": 1})

	later := provisioned(t, ctx, &Handler{Route: "/later"}) // before the template is met
	later.recorder.methods[0].record(observation{status: 200}, testTime)
	unnamed.methods[0].record(byTemplate("/later"), testTime)
	gather(map[string]float64{"/later": 1, "default": 2})
}

func requestsOf(families []*dto.MetricFamily, route string) (sum float64) {
	for _, f := range families {
		if f.GetName() != "gateway_http_requests_total" {
			continue
		}
		for _, m := range f.GetMetric() {
			for _, label := range m.GetLabel() {
				if label.GetName() == "route" && label.GetValue() == route {
					sum += m.GetCounter().GetValue()
				}
			}
		}
	}
	return sum
}

func TestTemplatesAreCapped(t *testing.T) {
	rt := newRoute(defaultRoute)
	rec := rt.hold([]float64{1})
	for range 2 {
		for i := range maxTemplates + 5 {
			rec.methods[0].record(byTemplate("/t/"+strconv.Itoa(i)), testTime)
		}
	}
	rec.methods[0].record(byTemplate("/\xff"), testTime)
	if n := len(rt.listTemplates()); n != maxTemplates {
		t.Errorf("%d templates are counted apart, want %d", n, maxTemplates)
	}
	if n := rt.requests(); n != 11 {
		t.Errorf("%d requests are counted as the default route, want 11", n)
	}
	for _, template := range rt.listTemplates() {
		if n := template.requests(); n != 2 {
			t.Errorf("%s: %d requests, want 2", template.name, n)
		}
	}
	// Buckets that change with a reload are no way around the cap, and make no template new.
	again := rt.hold([]float64{2})
	rt.release(rec)
	again.methods[0].record(byTemplate("/t/0"), testTime)
	again.methods[0].record(byTemplate("/more"), testTime)
	rec.methods[0].record(byTemplate("/t/1"), testTime) // on its way since before
	if n := len(rt.listTemplates()); n != maxTemplates {
		t.Errorf("%d templates after a reload, want %d", n, maxTemplates)
	}
	for name, want := range map[string]int{"/t/0": 1, "/t/1": 1, "/t/2": 0} {
		if n := shownSeries(rt.templates[name]); n != want {
			t.Errorf("%s: %d histograms with the new buckets, want %d", name, n, want)
		}
	}
}

// shownSeries is the number of histograms of durations that the template shows.
func shownSeries(t *template) int {
	_, durations := t.read()
	if durations == nil {
		return 0
	}
	return count(durations)
}

// A request that is over when nobody holds the route any more is counted, and nothing
// is left behind.
func TestTemplateOfAReleasedRoute(t *testing.T) {
	rt := newRoute(defaultRoute)
	rec := rt.hold([]float64{1})
	rt.release(rec)
	rec.methods[0].record(byTemplate(petTemplate), testTime)
	if rt.requests() != 1 || len(rt.listTemplates()) != 0 {
		t.Errorf("%d requests, templates %v", rt.requests(), rt.listTemplates())
	}
}

func TestTemplatesConcurrently(t *testing.T) {
	rt := newRoute(defaultRoute)
	rec := rt.hold([]float64{1})
	const workers, each = 8, 300
	var wg sync.WaitGroup
	for i := range workers {
		wg.Go(func() {
			for n := range each {
				rec.methods[n%2].record(byTemplate("/t/"+strconv.Itoa((n+i)%50)), testTime)
			}
		})
	}
	wg.Go(func() {
		for range 20 {
			for _, template := range rt.listTemplates() {
				template.read()
			}
		}
	})
	wg.Go(func() { // a reload with other buckets
		next := rt.hold([]float64{2})
		rt.release(rec)
		next.methods[0].record(byTemplate("/t/0"), testTime)
	})
	wg.Wait()
	sum := rt.requests()
	for _, template := range rt.listTemplates() {
		sum += template.requests()
	}
	if sum != workers*each+1 {
		t.Errorf("%d requests are counted, want %d", sum, workers*each+1)
	}
}

func TestSnapshotWithTemplates(t *testing.T) {
	h := provisioned(t, newContext(t), &Handler{Buckets: []float64{1}})
	for _, template := range []string{"", petTemplate, petTemplate} {
		w := httptest.NewRecorder()
		r := prepared(w, "GET")
		exchange.From(r).RouteTemplate = template
		if err := h.ServeHTTP(w, r, ok); err != nil {
			t.Fatal(err)
		}
	}
	const want = `{"name":"default","in_flight":0,"requests":3,"buckets":[1],"templates":{"/pets/{petId}":2}}`
	if got := snapshotOf(t, h); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
