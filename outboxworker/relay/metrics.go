package relay

// metrics.go holds the metrics of relays. Topics are a label only as far as the
// configuration names them.

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/weirproxy/weir/outboxworker/sink"
)

// Metrics are the metrics of all relays of a process.
type Metrics struct {
	outcomes     *prometheus.CounterVec
	delivery     *prometheus.HistogramVec
	batchSize    *prometheus.HistogramVec
	batchTime    *prometheus.HistogramVec
	lag          *prometheus.GaugeVec
	backlog      *prometheus.GaugeVec
	waiting      *prometheus.GaugeVec
	dead         *prometheus.GaugeVec
	held         *prometheus.GaugeVec
	replaying    *prometheus.GaugeVec
	blocked      *prometheus.GaugeVec
	blockedFor   *prometheus.GaugeVec
	blockedLimit *prometheus.GaugeVec
	overdue      *prometheus.GaugeVec
	paused       *prometheus.GaugeVec
	tableBytes   *prometheus.GaugeVec
	oldestWriter *prometheus.GaugeVec
	workers      *prometheus.GaugeVec
	connected    *prometheus.GaugeVec
	listening    *prometheus.GaugeVec
	away         *prometheus.GaugeVec
	died         *prometheus.CounterVec
	throttles    *prometheus.CounterVec
	wakeups      *prometheus.CounterVec
	missedMark   *prometheus.CounterVec
	orphans      *prometheus.CounterVec
	failures     *prometheus.CounterVec
	reconnects   *prometheus.CounterVec
	busySeconds  *prometheus.CounterVec
	timers       timerMetrics
	gauges       []*prometheus.GaugeVec
}

// NewMetrics registers the metrics of relays.
func NewMetrics(registry prometheus.Registerer) (*Metrics, error) {
	var all []prometheus.Collector
	var gauges []*prometheus.GaugeVec
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, append([]string{"outbox"}, labels...))
		all = append(all, c)
		return c
	}
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, append([]string{"outbox"}, labels...))
		all, gauges = append(all, g), append(gauges, g)
		return g
	}
	histogram := func(name, help string, buckets []float64) *prometheus.HistogramVec {
		h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, []string{"outbox"})
		all = append(all, h)
		return h
	}
	m := &Metrics{
		outcomes: counter("outbox_deliveries_total",
			"Attempts to deliver a message, by outcome: delivered, refused, failed, fatal, throttled, unreachable.", "topic", "outcome"),
		delivery: histogram("outbox_delivery_seconds",
			"Time from the enqueueing of a message to its delivery.", prometheus.ExponentialBuckets(0.001, 2.5, 16)),
		batchSize: histogram("outbox_batch_messages",
			"Messages of a batch.", prometheus.ExponentialBuckets(1, 4, 7)),
		batchTime: histogram("outbox_batch_seconds",
			"Time that a batch takes: reading, sending, and removing what was sent.", prometheus.ExponentialBuckets(0.001, 2.5, 12)),
		lag:          gauge("outbox_lag_seconds", "Age of the oldest pending message that was seen last; 0 when there was none."),
		backlog:      gauge("outbox_backlog_messages", "Pending messages, estimated from their ids."),
		waiting:      gauge("outbox_deferred_messages", "Messages that wait, by why: retry, parked, delayed. Counted up to 100,000.", "state"),
		dead:         gauge("outbox_dead_messages", "Dead messages. Counted up to 100,000."),
		held:         gauge("outbox_held_keys", "Dead messages that hold later ones of their keys. Counted up to 100,000."),
		replaying:    gauge("outbox_replaying_messages", "Dead messages that are being delivered again. Counted up to 100,000."),
		blocked:      gauge("outbox_blocked_keys", "Keys whose messages wait for one that is tried again, or for an operator. Counted up to 100,000."),
		blockedFor:   gauge("outbox_blocked_key_seconds", "For how long the message has waited, on a lane that is not paused, or been dead that blocks its key for longest; 0 when none does."),
		blockedLimit: gauge("outbox_blocked_key_limit_seconds", "How long a message is tried at most by its schedule of retries, while the receiver answers."),
		overdue:      gauge("outbox_retry_overdue_seconds", "How long the most overdue message has been due that waits for a retry or for its time, on lanes that are not paused; 0 when none is."),
		paused:       gauge("outbox_paused_lanes", "Lanes that an operator has paused."),
		tableBytes:   gauge("outbox_table_bytes", "Size of the table of pending messages with its indexes."),
		oldestWriter: gauge("outbox_oldest_writer_seconds", "Age of the oldest writing transaction of the server."),
		workers:      gauge("outbox_workers", "Workers."),
		connected:    gauge("outbox_workers_connected", "Workers that have a connection and a schema they know."),
		listening:    gauge("outbox_listening", "Whether notifications are listened for."),
		away:         gauge("outbox_receiver_away", "Whether the receiver cannot be reached, or fails at all messages."),
		died:         counter("outbox_died_total", "Messages that died, by reason: fatal, exhausted.", "reason"),
		throttles:    counter("outbox_throttled_total", "Pauses that the receiver asked for."),
		wakeups:      counter("outbox_wakeups_total", "Times that a worker woke up, by what: notify, poll.", "reason"),
		missedMark:   counter("outbox_mark_missed_total", "Messages that were found below the low-water mark. There should be none."),
		orphans:      counter("outbox_orphaned_keys_total", "Keys of which messages waited behind nothing. There should be none."),
		failures:     counter("outbox_batch_failures_total", "Batches that failed though the connection was there."),
		reconnects:   counter("outbox_reconnects_total", "Times that a worker lost its connection or found none."),
		busySeconds:  counter("outbox_busy_seconds_total", "Time that workers spent on batches, added up; their saturation is its rate over outbox_workers."),
	}
	m.timers = timerMetrics{
		up:       gauge("outbox_timers_up", "Whether retries have timers in Redis; if not, what is due is found by polling."),
		rebuilds: counter("outbox_timers_rebuilds_total", "Times that all timers were added, since Redis had none."),
		missing:  counter("outbox_timers_missing_total", "Timers that were missing and that a sweep added."),
		lateness: histogram("outbox_retry_lateness_seconds",
			"Time from when a retry is due to the attempt.", prometheus.ExponentialBuckets(0.001, 2, 16)),
	}
	m.gauges = gauges
	for _, c := range all {
		if err := registry.Register(c); err != nil {
			return nil, fmt.Errorf("registering metrics: %w", err)
		}
	}
	return m, nil
}

// begin shows the counters of an outbox at 0: of one that appears with its first event,
// nobody sees that it rose.
func (m *Metrics) begin(outbox string, topics []string) {
	for _, topic := range append([]string{"other"}, topics...) {
		for outcome := sink.NotSent + 1; outcome <= sink.Unreachable; outcome++ {
			m.outcomes.WithLabelValues(outbox, topic, outcome.String())
		}
	}
	for _, reason := range []string{"fatal", "exhausted"} {
		m.died.WithLabelValues(outbox, reason)
	}
	for _, c := range []*prometheus.CounterVec{m.missedMark, m.orphans, m.failures, m.reconnects, m.throttles, m.busySeconds} {
		c.WithLabelValues(outbox)
	}
}

func (m *Metrics) missed(outbox string, n int) { m.missedMark.WithLabelValues(outbox).Add(float64(n)) }
func (m *Metrics) orphaned(outbox string, n int) {
	m.orphans.WithLabelValues(outbox).Add(float64(n))
}
func (m *Metrics) failed(outbox string)      { m.failures.WithLabelValues(outbox).Inc() }
func (m *Metrics) reconnected(outbox string) { m.reconnects.WithLabelValues(outbox).Inc() }
func (m *Metrics) throttled(outbox string)   { m.throttles.WithLabelValues(outbox).Inc() }

func (m *Metrics) woken(outbox, reason string) {
	if reason != "stop" {
		m.wakeups.WithLabelValues(outbox, reason).Inc()
	}
}

func (m *Metrics) listener(outbox string, on bool) {
	m.listening.WithLabelValues(outbox).Set(number(on))
}
func (m *Metrics) outage(outbox string, on bool) { m.away.WithLabelValues(outbox).Set(number(on)) }

// forget removes what is shown of an outbox that nobody looks at any more. Its counters
// stay: they go on when it is served again.
func (m *Metrics) forget(outbox string) {
	for _, g := range m.gauges {
		g.DeletePartialMatch(prometheus.Labels{"outbox": outbox})
	}
}

func number(on bool) float64 {
	if on {
		return 1
	}
	return 0
}

// observeEmpty notes that a lane has nothing to read.
func (r *Relay) observeEmpty(l *lane, read *read) {
	r.reached[l.number].Store(read.seq)
	r.setOldest(l, time.Time{})
}

// remains is when the oldest message was enqueued that a batch has left pending; zero if none
// is left. Nobody may look again soon: the lane may be paused.
func (r *read) remains(f *fate) time.Time {
	if f.left == 0 && r.last == 0 && !r.probing {
		return time.Time{}
	}
	return r.oldest
}

// setOldest notes when the oldest pending message of a lane was enqueued; zero if it has
// none.
func (r *Relay) setOldest(l *lane, at time.Time) {
	nanoseconds := int64(math.MaxInt64)
	if !at.IsZero() {
		nanoseconds = at.UnixNano()
	}
	r.oldest[l.number].Store(nanoseconds)
	r.updateLag()
}

// updateLag computes the age of the oldest pending message from what was seen last, also
// while nothing can be seen.
func (r *Relay) updateLag() {
	nanoseconds := int64(math.MaxInt64)
	for i := range r.oldest {
		if other := r.oldest[i].Load(); other != 0 { // a lane that was looked at
			nanoseconds = min(nanoseconds, other)
		}
	}
	lag := 0.0
	if nanoseconds != math.MaxInt64 {
		lag = max(0, time.Since(time.Unix(0, nanoseconds)).Seconds())
	}
	r.metrics.lag.WithLabelValues(r.settings.Schema).Set(lag)
}

// observe notes what a batch came to.
func (r *Relay) observe(l *lane, read *read, f fate, wf waitingFate, again, first []sink.Result, began time.Time) {
	m, outbox := r.metrics, r.settings.Schema
	now := time.Now()
	if !read.probing {
		reached := read.seq
		if f.left != 0 {
			reached = f.left - 1
		} else if read.last != 0 {
			reached = read.last
		}
		r.reached[l.number].Store(reached)
	}
	r.delivered.Add(int64(len(f.delivered.ids) + len(wf.delivered)))
	r.setOldest(l, read.remains(&f))
	m.batchSize.WithLabelValues(outbox).Observe(float64(len(read.pending) + len(read.waiting)))
	m.batchTime.WithLabelValues(outbox).Observe(now.Sub(began).Seconds())
	m.busySeconds.WithLabelValues(outbox).Add(now.Sub(began).Seconds())
	for _, reason := range append(f.dead.reasons, wf.dead.reasons...) {
		m.died.WithLabelValues(outbox, reason).Inc()
	}
	t := tally{relay: r, now: now, delivery: m.delivery.WithLabelValues(outbox)}
	next := 0
	for i := range read.pending {
		if p := &read.pending[i]; !p.waits && !p.delayed {
			t.add(&p.message, first[next].Outcome)
			next++
		}
	}
	next = 0
	for i := range read.waiting {
		if w := &read.waiting[i]; w.state != "delayed" {
			t.add(&w.message, again[next].Outcome)
			next++
		}
	}
	t.flush()
}

// tally adds up equal outcomes of messages in a row, which most are.
type tally struct {
	relay    *Relay
	now      time.Time
	delivery prometheus.Observer
	topic    string
	outcome  sink.Outcome
	n        int
}

func (t *tally) add(m *sink.Message, outcome sink.Outcome) {
	if outcome == sink.Delivered {
		t.delivery.Observe(t.now.Sub(m.CreatedAt).Seconds())
	}
	if t.n > 0 && (outcome != t.outcome || m.Topic != t.topic) {
		t.flush()
	}
	t.topic, t.outcome = m.Topic, outcome
	t.n++
}

func (t *tally) flush() {
	if t.n > 0 && t.outcome != sink.NotSent {
		topic := "other"
		if slices.Contains(t.relay.settings.Topics, t.topic) {
			topic = t.topic
		}
		t.relay.metrics.outcomes.WithLabelValues(t.relay.settings.Schema, topic, t.outcome.String()).Add(float64(t.n))
	}
	t.n = 0
}

func missedFields(l *lane, n int) []zap.Field {
	return []zap.Field{zap.Int("lane", int(l.number)), zap.Int("messages", n), zap.Int64("mark", l.mark.low)}
}
