package relay

// timers_metrics.go holds the metrics of retries' timers.

import "github.com/prometheus/client_golang/prometheus"

// timerMetrics are a part of Metrics.
type timerMetrics struct {
	up       *prometheus.GaugeVec
	rebuilds *prometheus.CounterVec
	missing  *prometheus.CounterVec
	lateness *prometheus.HistogramVec
}

// observeLateness notes how late messages are tried again, by the clock of the database,
// which says how late they were when they were read.
func (r *Relay) observeLateness(waiting []waiting) {
	lateness := r.metrics.timers.lateness.WithLabelValues(r.settings.Schema)
	for i := range waiting {
		if waiting[i].late != nil {
			lateness.Observe(*waiting[i].late)
		}
	}
}
