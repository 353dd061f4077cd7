package bench

// meter.go watches what arrives at a sink.

import (
	"context"
	"fmt"
	"math/bits"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/weirproxy/weir/outboxworker/sink"
)

// meter is a sink that passes batches on, and takes note of every message: whether it
// came once, and per key in order.
type meter struct {
	sink.Sink
	// observe is called for each message whose key is not one of the numbered; may be
	// nil.
	observe func(m *sink.Message, at time.Time)

	round atomic.Pointer[round]
	total atomic.Int64 // delivered, over all rounds
	last  []atomic.Int64
	// open is closed when batches may pass; nil: they always may.
	open atomic.Pointer[chan struct{}]
}

// round is a number of messages whose ids follow one another.
type round struct {
	before                  int64 // the id before the first
	n                       int64
	seen                    []atomic.Uint64
	arrived                 atomic.Int64
	twice, strays, disorder atomic.Int64
	done                    chan struct{} // closed when n have arrived
}

func newMeter(to sink.Sink, keys int) *meter {
	return &meter{Sink: to, last: make([]atomic.Int64, keys)}
}

// expect begins a round of n messages, whose ids follow before.
func (m *meter) expect(before, n int64) *round {
	r := &round{before: before, n: n, seen: make([]atomic.Uint64, n/64+1), done: make(chan struct{})}
	m.round.Store(r)
	return r
}

// shut makes batches wait, until the function that it returns is called.
func (m *meter) shut() (open func()) {
	gate := make(chan struct{})
	m.open.Store(&gate)
	return func() { close(gate) }
}

// Deliver passes a batch on.
func (m *meter) Deliver(ctx context.Context, batch *sink.Batch) {
	if gate := m.open.Load(); gate != nil {
		select {
		case <-*gate:
		case <-ctx.Done():
			return
		}
	}
	m.Sink.Deliver(ctx, batch)
	now, r := time.Now(), m.round.Load()
	var delivered int64
	for i := range batch.Results {
		if batch.Results[i].Outcome != sink.Delivered {
			continue
		}
		delivered++
		message := &batch.Messages[i]
		if message.HasKey && !strings.HasPrefix(message.Key, keyName) {
			if m.observe != nil {
				m.observe(message, now)
			}
			continue
		}
		m.note(r, message)
	}
	m.total.Add(delivered)
}

// note takes note of a message. Those of a key come one after the other, so the order
// in which they are noted is the order in which they came.
func (m *meter) note(r *round, message *sink.Message) {
	at := message.Position - r.before - 1
	if at < 0 || at >= r.n {
		r.strays.Add(1)
		return
	}
	if bit := uint64(1) << (at % 64); r.seen[at/64].Or(bit)&bit != 0 {
		r.twice.Add(1)
		return
	}
	if message.HasKey {
		key, err := strconv.Atoi(message.Key[len(keyName):])
		if err != nil || key < 0 || key >= len(m.last) || m.last[key].Swap(message.Position) > message.Position {
			r.disorder.Add(1)
		}
	}
	if r.arrived.Add(1) == r.n {
		close(r.done)
	}
}

// patience is how long nothing may arrive.
const patience = 2 * time.Minute

// wait waits until all messages of a round have arrived.
func (r *round) wait(ctx context.Context) error {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	seen, since := r.arrived.Load(), time.Now()
	for {
		select {
		case <-r.done:
			return nil
		case <-ctx.Done():
			return fmt.Errorf("waiting for messages: %w", ctx.Err())
		case <-ticker.C:
		}
		if n := r.arrived.Load(); n != seen {
			seen, since = n, time.Now()
		} else if time.Since(since) > patience {
			return fmt.Errorf("waiting for messages: none arrived for %s, and %d of %d are missing", patience, r.n-n, r.n)
		}
	}
}

// check makes sure that each message came once, and in order.
func (r *round) check() error {
	var distinct int64
	for i := range r.seen {
		distinct += int64(bits.OnesCount64(r.seen[i].Load()))
	}
	twice, strays, disorder := r.twice.Load(), r.strays.Load(), r.disorder.Load()
	if distinct != r.n || twice+strays+disorder > 0 {
		return fmt.Errorf("checking what arrived: %d of %d messages, %d of them twice, %d out of order, and %d that nobody sent",
			distinct, r.n, twice, disorder, strays)
	}
	return nil
}
