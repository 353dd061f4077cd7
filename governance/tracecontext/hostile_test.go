package tracecontext

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// A traceparent of 64 KiB, whatever it is full of, must cost no more than one of the
// usual length: no allocation, and not a multiple of the time.
func TestHostileTraceparentCostsNoMoreThanAShortOne(t *testing.T) {
	const size = 64 << 10
	short := timeOf(testParent)
	for name, value := range map[string]string{
		"digits":     strings.Repeat("0", size),
		"version 00": testParent + "-" + strings.Repeat("a", size),
		"future":     "cc" + testParent[2:] + "-" + strings.Repeat("a", size),
		"dashes":     strings.Repeat("-", size),
		"spaces":     strings.Repeat(" ", size),
		"padded":     strings.Repeat(" ", size/2) + testParent + strings.Repeat("\t", size/2),
		"not ASCII":  strings.Repeat("\u00e9", size/2),
	} {
		t.Run(name, func(t *testing.T) {
			if n := testing.AllocsPerRun(100, func() { sinkContext, sinkOK = ParseTraceparent(value) }); n != 0 {
				t.Errorf("%v allocations", n)
			}
			// the other tests' load comes and goes: one quiet look is enough
			var long time.Duration
			for range 5 {
				if long = timeOf(value); long <= 5*short {
					return
				}
				short = max(short, timeOf(testParent))
			}
			t.Errorf("it takes %v, one of the usual length %v", long, short)
		})
	}
}

// timeOf is the median time of a thousand parsings.
func timeOf(value string) time.Duration {
	times := make([]time.Duration, 15)
	for i := range times {
		begin := time.Now()
		for range 1000 {
			sinkContext, sinkOK = ParseTraceparent(value)
		}
		times[i] = time.Since(begin)
	}
	slices.Sort(times)
	return times[len(times)/2]
}
