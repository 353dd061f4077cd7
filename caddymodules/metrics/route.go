package metrics

// route.go holds what is counted of one route and how a request is recorded.

import (
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/weirproxy/weir/internal/exchange"
)

// routeKind is the kind of the states in the live-state registry.
const routeKind = "routes"

// maxPairs is how many pairs of method and status a route counts apart. What comes
// later is counted under the status "other", so that an upstream that answers with
// every status there is cannot fill the memory.
const maxPairs = 100

// otherStatus is the label of statuses beyond maxPairs, otherMethod that of
// methods outside the closed set.
const (
	otherStatus = "other"
	otherMethod = "OTHER"
)

// methods are the values of the label method; methodIndex returns an index.
var methods = [...]string{
	http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch,
	http.MethodDelete, http.MethodOptions, http.MethodConnect, http.MethodTrace, otherMethod,
}

func methodIndex(method string) int {
	switch method {
	case http.MethodGet:
		return 0
	case http.MethodHead:
		return 1
	case http.MethodPost:
		return 2
	case http.MethodPut:
		return 3
	case http.MethodPatch:
		return 4
	case http.MethodDelete:
		return 5
	case http.MethodOptions:
		return 6
	case http.MethodConnect:
		return 7
	case http.MethodTrace:
		return 8
	default:
		return len(methods) - 1
	}
}

// route is what is counted under one name, shared by all handlers that have it and
// kept while any configuration does. Only the durations are not in it: they depend
// on the buckets, which a new configuration can change.
type route struct {
	name         string
	inFlight     atomic.Int64
	requestSize  prometheus.Histogram
	responseSize prometheus.Histogram

	mu        sync.Mutex
	counts    map[pair]*atomic.Uint64
	recorders []*recorder // the oldest first
	templates map[string]*template
}

// pair is the part of a series' labels that differs within a route.
type pair struct{ method, status string }

func newRoute(name string) *route {
	return &route{
		name:         name,
		requestSize:  newSizes(requestSizeOpts, name),
		responseSize: newSizes(responseSizeOpts, name),
		counts:       make(map[pair]*atomic.Uint64),
	}
}

// hold returns the route's recorder with these buckets.
func (rt *route) hold(buckets []float64) *recorder {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	for _, rec := range rt.recorders {
		if slices.Equal(rec.buckets, buckets) {
			rec.holders++
			return rec
		}
	}
	rec := newRecorder(rt, buckets)
	rec.holders = 1
	rt.recorders = append(rt.recorders, rec)
	return rec
}

// release is the reverse of hold. A recorder that no one holds is scraped no more,
// but requests may still be on their way to it: what they measure goes to the
// recorder that is left.
func (rt *route) release(rec *recorder) {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	rec.holders--
	if rec.holders > 0 {
		return
	}
	rt.recorders = slices.DeleteFunc(rt.recorders, func(other *recorder) bool { return other == rec })
	if len(rt.recorders) > 0 {
		rec.successor.Store(rt.recorders[0])
	}
	rec.releaseTemplates()
}

// countLocked returns the counter for p, and p with the status under which it is
// counted.
func (rt *route) countLocked(p pair) (*atomic.Uint64, pair) {
	if rt.counts[p] == nil && len(rt.counts) >= maxPairs {
		p.status = otherStatus
	}
	count := rt.counts[p]
	if count == nil {
		count = new(atomic.Uint64)
		rt.counts[p] = count
	}
	return count, p
}

// recorder records the requests of a route with one set of buckets. While a reload
// changes the buckets a route has two.
type recorder struct {
	route     *route
	buckets   []float64
	durations *prometheus.HistogramVec
	methods   [len(methods)]methodRecorder
	holders   int // guarded by route.mu
	successor atomic.Pointer[recorder]
	templated atomic.Pointer[templateTable]
}

func newRecorder(rt *route, buckets []float64) *recorder {
	rec := &recorder{route: rt, buckets: buckets, durations: newDurations(buckets)}
	for i := range rec.methods {
		rec.methods[i].recorder = rec
		rec.methods[i].label = methods[i]
	}
	return rec
}

// methodRecorder records the requests with one method. Recording takes no lock:
// a series is found by its status and made at its first request.
type methodRecorder struct {
	recorder *recorder
	label    string
	byStatus atomic.Pointer[statusTable]
}

// statusTable has a place for every status that net/http can send.
type statusTable [900]atomic.Pointer[series]

// series is one pair of method and status.
type series struct {
	count    *atomic.Uint64
	duration prometheus.Observer
	// exemplarAt is the second, since 1970, of the last exemplar.
	exemplarAt atomic.Int64
}

// Done implements exchange.Observer.
func (m *methodRecorder) Done(r *http.Request, x *exchange.Exchange) {
	m.recorder.route.inFlight.Add(-1)
	now := time.Now()
	o := observation{
		status:       x.Status(r),
		duration:     x.Duration(x.Started(), now),
		requestSize:  x.RequestSize(),
		responseSize: x.Size(),
		traceID:      x.TraceID,
		template:     x.RouteTemplate,
	}
	if m.label == http.MethodHead {
		o.responseSize = 0 // written by the handler, but not sent
	}
	m.record(o, now)
}

// observation is what is recorded of a request.
type observation struct {
	status       int
	duration     time.Duration
	requestSize  int64
	responseSize int64
	traceID      string
	template     string
}

func (m *methodRecorder) record(o observation, now time.Time) {
	for next := m.recorder.successor.Load(); next != nil; next = m.recorder.successor.Load() {
		m = &next.methods[methodIndex(m.label)]
	}
	m = m.forTemplate(o.template)
	s := m.series(o.status)
	s.count.Add(1)
	s.observe(o.duration.Seconds(), o.traceID, now)
	rt := m.recorder.route
	rt.requestSize.Observe(float64(o.requestSize))
	rt.responseSize.Observe(float64(o.responseSize))
}

// observe notes a duration, with the trace id as its exemplar at most once a
// second: an exemplar costs allocations, and no one looks at more.
func (s *series) observe(seconds float64, traceID string, now time.Time) {
	if second := now.Unix(); traceID != "" {
		last := s.exemplarAt.Load()
		if last != second && s.exemplarAt.CompareAndSwap(last, second) && validExemplar(traceID) {
			s.duration.(prometheus.ExemplarObserver).ObserveWithExemplar(seconds, prometheus.Labels{"trace_id": traceID})
			return
		}
	}
	s.duration.Observe(seconds)
}

// validExemplar reports whether Prometheus accepts the trace id; it panics at one
// that it does not.
func validExemplar(traceID string) bool {
	return len(traceID) <= 64 && utf8.ValidString(traceID)
}

// series returns the series of status.
func (m *methodRecorder) series(status int) *series {
	if table := m.byStatus.Load(); table != nil {
		if i := status - 100; i >= 0 && i < len(table) {
			if s := table[i].Load(); s != nil {
				return s
			}
		}
	}
	return m.newSeries(status)
}

// newSeries makes the series of status, or returns the one that someone else just
// made. A status outside all tables is never sent; it is answered for, not kept.
func (m *methodRecorder) newSeries(status int) *series {
	rt := m.recorder.route
	rt.mu.Lock()
	defer rt.mu.Unlock()
	table := m.byStatus.Load()
	if table == nil {
		table = new(statusTable)
		m.byStatus.Store(table)
	}
	i := min(max(status-100, 0), len(table)-1)
	if s := table[i].Load(); s != nil {
		return s
	}
	count, p := rt.countLocked(pair{m.label, strconv.Itoa(i + 100)})
	s := &series{count: count, duration: m.recorder.durations.WithLabelValues(rt.name, p.method, p.status)}
	table[i].Store(s)
	return s
}

// Interface guards
var _ exchange.Observer = (*methodRecorder)(nil)
