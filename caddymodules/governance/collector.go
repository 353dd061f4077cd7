package governance

// collector.go shows the process's health as Prometheus metrics, read when they are
// scraped.

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/weirproxy/weir/governance/livestate"
	"github.com/weirproxy/weir/internal/metricset"
)

func init() { metricset.Add(new(collector)) }

// collector implements prometheus.Collector. It has no state.
type collector struct{}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("gateway_process_"+name, help, labels, nil)
}

var (
	signalLevelDesc = desc("health_level", "Level of a signal of the process: 0 healthy, 1 warning, 2 danger.", "signal")
	signalValueDesc = desc("health_value", "Moving average of a signal of the process: a ratio, seconds or a count, as its name says.", "signal")
	levelDesc       = desc("level", "Level that all signals of the process come to: 0 healthy, 1 warning, 2 danger.")
	pressureDesc    = desc("pressure", "Pressure on the process, between 0 and 1, by which load is shed.")
	weightDesc      = desc("weight", "Share of its traffic that the process advertises to want, above 0 and at most 1.")
	readyDesc       = desc("ready", "1 while the process is ready.")
	checkDesc       = desc("check_up", "1 while a check that readiness depends on succeeds.", "check")

	descs = []*prometheus.Desc{signalLevelDesc, signalValueDesc, levelDesc, pressureDesc, weightDesc, readyDesc, checkDesc}
)

// Describe implements prometheus.Collector.
func (*collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range descs {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (*collector) Collect(ch chan<- prometheus.Metric) {
	held, err := livestate.Default.Get(livestate.Key{Kind: healthKind, Name: healthName})
	if err != nil {
		return // nobody wants it
	}
	app, ok := held.View.(*App)
	if !ok {
		return
	}
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	report := app.live.Report()
	for _, s := range report.Signals {
		gauge(signalLevelDesc, float64(s.Level), s.Name)
		gauge(signalValueDesc, s.Value, s.Name)
	}
	gauge(levelDesc, float64(report.Level))
	gauge(pressureDesc, report.Pressure)
	gauge(weightDesc, report.Weight)
	gauge(readyDesc, one(report.Readiness.Ready))
	for _, c := range report.Checks {
		gauge(checkDesc, one(c.OK), c.Name)
	}
}

func one(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// Interface guards
var _ prometheus.Collector = (*collector)(nil)
