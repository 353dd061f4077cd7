package dev

// meter.go counts what is delivered, and how long that took.

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/weirproxy/weir/outboxworker/sink"
)

// recent is of how many messages the median is shown.
const recent = 500

// meter is a sink that takes note of what another one delivers.
type meter struct {
	sink.Sink

	mu    sync.Mutex
	count int64
	times [recent]time.Duration // the last ones, overwritten in turn
}

// Deliver delivers and takes note.
func (m *meter) Deliver(ctx context.Context, batch *sink.Batch) {
	m.Sink.Deliver(ctx, batch)
	now := time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range batch.Results {
		if batch.Results[i].Outcome == sink.Delivered {
			m.times[m.count%recent] = max(0, now.Sub(batch.Messages[i].CreatedAt))
			m.count++
		}
	}
}

func (m *meter) relayed() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.count
}

// median is that of the last messages, from when they were enqueued until the stream had
// them; 0 if there were none. Both clocks are this machine's.
func (m *meter) median() time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.count == 0 {
		return 0
	}
	sorted := slices.Clone(m.times[:min(m.count, recent)])
	slices.Sort(sorted)
	return sorted[len(sorted)/2]
}
