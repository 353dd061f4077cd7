package openapi

// collector.go shows all contracts as Prometheus metrics, read when they are scraped.

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/weirproxy/weir/governance/livestate"
	"github.com/weirproxy/weir/internal/metricset"
)

// mostContracts caps the contracts shown.
const mostContracts = 100

func init() { metricset.Add(collector{}) }

// collector has no state: values survive reloads as the contracts do, and names that no configuration has any more
// leave no series.
type collector struct{}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("gateway_contract_"+name, help, append([]string{"contract"}, labels...), nil)
}

var (
	requestsDesc = desc("requests_total",
		"Requests, by operation and result: ok, invalid, reported, skipped, unknown_path, unknown_method, unsupported, too_large, unavailable.",
		"operation", "result")
	responsesDesc = desc("responses_total", "Answers that were to be judged, by operation and result: ok, invalid, reported, skipped.",
		"operation", "result")
	violationsDesc = desc("violations_total", "Violations that were told, at most limits.violations of a request or an answer, by operation, direction (request, response) and code.",
		"operation", "direction", "code")
	infoDesc    = desc("document_info", "1 for the document in force.", "hash", "openapi", "origin")
	loadsDesc   = desc("loads_total", "Looks at the document's source, by result: ok, unchanged, error.", "result")
	staleDesc   = desc("stale", "1 while the source has a document that does not load, or cannot be read.")
	loadedDesc  = desc("last_load_timestamp_seconds", "When the source was last read and found good, in seconds since 1970.")
	missingDesc = desc("missing_operations", "Operations that the configuration names and the document in force does not have.")

	secondsOpts = prometheus.HistogramOpts{
		Name:    "gateway_contract_validation_seconds",
		Help:    "Time to judge a request or an answer, without reading it, by direction.",
		Buckets: secondsBuckets,
	}
)

// Describe implements prometheus.Collector.
func (collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		requestsDesc, responsesDesc, violationsDesc, infoDesc, loadsDesc, staleDesc, loadedDesc, missingDesc,
	} {
		ch <- d
	}
	newCounts("").seconds[request].Describe(ch)
}

// Collect implements prometheus.Collector.
func (collector) Collect(ch chan<- prometheus.Metric) {
	left := mostContracts
	for _, held := range livestate.Default.List() {
		h, ok := held.View.(*Handler)
		if !ok {
			continue
		}
		if left--; left < 0 {
			return
		}
		h.live.counts.collect(ch, h.Name)
		h.collectDocument(ch)
	}
}

func (c *counts) collect(ch chan<- prometheus.Metric, contract string) {
	counter := func(d *prometheus.Desc, n uint64, labels ...string) {
		if n > 0 { // a document has hundreds of operations, most of which nobody breaks
			ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), append([]string{contract}, labels...)...)
		}
	}
	for _, o := range c.all() {
		for i := range o.requests {
			counter(requestsDesc, o.requests[i].Load(), o.label, requestResults[i])
		}
		for i := range o.responses {
			counter(responsesDesc, o.responses[i].Load(), o.label, responseResults[i])
		}
		for kind, n := range o.kinds() {
			counter(violationsDesc, n, o.label, kind.direction.String(), kind.code)
		}
	}
	for _, seconds := range c.seconds {
		ch <- seconds
	}
}

func (h *Handler) collectDocument(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, append([]string{h.Name}, labels...)...)
	}
	if g := h.track.generation(); g != nil {
		gauge(infoDesc, 1, g.hash, g.openapi, g.origin)
		gauge(missingDesc, float64(len(h.planFor(g).missing)))
	}
	s := h.track.status()
	for i, n := range s.loads {
		ch <- prometheus.MustNewConstMetric(loadsDesc, prometheus.CounterValue, float64(n), h.Name, loadResults[i])
	}
	stale := 0.0
	if s.stale != nil {
		stale = 1
	}
	gauge(staleDesc, stale)
	if !s.loaded.IsZero() {
		gauge(loadedDesc, float64(s.loaded.UnixNano())/1e9)
	}
}

// Interface guards
var _ prometheus.Collector = collector{}
