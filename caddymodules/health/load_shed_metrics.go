package health

// load_shed_metrics.go shows all load_sheds as Prometheus metrics, read when they
// are scraped.

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/weirproxy/weir/governance/livestate"
	"github.com/weirproxy/weir/governance/shed"
	"github.com/weirproxy/weir/internal/metricset"
)

// mostSheds caps the load_sheds shown: each has up to eleven series.
const mostSheds = 200

func init() { metricset.Add(new(shedCollector)) }

// shedCollector implements prometheus.Collector. It has no state: values survive
// reloads as what they tell of does, and what is gone leaves no series behind.
type shedCollector struct{}

var (
	shedLimitDesc = prometheus.NewDesc("gateway_load_shed_limit",
		"Requests that may be in flight at once.", []string{"load_shed"}, nil)
	shedInFlightDesc = prometheus.NewDesc("gateway_load_shed_in_flight",
		"Requests in flight; a stream counts until its headers.", []string{"load_shed"}, nil)
	shedRequestsDesc = prometheus.NewDesc("gateway_load_shed_requests_total",
		"Requests by priority and by what became of them: admitted, shed, or would_shed in a dry run.",
		[]string{"load_shed", "priority", "result"}, nil)
)

// Describe implements prometheus.Collector.
func (*shedCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- shedLimitDesc
	ch <- shedInFlightDesc
	ch <- shedRequestsDesc
}

// Collect implements prometheus.Collector.
func (*shedCollector) Collect(ch chan<- prometheus.Metric) {
	left := mostSheds
	for _, held := range livestate.Default.List() {
		h, ok := held.View.(*LoadShed)
		if !ok || left == 0 {
			continue
		}
		left--
		if limit := h.shedder.Limit(); limit > 0 {
			ch <- prometheus.MustNewConstMetric(shedLimitDesc, prometheus.GaugeValue, float64(limit), h.Name)
			ch <- prometheus.MustNewConstMetric(shedInFlightDesc, prometheus.GaugeValue, float64(h.shedder.InFlight()), h.Name)
		}
		for _, p := range shed.Priorities {
			for _, r := range shed.Results {
				ch <- prometheus.MustNewConstMetric(shedRequestsDesc, prometheus.CounterValue,
					float64(h.live.Counted(p, r)), h.Name, p.String(), r.String())
			}
		}
	}
}

// Interface guards
var _ prometheus.Collector = (*shedCollector)(nil)
