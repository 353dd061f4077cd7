package metrics

import (
	"testing"
	"time"
)

// A request is recorded without an allocation, with a trace id and a template and
// without, but for the exemplar that a series takes once a second.
func TestRecordAllocatesNothing(t *testing.T) {
	for _, id := range []string{"", traceID} {
		for _, template := range []string{"", "/pets/{petId}"} {
			m := &newRoute(defaultRoute).hold(defaultBuckets).methods[0]
			o := observation{status: 200, duration: 20 * time.Millisecond, requestSize: 300, responseSize: 5000, traceID: id, template: template}
			m.record(o, testTime) // makes the series
			if n := testing.AllocsPerRun(1000, func() { m.record(o, testTime) }); n != 0 {
				t.Errorf("trace id %q, template %q: %v allocations a request", id, template, n)
			}
		}
	}
}
