package consumer

// metrics.go holds the metrics of consumers. The names of streams come from the
// configuration.

import (
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics are the metrics of all consumers of a process.
type Metrics struct {
	handled                                        *prometheus.CounterVec
	handling, late                                 *prometheus.HistogramVec
	dead, panics, taken, expired, gone             *prometheus.CounterVec
	repeats, overruns, losses, trims, foreign      *prometheus.CounterVec
	length, pending, lag, waiting, overdue, buried *prometheus.GaugeVec
	paused                                         *prometheus.GaugeVec
	all                                            []prometheus.Collector
	gauges                                         []*prometheus.GaugeVec
}

// NewMetrics registers the metrics of consumers.
func NewMetrics(registry prometheus.Registerer) (*Metrics, error) {
	m := unregistered()
	for _, collector := range m.all {
		if err := registry.Register(collector); err != nil {
			return nil, fmt.Errorf("registering metrics: %w", err)
		}
	}
	return m, nil
}

func unregistered() *Metrics {
	m := new(Metrics)
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, append([]string{"group", "stream"}, labels...))
		m.all = append(m.all, c)
		return c
	}
	gauge := func(name, help string) *prometheus.GaugeVec {
		g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, []string{"group", "stream"})
		m.all, m.gauges = append(m.all, g), append(m.gauges, g)
		return g
	}
	histogram := func(name, help string) *prometheus.HistogramVec {
		h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help,
			Buckets: prometheus.ExponentialBuckets(0.001, 2.5, 14)}, []string{"group", "stream"})
		m.all = append(m.all, h)
		return h
	}
	m.handled = counter("outbox_consumer_messages_total",
		"Attempts to handle a message, by outcome: done, failed, fatal, busy, unavailable, malformed, lost.", "outcome")
	m.handling = histogram("outbox_consumer_handler_seconds", "Time that a handler takes.")
	m.late = histogram("outbox_consumer_retry_late_seconds", "Time from when a message is to be tried again until a consumer has it.")
	m.dead = counter("outbox_consumer_died_total", "Messages that died.")
	m.panics = counter("outbox_consumer_panics_total", "Handlers that panicked.")
	m.taken = counter("outbox_consumer_taken_over_total", "Entries that were taken over from consumers that vanished.")
	m.expired = counter("outbox_consumer_expired_leases_total", "Leases of retries that ran out.")
	m.gone = counter("outbox_consumer_vanished_total", "Entries that were removed from the stream before they were handled.")
	m.repeats = counter("outbox_consumer_repeats_total", "Messages that were delivered again though they were done.")
	m.overruns = counter("outbox_consumer_overruns_total", "Messages that may have had their effect twice, as a claim had run out.")
	m.losses = counter("outbox_consumer_lost_total", "Messages that a consumer lost while it had them.")
	m.trims = counter("outbox_consumer_trimmed_total", "Entries that were trimmed from the stream.")
	m.foreign = counter("outbox_consumer_foreign_total", "Members of the retries that were set aside.")
	m.length = gauge("outbox_consumer_stream_entries", "Entries of the stream.")
	m.pending = gauge("outbox_consumer_pending_entries", "Entries that consumers of the group have, or had and vanished.")
	m.lag = gauge("outbox_consumer_lag_entries", "Entries that the group has not read; not there while Redis does not know.")
	m.waiting = gauge("outbox_consumer_retries_waiting", "Messages that wait for a retry, or are tried again.")
	m.overdue = gauge("outbox_consumer_retry_overdue_seconds", "For how long the oldest retry has been due; 0 when none is.")
	m.buried = gauge("outbox_consumer_dead_messages", "Dead letters.")
	m.paused = gauge("outbox_consumer_paused", "Whether the consumer pauses, as its handler misses something.")
	return m
}

// begin shows the counters of a stream at 0: of one that appears with its first event,
// nobody sees that it rose.
func (m *Metrics) begin(s *stream) {
	for _, c := range []*prometheus.CounterVec{m.dead, m.panics, m.taken, m.expired, m.gone, m.repeats, m.overruns, m.losses, m.trims, m.foreign} {
		add(c, s, 0)
	}
	for _, outcome := range []string{"done", "failed", "fatal", "busy", "unavailable", "malformed", "lost"} {
		m.handled.WithLabelValues(s.group, s.name, outcome)
	}
}

func (m *Metrics) outcome(s *stream, outcome string) {
	m.handled.WithLabelValues(s.group, s.name, outcome).Inc()
}

func (m *Metrics) handler(s *stream, took time.Duration) {
	m.handling.WithLabelValues(s.group, s.name).Observe(took.Seconds())
}

func (m *Metrics) claimed(s *stream, c claimed) {
	add(m.expired, s, c.expired)
	add(m.foreign, s, c.foreign)
	for _, late := range c.late {
		m.late.WithLabelValues(s.group, s.name).Observe(late.Seconds())
	}
}

func (m *Metrics) died(s *stream)             { add(m.dead, s, 1) }
func (m *Metrics) panicked(s *stream)         { add(m.panics, s, 1) }
func (m *Metrics) takenOver(s *stream, n int) { add(m.taken, s, n) }
func (m *Metrics) vanished(s *stream, n int)  { add(m.gone, s, n) }
func (m *Metrics) repeated(s *stream)         { add(m.repeats, s, 1) }
func (m *Metrics) overran(s *stream)          { add(m.overruns, s, 1) }
func (m *Metrics) lost(s *stream)             { add(m.losses, s, 1) }
func (m *Metrics) trimmed(s *stream, n int64) { add(m.trims, s, int(n)) }

func add(counter *prometheus.CounterVec, s *stream, n int) {
	counter.WithLabelValues(s.group, s.name).Add(float64(n))
}

func (m *Metrics) pausing(c *Consumer, on bool) {
	value := 0.0
	if on {
		value = 1
	}
	for _, s := range c.streams {
		m.paused.WithLabelValues(s.group, s.name).Set(value)
	}
}

// forget removes what is shown of streams that nobody looks at any more. Counters stay.
func (m *Metrics) forget(c *Consumer) {
	for _, s := range c.streams {
		for _, g := range m.gauges {
			g.DeleteLabelValues(s.group, s.name)
		}
	}
}
