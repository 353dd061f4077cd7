// Package relay moves messages from an outbox to a sink: at least once, and per key in
// order.
//
// An outbox has eight lanes; a key is always in the same one. A worker takes a lane
// with an advisory lock that lasts as long as its transaction, reads the next messages
// in the order of their ids, sends them, removes what was taken, and commits. There are
// no leases, no reaper and no leader: any number of workers may run, on any number of
// machines. One that dies frees its lane at once; one that is stopped or cut off loses
// it when the server ends its transaction, after Settings.LaneTimeout.
//
// A message is in exactly one place: pending (table message), waiting (deferred), dead,
// or taken by the sink and gone. Moves are single transactions. Whatever decides about
// a keyed message holds the lock of its lane, and which keys wait is read in the
// statement that reads the batch.
//
// batch.go has the protocol, mark.go the low-water mark and its proof, floor.go the same for
// what waits, fate.go what becomes of a message, suspicion.go when the receiver is at fault, scout.go how workers
// learn that there is something to do.
package relay

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/weirproxy/weir/governance/circuit"
	"github.com/weirproxy/weir/outboxworker/sink"
)

// lanes is the number of lanes of an outbox, as its table has them.
const lanes = 8

// Relay delivers the messages of one outbox to one sink.
type Relay struct {
	settings  Settings
	made      time.Time // a monotonic clock's zero: the other one may be set back
	sink      sink.Sink
	logger    *zap.Logger
	metrics   *Metrics
	outage    *circuit.Breaker
	suspicion *suspicion
	workers   []*worker
	timers    *timers

	connected   atomic.Int32
	scouting    atomic.Bool   // somebody finds out for resting workers
	rested      chan struct{} // a worker that the last probe left out rests
	pausedUntil atomic.Int64  // by the receiver's wish, in nanoseconds from made on
	isAway      atomic.Bool
	keeping     atomic.Bool         // there are partitions for delivered messages
	reached     [lanes]atomic.Int64 // the id up to which a lane has been worked on
	oldest      [lanes]atomic.Int64 // when a lane's oldest pending message was enqueued
	delivered   atomic.Int64
}

// New returns a relay that does nothing until Run. It owns the sink and closes it.
func New(settings Settings, to sink.Sink, metrics *Metrics, logger *zap.Logger) (*Relay, error) {
	if err := settings.Validate(); err != nil {
		return nil, err
	}
	if list := settings.Retry.List; len(list) > 0 {
		settings.Retries = len(list)
	}
	sql, err := newStatements(&settings)
	if err != nil {
		return nil, err
	}
	r := &Relay{
		settings:  settings,
		made:      time.Now(),
		sink:      to,
		logger:    logger.With(zap.String("outbox", settings.Schema)),
		metrics:   metrics,
		outage:    circuit.New(circuit.NewHistory(), outageSettings(&settings), nil),
		suspicion: newSuspicion(settings.BreakerMessages, settings.BreakerGiveUpAfter),
		rested:    make(chan struct{}, 1),
	}
	for i := range settings.Workers {
		w := &worker{relay: r, sql: sql, wake: make(chan struct{}, 1)}
		for n := i; n < lanes; n += settings.Workers {
			w.lanes = append(w.lanes, &lane{number: int16(n)})
		}
		r.workers = append(r.workers, w)
	}
	r.timers = newTimers(r, sql)
	return r, nil
}

// outageSettings has the breaker open when once nobody answers, or the receiver seems to
// fail, and one worker at a time find out whether it is well again. He gives up by himself
// before his lane is taken away.
func outageSettings(s *Settings) circuit.Settings {
	b := circuit.DefaultSettings()
	b.Consecutive, b.FailureRatio = 1, 0
	b.OpenFor, b.OpenForMax, b.RecoverOver = s.Outage.Base, s.Outage.Cap, 0
	b.Probes, b.ProbeTimeout = 1, s.LaneTimeout
	return b
}

// Run delivers until ctx is done; then batches under way are finished or given up within
// StopTimeout, and Run returns nil. It waits for a database that is away, or whose
// schema is not the one it needs, and logs that.
func (r *Relay) Run(ctx context.Context) error {
	hard, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(r.settings.StopTimeout, cancel) })
	defer stop()

	r.metrics.workers.WithLabelValues(r.settings.Schema).Set(float64(len(r.workers)))
	var running sync.WaitGroup
	for _, w := range r.workers {
		running.Go(func() { w.run(ctx, hard) })
	}
	var helpers sync.WaitGroup
	helpers.Go(func() { r.scout(ctx) })
	helpers.Go(func() { r.watch(ctx) })
	helpers.Go(func() { r.timers.run(ctx) })
	running.Wait()
	helpers.Wait()
	r.metrics.forget(r.settings.Schema)
	return r.sink.Close()
}

// Status is what a relay is doing.
type Status struct {
	// Connected is the number of workers that have a connection and a schema they
	// know.
	Connected int `json:"connected"`
	// Workers is how many there are.
	Workers int `json:"workers"`
	// Outage tells that the receiver could not be reached lately, or failed at all
	// messages.
	Outage bool `json:"outage"`
	// Paused is for how long the receiver wants to be left alone.
	Paused time.Duration `json:"paused"`
}

// Status returns what the relay is doing.
func (r *Relay) Status() Status {
	return Status{
		Connected: int(r.connected.Load()),
		Workers:   len(r.workers),
		Outage:    r.isAway.Load(),
		Paused:    r.throttledFor(),
	}
}

// pausedFor is for how long nothing may be sent.
func (r *Relay) pausedFor() time.Duration {
	_, open := r.outage.State()
	return max(r.throttledFor(), open)
}

// throttledFor is for how long the receiver still wants to be left alone.
func (r *Relay) throttledFor() time.Duration {
	return max(0, time.Duration(r.pausedUntil.Load())-time.Since(r.made))
}

// throttle leaves the receiver alone for a while.
func (r *Relay) throttle(d time.Duration) {
	until := int64(time.Since(r.made) + d)
	for {
		before := r.pausedUntil.Load()
		if before >= until || r.pausedUntil.CompareAndSwap(before, until) {
			break
		}
	}
	r.metrics.throttled(r.settings.Schema)
	r.logger.Info("the receiver asked for a pause", zap.Duration("pause", d))
}

// away notes that the receiver cannot be reached, or fails.
func (r *Relay) away(what string, err error, batch []sent) {
	if r.isAway.CompareAndSwap(false, true) {
		r.logger.Warn(what, zap.String("results", outcomes(batch)), zap.Error(err))
	}
	r.metrics.outage(r.settings.Schema, true)
}

// back notes that the receiver is well.
func (r *Relay) back() {
	if r.isAway.CompareAndSwap(true, false) {
		r.logger.Info("the receiver answers again")
		r.metrics.outage(r.settings.Schema, false)
	}
}
