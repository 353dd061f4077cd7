package canary

// metrics.go counts requests for Prometheus.

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/weirproxy/weir/governance/cohort"
	"github.com/weirproxy/weir/internal/metricset"
)

var (
	requestsVec = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "gateway_canary_requests_total",
		Help: "Requests by the stage that was decided, and by what decided it.",
	}, []string{"canary", "stage", "reason"})
	responsesVec = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "gateway_canary_responses_total",
		Help: "Answers by the stage that gave them, and by the class of their status.",
	}, []string{"canary", "stage", "class"})
	durationVec = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "gateway_canary_duration_seconds",
		Help: "Time from when the stage that answered was asked to the end of its answer, for streams to the answer's headers.",
		// those of request_metrics, so that both can be compared
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
	}, []string{"canary", "stage"})
	fallbacksVec = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "gateway_canary_fallbacks_total",
		Help: "Requests that the stage could not answer and stable was given.",
	}, []string{"canary", "stage"})
	badCookiesVec = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "gateway_canary_bad_cookies_total",
		Help: "Requests with a cookie that was refused, by why.",
	}, []string{"canary", "reason"})
	ignoredVec = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "gateway_canary_ignored_headers_total",
		Help: "Requests that asked for a stage in the header and were not followed, by why: untrusted, unknown.",
	}, []string{"canary", "reason"})
)

func init() {
	for _, c := range []prometheus.Collector{requestsVec, responsesVec, durationVec, fallbacksVec, badCookiesVec, ignoredVec} {
		metricset.Add(c)
	}
}

// classes are those of a status by its first digit.
var classes = [...]string{1: "1xx", 2: "2xx", 3: "3xx", 4: "4xx", 5: "5xx"}

// requestMetrics are the series of one handler. Handlers of the same name share them.
type requestMetrics struct {
	stages     []stageMetrics // as Handler.Stages
	badCookies map[cohort.TokenError]prometheus.Counter
	ignored    map[string]prometheus.Counter
}

// stageMetrics are the series of one stage.
type stageMetrics struct {
	requests  map[string]prometheus.Counter // by reason
	responses [len(classes)]prometheus.Counter
	duration  prometheus.Observer
	fallbacks prometheus.Counter
}

// newRequestMetrics returns the series of a handler, which go when no configuration has a
// handler of that name, or stage, any more.
func newRequestMetrics(h *Handler) *requestMetrics {
	m := &requestMetrics{
		stages:     make([]stageMetrics, len(h.Stages)),
		badCookies: make(map[cohort.TokenError]prometheus.Counter),
		ignored:    make(map[string]prometheus.Counter),
	}
	series.mu.Lock()
	defer series.mu.Unlock()
	for i, stage := range h.Stages {
		series.holdLocked(h.ctx.Context, h.Name, stage.Name)
		m.stages[i] = newStageMetrics(h.Name, stage.Name, stage.Name == stableName)
	}
	for _, reason := range []cohort.TokenError{
		cohort.ErrMalformed, cohort.ErrVersion, cohort.ErrSignature, cohort.ErrExpired, cohort.ErrNotYet,
	} {
		m.badCookies[reason] = badCookiesVec.WithLabelValues(h.Name, string(reason))
	}
	for _, reason := range []string{ignoredUntrusted, ignoredUnknown} {
		m.ignored[reason] = ignoredVec.WithLabelValues(h.Name, reason)
	}
	return m
}

func newStageMetrics(canary, stage string, isStable bool) stageMetrics {
	m := stageMetrics{
		requests: make(map[string]prometheus.Counter),
		duration: durationVec.WithLabelValues(canary, stage),
	}
	for _, reason := range reasons {
		if reason != reasonFallback { // which has a metric of its own
			m.requests[reason] = requestsVec.WithLabelValues(canary, stage, reason)
		}
	}
	for i, class := range classes {
		if class != "" {
			m.responses[i] = responsesVec.WithLabelValues(canary, stage, class)
		}
	}
	if !isStable {
		m.fallbacks = fallbacksVec.WithLabelValues(canary, stage)
	}
	return m
}

// decided counts a decision. One that ended in an error has no stage.
func (m *requestMetrics) decided(d *decision, err error) {
	if d.ignored != "" {
		m.ignored[d.ignored].Inc()
	}
	if d.badCookie != "" {
		m.badCookies[d.badCookie].Inc()
	}
	if err == nil {
		m.stages[d.stage].requests[d.reason].Inc()
	}
}

// answered counts an answer.
func (m *stageMetrics) answered(status int, took time.Duration) {
	// handlers can write what is no status
	m.responses[min(max(status/100, 1), len(classes)-1)].Inc()
	m.duration.Observe(took.Seconds())
}

// series counts who holds the series of which stage: while a configuration replaces
// another, both do.
var series = seriesHolders{holders: make(map[seriesKey]int)}

type seriesHolders struct {
	mu      sync.Mutex
	holders map[seriesKey]int
}

type seriesKey struct{ canary, stage string }

// holdLocked keeps the series of a stage until ctx ends.
func (s *seriesHolders) holdLocked(ctx context.Context, canary, stage string) {
	key := seriesKey{canary, stage}
	s.holders[key]++
	s.holders[seriesKey{canary: canary}]++
	context.AfterFunc(ctx, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.releaseLocked(key)
		s.releaseLocked(seriesKey{canary: canary})
	})
}

// releaseLocked deletes the series that nobody holds any more.
func (s *seriesHolders) releaseLocked(key seriesKey) {
	if s.holders[key]--; s.holders[key] > 0 {
		return
	}
	delete(s.holders, key)
	labels := prometheus.Labels{"canary": key.canary}
	if key.stage != "" {
		labels["stage"] = key.stage
		requestsVec.DeletePartialMatch(labels)
		responsesVec.DeletePartialMatch(labels)
		durationVec.DeletePartialMatch(labels)
		fallbacksVec.DeletePartialMatch(labels)
		return
	}
	badCookiesVec.DeletePartialMatch(labels)
	ignoredVec.DeletePartialMatch(labels)
}
