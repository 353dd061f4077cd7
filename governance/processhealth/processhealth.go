// Package processhealth tells how well the process it runs in is doing: how much of
// its CPU, memory and files it uses, how long its garbage collector and scheduler
// make requests wait, and whether it should get new work.
//
// A Monitor takes a sample every second. Values are smoothed, and levels change only
// when several samples in a row agree, so a spike changes nothing. Two questions are
// kept apart. Overload is in the Verdict: a process under load advertises a lower
// weight and sheds, but stays where it is, as a fleet under load that declared itself
// unready would remove itself. Readiness is about draining, an operator's decision
// and named dependencies alone.
//
// The package depends on the standard library alone. It reads the few files of /proc
// and of cgroups that it needs itself, from handles that it keeps open, because it
// does so every second; on other systems than Linux the signals of the operating
// system (CPU, memory, open files) are missing.
package processhealth

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Level is how well something is.
type Level uint8

// The levels.
const (
	Healthy Level = iota
	Warning
	Danger
)

// String returns healthy, warning or danger.
func (l Level) String() string { return [...]string{"healthy", "warning", "danger"}[l] }

// MarshalText implements encoding.TextMarshaler.
func (l Level) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// Verdict is what the signals come to.
type Verdict struct {
	// Level is Danger when CPU, memory or heap is in danger, or GC pauses and
	// goroutines both are; Warning when any signal is above Healthy.
	Level Level `json:"level"`
	// Reason names the signals that led to the level and their values; it is empty
	// when the process is healthy.
	Reason string `json:"reason,omitempty"`
	// Pressure is between 0 (nothing is above its warning) and 1 (danger is reached),
	// for load shedding. It counts what can make the level Danger: the largest
	// (value - warning) / (danger - warning) of CPU, memory and heap, and of GC pauses
	// and goroutines the smaller one. It is a moving average of that, in which the
	// latest sample has a weight of 0.2, so that shedding settles.
	Pressure float64 `json:"pressure"`
	// Weight is the share of its traffic that the process advertises to want, in
	// (0,1]: 1 - 0.9 * Pressure.
	Weight float64 `json:"weight"`
}

// Monitor samples the process. Its methods may be called concurrently. The zero
// Monitor has the default settings.
type Monitor struct {
	verdict atomic.Pointer[Verdict]

	mu       sync.Mutex
	settings Settings
	signals  [signalCount]signal
	pressure float64 // of the latest verdict
	checks   []*check
	replaced []*check // those of the settings before, which may come back
	holders  int      // of Start
	running  *run     // nil without holders
	draining bool
	decision Decision
	open     func() source // replaces openSystem in tests
}

// run is the loops of a running monitor: one that samples, and one for each check.
type run struct {
	interval                time.Duration // of samples
	stopSamples, stopChecks context.CancelFunc
	loops                   sync.WaitGroup
}

// New returns a monitor that is not started. It fails if settings make no sense.
func New(settings Settings) (*Monitor, error) {
	m := new(Monitor)
	if err := m.Configure(settings); err != nil {
		return nil, err
	}
	return m, nil
}

// Configure changes the settings, also of a running monitor. What the signals have
// shown so far stays, and so do the results of checks whose name and URL stay or were
// in the settings before these; other checks of a running monitor are well until they
// fail. It fails, and changes nothing, if settings make no sense.
func (m *Monitor) Configure(settings Settings) error {
	if err := settings.Validate(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.settings = settings
	m.checks, m.replaced = newChecks(settings.Checks, slices.Concat(m.checks, m.replaced), m.running != nil), m.checks
	if m.running == nil {
		return nil
	}
	m.running.stopChecks()
	m.beginChecks()
	// Samples go on: settings that change faster than a sample is due leave it due.
	if m.running.interval != settings.Interval {
		m.running.stopSamples()
		m.beginSamples()
	}
	return nil
}

// Run samples until ctx is done.
func (m *Monitor) Run(ctx context.Context) {
	m.Start()
	defer m.Stop()
	<-ctx.Done()
}

// Start begins to sample, unless someone else has already. Each Start needs one Stop.
func (m *Monitor) Start() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.holders++; m.holders > 1 {
		return
	}
	if m.settings.Interval == 0 {
		m.settings = DefaultSettings()
	}
	m.running = new(run)
	m.beginSamples()
	m.beginChecks()
}

// Stop takes one Start back. With the last one sampling ends, and Stop waits for that.
// The last verdict stands.
func (m *Monitor) Stop() {
	m.mu.Lock()
	var last *run
	if m.holders > 0 {
		if m.holders--; m.holders == 0 {
			last, m.running = m.running, nil
			last.stopSamples()
			last.stopChecks()
		}
	}
	m.mu.Unlock()
	if last != nil {
		last.loops.Wait()
	}
}

// beginSamples starts to sample. The caller holds mu.
func (m *Monitor) beginSamples() {
	interval, open := m.settings.Interval, m.open
	if open == nil {
		open = openSystem
	}
	ctx, cancel := context.WithCancel(context.Background())
	m.running.interval, m.running.stopSamples = interval, cancel
	m.running.loops.Go(func() { m.sample(ctx, interval, open) })
}

// beginChecks starts to poll. The caller holds mu.
func (m *Monitor) beginChecks() {
	ctx, cancel := context.WithCancel(context.Background())
	m.running.stopChecks = cancel
	tell := m.settings.OnCheck
	for _, c := range m.checks {
		m.running.loops.Go(func() { c.poll(ctx, tell) })
	}
}

// sample takes a sample every interval until ctx is done.
func (m *Monitor) sample(ctx context.Context, interval time.Duration, open func() source) {
	source := open()
	defer source.close()
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			m.take(ctx, source.read())
		}
	}
}

// take makes a verdict of a sample.
func (m *Monitor) take(ctx context.Context, sample readings) {
	m.mu.Lock()
	if ctx.Err() != nil { // the settings are not those of the sample's loop any more
		m.mu.Unlock()
		return
	}
	for i := range m.signals {
		m.signals[i].step(sample[i], m.settings.thresholds(i), &m.settings)
	}
	verdict, before := m.judge(), m.Verdict()
	m.verdict.Store(&verdict)
	tell := m.settings.OnLevel
	m.mu.Unlock()
	if tell != nil && verdict.Level != before.Level {
		tell(verdict, before)
	}
}

// Verdict returns the latest verdict; it is one atomic load. Before the first sample
// the process counts as healthy.
func (m *Monitor) Verdict() Verdict {
	if v := m.verdict.Load(); v != nil {
		return *v
	}
	return Verdict{Weight: 1}
}
