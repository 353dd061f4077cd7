package consul

// collector_registration.go shows all registrations as Prometheus metrics, read when they
// are scraped.

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/weirproxy/weir/governance/lease"
	"github.com/weirproxy/weir/governance/livestate"
	"github.com/weirproxy/weir/internal/metricset"
)

// mostRegistrations caps the registrations shown; each has eleven series.
const mostRegistrations = 500

func init() { metricset.Add(registrationCollector{}) }

// registrationCollector has no state: registrations that no configuration has any more
// leave no series.
type registrationCollector struct{}

func registrationDesc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("gateway_registration_"+name, help, append([]string{"registration"}, labels...), nil)
}

var (
	registeredDesc    = registrationDesc("registered", "1 while the process is registered with Consul, as far as Consul told.")
	registrationsDesc = registrationDesc("registrations_total", "How often the key was acquired.")
	renewalsDesc      = registrationDesc("renewals_total", "Renewals of the session that succeeded.")
	updatesDesc       = registrationDesc("updates_total", "Writes of a changed value that succeeded.")
	failuresDesc      = registrationDesc("failures_total", "Attempts of any kind that failed.")
	lossesDesc        = registrationDesc("losses_total", "Registrations that were lost, by reason.", "reason")
	weightDesc        = registrationDesc("weight", "Weight that is advertised.")
	drainingDesc      = registrationDesc("draining", "1 while the instance is marked as draining.")
)

// lossReasons are the values of the label reason.
var lossReasons = []string{lease.SessionGone, lease.KeyGone, lease.KeyTaken, lease.NotRenewed}

// Describe implements prometheus.Collector.
func (registrationCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		registeredDesc, registrationsDesc, renewalsDesc, updatesDesc, failuresDesc, lossesDesc, weightDesc, drainingDesc,
	} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (registrationCollector) Collect(ch chan<- prometheus.Metric) {
	left := mostRegistrations
	for _, shown := range livestate.Default.List() {
		r, ok := shown.View.(*registrar)
		if !ok || left == 0 {
			continue
		}
		left--
		r.collect(ch)
	}
}

func (r *registrar) collect(ch chan<- prometheus.Metric) {
	s := r.snapshot()
	gauge := func(d *prometheus.Desc, value float64) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, s.Name)
	}
	counter := func(d *prometheus.Desc, value uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(value), append([]string{s.Name}, labels...)...)
	}
	gauge(registeredDesc, one(s.Registered))
	counter(registrationsDesc, s.Registrations)
	counter(renewalsDesc, s.Renewals)
	counter(updatesDesc, s.Updates)
	counter(failuresDesc, s.Failures)
	for _, reason := range lossReasons {
		counter(lossesDesc, s.Losses[reason], reason)
	}
	gauge(weightDesc, s.Instance.Weight)
	gauge(drainingDesc, one(s.Instance.Draining))
}

func one(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// Interface guards
var _ prometheus.Collector = registrationCollector{}
