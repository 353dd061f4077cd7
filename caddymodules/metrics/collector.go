package metrics

// collector.go shows what is counted to Prometheus and to the live-state registry.

import (
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/weirproxy/weir/governance/livestate"
	"github.com/weirproxy/weir/internal/metricset"
)

func init() {
	metricset.Add(collector{})
}

var (
	requestsDesc = prometheus.NewDesc("gateway_http_requests_total",
		"Number of requests, by route, method and the status the client got.",
		[]string{"route", "method", "status"}, nil)
	inFlightDesc = prometheus.NewDesc("gateway_http_requests_in_flight",
		"Number of requests whose answer is not over, by route.",
		[]string{"route"}, nil)

	durationOpts = prometheus.HistogramOpts{
		Name: "gateway_http_request_duration_seconds",
		Help: "Time from a request's arrival to the end of its answer, for streams to the answer's headers.",
	}
	requestSizeOpts = prometheus.HistogramOpts{
		Name:    "gateway_http_request_size_bytes",
		Help:    "Size of request bodies.",
		Buckets: sizeBuckets,
	}
	responseSizeOpts = prometheus.HistogramOpts{
		Name:    "gateway_http_response_size_bytes",
		Help:    "Size of response bodies as sent.",
		Buckets: sizeBuckets,
	}
)

// sizeBuckets are those of Caddy's own metrics, so that both can be compared, and
// two more for uploads: 256 B to 64 MiB.
var sizeBuckets = prometheus.ExponentialBuckets(256, 4, 10)

// newDurations returns the duration histograms of a route. Every route has a
// vector of its own, because routes differ in their buckets; to Prometheus they
// are one metric, since name, help and labels are the same.
func newDurations(buckets []float64) *prometheus.HistogramVec {
	opts := durationOpts
	opts.Buckets = slices.Clone(buckets)
	return prometheus.NewHistogramVec(opts, []string{"route", "method", "status"})
}

func newSizes(opts prometheus.HistogramOpts, route string) prometheus.Histogram {
	return prometheus.NewHistogramVec(opts, []string{"route"}).WithLabelValues(route).(prometheus.Histogram)
}

// collector reads the live state when it is scraped, so that a route which no
// configuration names any more has no series left.
type collector struct{}

// Describe implements prometheus.Collector.
func (collector) Describe(ch chan<- *prometheus.Desc) {
	ch <- requestsDesc
	ch <- inFlightDesc
	newDurations(defaultBuckets).Describe(ch)
	ch <- newSizes(requestSizeOpts, "").Desc()
	ch <- newSizes(responseSizeOpts, "").Desc()
}

// Collect implements prometheus.Collector.
func (collector) Collect(ch chan<- prometheus.Metric) {
	configured := make(map[string]*route)
	for _, held := range livestate.Default.List() {
		if rt, ok := held.State.(*route); ok {
			configured[rt.name] = rt
		}
	}
	for _, rt := range configured {
		ch <- prometheus.MustNewConstMetric(inFlightDesc, prometheus.GaugeValue, float64(rt.inFlight.Load()), rt.name)
		rt.collect(ch)
		for _, t := range rt.listTemplates() {
			_, taken := configured[t.name]
			t.taken.Store(taken)
			if !taken {
				t.collect(ch)
			}
		}
	}
}

func (rt *route) collect(ch chan<- prometheus.Metric) {
	ch <- rt.requestSize
	ch <- rt.responseSize
	counts, durations := rt.read()
	for p, n := range counts {
		ch <- prometheus.MustNewConstMetric(requestsDesc, prometheus.CounterValue, float64(n), rt.name, p.method, p.status)
	}
	if durations != nil {
		durations.Collect(ch)
	}
}

// read returns the route's counts and the durations to show. Of two recorders the
// older one is shown: it is that of the configuration that runs, while the new one
// may yet fail.
func (rt *route) read() (map[pair]uint64, *prometheus.HistogramVec) {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	counts := make(map[pair]uint64, len(rt.counts))
	for p, n := range rt.counts {
		counts[p] = n.Load()
	}
	if len(rt.recorders) == 0 {
		return counts, nil
	}
	return counts, rt.recorders[0].durations
}

// view shows a handler's route in the live-state registry.
type view struct {
	buckets []float64
	route   *route
}

// snapshot is what an operator sees of a route.
type snapshot struct {
	Name     string    `json:"name"`
	InFlight int64     `json:"in_flight"`
	Requests uint64    `json:"requests"` // those counted under a template among them
	Buckets  []float64 `json:"buckets"`
	// Templates are the requests by path template, where they are counted so.
	Templates map[string]uint64 `json:"templates,omitempty"`
}

// Snapshot implements livestate.View.
func (v *view) Snapshot() any {
	s := snapshot{Name: v.route.name, Buckets: v.buckets, InFlight: v.route.inFlight.Load()}
	s.Requests = v.route.requests()
	for _, t := range v.route.listTemplates() {
		if s.Templates == nil {
			s.Templates = make(map[string]uint64)
		}
		n := t.requests()
		s.Templates[t.name] = n
		s.Requests += n
	}
	return s
}

// requests is the number of all requests counted under the route's name.
func (rt *route) requests() (sum uint64) {
	counts, _ := rt.read()
	for _, n := range counts {
		sum += n
	}
	return sum
}

// Interface guards
var (
	_ prometheus.Collector = collector{}
	_ livestate.View       = (*view)(nil)
)
