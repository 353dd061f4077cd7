package canary

// collector.go shows the state of all releases as Prometheus metrics, read when they are
// scraped.

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/weirproxy/weir/governance/livestate"
	"github.com/weirproxy/weir/governance/rollout"
	"github.com/weirproxy/weir/internal/metricset"
)

// mostCanaries caps the releases shown.
const mostCanaries = 500

func init() { metricset.Add(collector{}) }

// collector has no state: names that no configuration has any more leave no series.
type collector struct{}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("gateway_canary_"+name, help, append([]string{"canary"}, labels...), nil)
}

var (
	shareDesc     = desc("share", "Share of the cohorts that get the stage, between 0 and 1.", "stage")
	killedDesc    = desc("killed", "1 while an operator sends everybody to stable.")
	rollbacksDesc = desc("rollbacks_total", "How often the stage was rolled back, by reason: errors, latency, operator.", "reason")
	phaseDesc     = desc("phase", "1 for the phase that the rollout is in.", "phase")

	phases          = []rollout.Phase{rollout.Running, rollout.Paused, rollout.RolledBack, rollout.Done}
	rollbackReasons = []rollout.Rule{rollout.RuleErrors, rollout.RuleLatency, rollout.RuleOperator}
)

// Describe implements prometheus.Collector.
func (collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{shareDesc, killedDesc, rollbacksDesc, phaseDesc} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (collector) Collect(ch chan<- prometheus.Metric) {
	left := mostCanaries
	for _, held := range livestate.Default.List() {
		h, ok := held.View.(*Handler)
		if !ok || left == 0 {
			continue
		}
		left--
		h.collect(ch)
	}
}

func (h *Handler) collect(ch chan<- prometheus.Metric) {
	l := h.live
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, append([]string{h.Name}, labels...)...)
	}
	for _, stage := range h.layout.Load().Stages() {
		gauge(shareDesc, percent(stage.Share)/100, stage.Name)
	}
	gauge(killedDesc, one(l.killed.Load()))
	if l.subject < 0 {
		return
	}
	is := l.guard.Load().Snapshot(time.Now()).Phase
	for _, phase := range phases {
		gauge(phaseDesc, one(phase == is), string(phase))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, reason := range rollbackReasons {
		ch <- prometheus.MustNewConstMetric(rollbacksDesc, prometheus.CounterValue, float64(l.rollbacks[reason]), h.Name, string(reason))
	}
}

func one(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// Interface guards
var _ prometheus.Collector = collector{}
