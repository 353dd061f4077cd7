package null_test

import (
	"context"
	"testing"
	"time"

	"github.com/weirproxy/weir/outboxworker/sink"
	"github.com/weirproxy/weir/outboxworker/sink/null"
)

func TestDeliversAllOrNothing(t *testing.T) {
	done, cancel := context.WithCancel(t.Context())
	cancel()
	for _, test := range []struct {
		name  string
		ctx   context.Context
		until time.Time
		want  sink.Outcome
	}{
		{"in time", t.Context(), time.Time{}, sink.Delivered},
		{"too late", t.Context(), time.Now().Add(-time.Second), sink.NotSent},
		{"done", done, time.Time{}, sink.NotSent},
	} {
		b := &sink.Batch{Messages: make([]sink.Message, 3), Results: make([]sink.Result, 3), Until: test.until}
		to := null.New()
		to.Deliver(test.ctx, b)
		for i, r := range b.Results {
			if r.Outcome != test.want || r.Err != nil {
				t.Errorf("%s: message %d: %s, %v", test.name, i, r.Outcome, r.Err)
			}
		}
		if err := to.Close(); err != nil {
			t.Error(err)
		}
	}
}

func BenchmarkNull(b *testing.B) {
	to := null.New()
	batch := &sink.Batch{Messages: make([]sink.Message, 2000), Results: make([]sink.Result, 2000)}
	b.ReportAllocs()
	for b.Loop() {
		to.Deliver(b.Context(), batch)
	}
}
