package balance

// histogram.go holds a fixed histogram of durations; recording takes no lock and
// the package needs no metrics library.

import (
	"sync/atomic"
	"time"
)

// FirstByteBounds are the upper bounds of the time-to-first-byte buckets.
var FirstByteBounds = [...]time.Duration{
	time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond,
	10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second,
}

type histogram struct {
	buckets [len(FirstByteBounds) + 1]atomic.Uint64
	sum     atomic.Int64
}

func (h *histogram) observe(d time.Duration) {
	i := 0
	for i < len(FirstByteBounds) && d > FirstByteBounds[i] {
		i++
	}
	h.buckets[i].Add(1)
	h.sum.Add(int64(d))
}

// FirstByte is the distribution of the time to the first byte.
type FirstByte struct {
	Count uint64
	Sum   time.Duration
	// Cumulative holds, for each bound of FirstByteBounds, how many were at most
	// as long.
	Cumulative [len(FirstByteBounds)]uint64
}

func (h *histogram) read() FirstByte {
	var f FirstByte
	for i := range h.buckets {
		f.Count += h.buckets[i].Load()
		if i < len(f.Cumulative) {
			f.Cumulative[i] = f.Count
		}
	}
	f.Sum = time.Duration(h.sum.Load())
	return f
}
