package integration

// metrics.go reads what a gateway tells about itself.

import (
	"fmt"
	"maps"
	"math"
	"net/http"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// Metrics is one scrape, by name of the metric.
type Metrics map[string]*dto.MetricFamily

// Metrics scrapes the admin API.
func (g *Gateway) Metrics() Metrics {
	g.t.Helper()
	a := g.Get("/metrics")
	if a.Status != http.StatusOK {
		g.t.Fatalf("GET /metrics: %d %s", a.Status, a.Body)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(a.Body))
	if err != nil {
		g.t.Fatalf("parsing metrics: %v", err)
	}
	return families
}

// Series returns the series of a metric by their labels, written as
// `method="GET",status="200"` in the order of the exposition. A histogram's value
// is its count.
func (m Metrics) Series(name string) map[string]float64 {
	series := make(map[string]float64)
	for _, metric := range m[name].GetMetric() {
		var labels []string
		for _, l := range metric.GetLabel() {
			labels = append(labels, fmt.Sprintf("%s=%q", l.GetName(), l.GetValue()))
		}
		series[strings.Join(labels, ",")] = value(metric)
	}
	return series
}

func value(m *dto.Metric) float64 {
	switch {
	case m.Counter != nil:
		return m.Counter.GetValue()
	case m.Gauge != nil:
		return m.Gauge.GetValue()
	case m.Histogram != nil:
		return float64(m.Histogram.GetSampleCount())
	default:
		return m.GetUntyped().GetValue()
	}
}

// Sum returns the sum of the series of a metric that have the given labels, which
// alternate with their values. It is 0 if there are none.
func (m Metrics) Sum(name string, labels ...string) float64 {
	want := make(map[string]string)
	for i := 0; i+1 < len(labels); i += 2 {
		want[labels[i]] = labels[i+1]
	}
	sum := 0.0
	for _, metric := range m[name].GetMetric() {
		left := maps.Clone(want)
		for _, l := range metric.GetLabel() {
			if left[l.GetName()] == l.GetValue() {
				delete(left, l.GetName())
			}
		}
		if len(left) == 0 {
			sum += value(metric)
		}
	}
	return sum
}

// Memory is what a process holds at rest.
type Memory struct {
	Heap       float64 // bytes of live objects, after a garbage collection
	Goroutines float64
}

// Memory measures a few times, each after a garbage collection, and returns the
// least of each value: requests that happen to be under way are not what stays.
func (g *Gateway) Memory() Memory {
	g.t.Helper()
	least := Memory{math.Inf(1), math.Inf(1)}
	for range 5 {
		if a := g.Get("/debug/pprof/heap?gc=1"); a.Status != http.StatusOK {
			g.t.Fatalf("GET /debug/pprof/heap?gc=1: %d %s", a.Status, a.Body)
		}
		m := g.Metrics()
		least.Heap = min(least.Heap, m.Sum("go_memstats_heap_alloc_bytes"))
		least.Goroutines = min(least.Goroutines, m.Sum("go_goroutines"))
	}
	if least.Heap == 0 || least.Goroutines == 0 {
		g.t.Fatal("the metrics lack go_memstats_heap_alloc_bytes or go_goroutines")
	}
	return least
}
