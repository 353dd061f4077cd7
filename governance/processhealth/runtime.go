package processhealth

// runtime.go reads the signals that the Go runtime tells about itself.

import (
	"math"
	"runtime/metrics"
)

// runtimeSource reads runtime/metrics, which in contrast to runtime.ReadMemStats
// does not stop the world.
type runtimeSource struct {
	samples  []metrics.Sample
	gcPauses histogram
	waits    histogram
}

// Places in runtimeSource.samples.
const (
	gcPausesMetric = iota
	waitsMetric
	goroutinesMetric
	heapLiveMetric
	memoryLimitMetric
)

func newRuntimeSource() *runtimeSource {
	s := &runtimeSource{samples: []metrics.Sample{
		gcPausesMetric:    {Name: "/sched/pauses/total/gc:seconds"},
		waitsMetric:       {Name: "/sched/latencies:seconds"},
		goroutinesMetric:  {Name: "/sched/goroutines:goroutines"},
		heapLiveMetric:    {Name: "/gc/heap/live:bytes"},
		memoryLimitMetric: {Name: "/gc/gomemlimit:bytes"},
	}}
	var baseline readings
	s.read(&baseline)
	return s
}

// read puts what happened since the last call into r.
func (s *runtimeSource) read(r *readings) {
	metrics.Read(s.samples)
	r[gcPause] = s.gcPauses.since(&s.samples[gcPausesMetric].Value)
	r[schedulerLatency] = s.waits.since(&s.samples[waitsMetric].Value)
	r[goroutines], r[heap] = math.NaN(), math.NaN()
	if n, ok := number(s.samples[goroutinesMetric]); ok {
		r[goroutines] = float64(n)
	}
	live, ok := number(s.samples[heapLiveMetric])
	limit, limited := number(s.samples[memoryLimitMetric])
	if ok && limited && limit > 0 && limit < math.MaxInt64 { // MaxInt64 is "no limit"
		r[heap] = float64(live) / float64(limit)
	}
}

// number is the value of a sample; it is not there in a Go that lacks the metric.
func number(s metrics.Sample) (uint64, bool) {
	if s.Value.Kind() != metrics.KindUint64 {
		return 0, false
	}
	return s.Value.Uint64(), true
}

// histogram remembers a cumulative histogram to tell what came to it.
type histogram struct{ before, added []uint64 }

// since returns the 99th percentile of what value has more than at the last call:
// the upper bound of its bucket, which is at most a quarter too much. It is 0 if
// nothing was added and NaN if there is no histogram.
func (h *histogram) since(value *metrics.Value) float64 {
	if value.Kind() != metrics.KindFloat64Histogram {
		return math.NaN()
	}
	now := value.Float64Histogram()
	if len(h.before) != len(now.Counts) {
		h.before, h.added = make([]uint64, len(now.Counts)), make([]uint64, len(now.Counts))
	}
	for i, n := range now.Counts {
		h.added[i] = n - h.before[i]
	}
	copy(h.before, now.Counts)
	return percentile99(h.added, now.Buckets)
}

// percentile99 looks for the bucket below which at least 99 of 100 lie. bounds are
// the buckets' lower bounds and the last one's upper bound, which may be infinite.
func percentile99(counts []uint64, bounds []float64) float64 {
	var total uint64
	for _, n := range counts {
		total += n
	}
	if total == 0 {
		return 0
	}
	above := total / 100 // as many may be larger
	for i := len(counts) - 1; i >= 0; i-- {
		if counts[i] > above {
			if math.IsInf(bounds[i+1], 1) {
				return bounds[i]
			}
			return bounds[i+1]
		}
		above -= counts[i]
	}
	return 0
}
