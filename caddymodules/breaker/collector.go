package breaker

// collector.go shows all breakers as Prometheus metrics, read when they are scraped.

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/weirproxy/weir/governance/circuit"
	"github.com/weirproxy/weir/governance/livestate"
	"github.com/weirproxy/weir/internal/metricset"
)

// mostBreakers caps the breakers shown; each has about twenty series.
const mostBreakers = 500

func init() { metricset.Add(new(collector)) }

// collector implements prometheus.Collector. It has no state: values survive reloads
// as the breakers do.
type collector struct{}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("gateway_breaker_"+name, help, append([]string{"breaker"}, labels...), nil)
}

var (
	stateDesc       = desc("state", "State of the breaker: 0 closed, 1 half-open, 2 open.")
	forcedDesc      = desc("forced", "1 while an operator has decided the state.")
	shareDesc       = desc("share", "Part of its traffic that the breaker lets pass, between 0 and 1.")
	openedDesc      = desc("opened_total", "How often the breaker has opened by itself.")
	inFlightDesc    = desc("calls_in_flight", "Calls that are under way; a stream counts until its headers.")
	callsDesc       = desc("calls_total", "Calls that ended, by outcome: success, failure, neutral.", "outcome")
	slowDesc        = desc("slow_calls_total", "Calls that took longer than slow_call, ended or not.")
	refusedDesc     = desc("refused_total", "Requests that were refused or given to the fallback, by reason.", "reason")
	wouldRefuseDesc = desc("would_refuse_total", "Requests that a dry run let pass, by the reason to refuse them.", "reason")
	fallbacksDesc   = desc("fallbacks_total", "Requests given to the fallback: refused ones, and ones that failed.", "on")

	descs = []*prometheus.Desc{
		stateDesc, forcedDesc, shareDesc, openedDesc, inFlightDesc, callsDesc, slowDesc, refusedDesc, wouldRefuseDesc, fallbacksDesc,
	}

	states = map[string]float64{
		circuit.Closed.String():   0,
		circuit.HalfOpen.String(): 1,
		circuit.Open.String():     2,
	}
)

// Describe implements prometheus.Collector.
func (*collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range descs {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (*collector) Collect(ch chan<- prometheus.Metric) {
	left := mostBreakers
	for _, held := range livestate.Default.List() {
		handler, ok := held.View.(*Handler)
		if !ok {
			continue
		}
		if left--; left < 0 {
			return
		}
		collect(ch, handler.snapshot())
	}
}

func collect(ch chan<- prometheus.Metric, s snapshot) {
	name := strings.ToValidUTF8(s.Name, "\uFFFD") // an invalid label would end the process
	gauge := func(d *prometheus.Desc, value float64) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, name)
	}
	counter := func(d *prometheus.Desc, n uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), append([]string{name}, labels...)...)
	}
	forced := 0.0
	if s.Forced != "" {
		forced = 1
	}
	gauge(stateDesc, states[s.State])
	gauge(forcedDesc, forced)
	gauge(shareDesc, s.Share)
	gauge(inFlightDesc, float64(s.InFlight))
	counter(openedDesc, s.Opened)
	counter(callsDesc, s.Calls.Success, "success")
	counter(callsDesc, s.Calls.Failure, "failure")
	counter(callsDesc, s.Calls.Neutral, "neutral")
	counter(slowDesc, s.Calls.Slow)
	for reason, n := range s.Refused {
		counter(refusedDesc, n, string(reason))
	}
	for reason, n := range s.WouldRefuse {
		counter(wouldRefuseDesc, n, string(reason))
	}
	counter(fallbacksDesc, s.Fallbacks.Refused, "refused")
	counter(fallbacksDesc, s.Fallbacks.Failure, "failure")
}

// Interface guards
var _ prometheus.Collector = (*collector)(nil)
