package rollout

// histogram.go holds a histogram of durations whose buckets are as wide as a 32nd of a
// power of two: a latency is known to 3 %, from 10 us to over an hour.

import (
	"math"
	"math/bits"
	"sync/atomic"
	"time"
)

const (
	// shortest and longest are powers of two, in ns: 8.2 us and 37 min, of which the
	// buckets reach to twice as much.
	shortest = 13
	longest  = 41

	perOctave = 32
	buckets   = (longest - shortest + 1) * perOctave
)

// histogram has no counter of its own for all observations: each is one addition, and
// those of different latencies touch different cache lines.
type histogram [buckets]atomic.Uint64

func (h *histogram) observe(d time.Duration) { h[bucketOf(d)].Add(1) }

// counts is a histogram at one time.
type counts struct {
	total int
	in    [buckets]int
}

func (h *histogram) read() *counts {
	c := new(counts)
	for i := range h {
		c.in[i] = int(h[i].Load())
		c.total += c.in[i]
	}
	return c
}

// bucketOf is the bucket of a duration; the first and the last take what is beyond.
func bucketOf(d time.Duration) int {
	ns := uint64(max(d, 1<<shortest))
	octave := bits.Len64(ns) - 1
	if octave > longest {
		return buckets - 1
	}
	return (octave-shortest)*perOctave + int(ns>>(octave-5))%perOctave
}

// lower is the shortest duration of a bucket, and upper that of the next one.
func lower(bucket int) time.Duration {
	if bucket == 0 {
		return 0
	}
	return time.Duration(perOctave+bucket%perOctave) << (bucket/perOctave + shortest - 5)
}

func upper(bucket int) time.Duration {
	if bucket == buckets-1 {
		return math.MaxInt64
	}
	return lower(bucket + 1)
}

// middle stands for the durations of a bucket.
func middle(bucket int) time.Duration {
	if bucket == buckets-1 {
		return lower(bucket)
	}
	return (lower(bucket) + upper(bucket)) / 2
}

// rank is the bucket of the duration that is the n-th from below; n is from 1 to total.
func (c *counts) rank(n int) int {
	for i, count := range c.in {
		if n -= count; n <= 0 {
			return i
		}
	}
	return buckets - 1
}

// quantile is zero without any observation.
func (c *counts) quantile(q float64) time.Duration {
	if c.total == 0 {
		return 0
	}
	return middle(c.rank(quantileRank(c.total, q)))
}

// quantileRank is which of n observations in ascending order is their quantile; n is at
// least 1.
func quantileRank(n int, q float64) int { return max(1, int(math.Ceil(q*float64(n)-epsilon))) }

// slower is how many observations are surely at least as long as d seconds.
func (c *counts) slower(seconds float64) int {
	n := 0
	for i := buckets - 1; i >= 0 && lower(i).Seconds() >= seconds; i-- {
		n += c.in[i]
	}
	return n
}
