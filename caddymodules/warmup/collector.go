package warmup

// collector.go shows all warm-ups as Prometheus metrics, read when they are scraped.

import (
	"math"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/weirproxy/weir/governance/livestate"
	"github.com/weirproxy/weir/governance/ramp"
	"github.com/weirproxy/weir/internal/metricset"
)

// mostWarmups caps the warm-ups shown; each has about ten series.
const mostWarmups = 500

func init() { metricset.Add(collector{}) }

// collector has no state: names that no configuration has any more leave no series.
type collector struct{}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("gateway_warmup_"+name, help, append([]string{"warmup"}, labels...), nil)
}

var (
	shareDesc    = desc("share", "Share of the requests that is admitted, between 0 and 1; of warm-ups that grow a share.")
	rateDesc     = desc("rate", "Requests that are admitted a second, infinite when it is over; of warm-ups that grow a rate.")
	phaseDesc    = desc("phase", "1 for the phase that the warm-up is in.", "phase")
	requestsDesc = desc("requests_total", "Requests that came while the warm-up was not over, by what became of them: admitted, refused, would_refuse.", "result")
)

// Describe implements prometheus.Collector.
func (collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{shareDesc, rateDesc, phaseDesc, requestsDesc} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (collector) Collect(ch chan<- prometheus.Metric) {
	left := mostWarmups
	for _, held := range livestate.Default.List() {
		h, ok := held.View.(*Handler)
		if !ok || left == 0 {
			continue
		}
		left--
		s := h.snapshot()
		if s.Share != nil {
			gauge(ch, shareDesc, *s.Share, s.Name)
		} else {
			rate := math.Inf(1)
			if s.Rate != nil {
				rate = *s.Rate
			}
			gauge(ch, rateDesc, rate, s.Name)
		}
		for _, phase := range ramp.Phases {
			is := 0.0
			if phase == s.Phase {
				is = 1
			}
			gauge(ch, phaseDesc, is, s.Name, string(phase))
		}
		counter(ch, s.Requests.Admitted, s.Name, "admitted")
		counter(ch, s.Requests.Refused, s.Name, "refused")
		counter(ch, s.Requests.WouldRefuse, s.Name, "would_refuse")
	}
}

func gauge(ch chan<- prometheus.Metric, d *prometheus.Desc, value float64, labels ...string) {
	ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
}

func counter(ch chan<- prometheus.Metric, value uint64, labels ...string) {
	ch <- prometheus.MustNewConstMetric(requestsDesc, prometheus.CounterValue, float64(value), labels...)
}

// Interface guards
var _ prometheus.Collector = collector{}
