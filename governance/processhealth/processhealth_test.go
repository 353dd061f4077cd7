package processhealth

import (
	"context"
	"math"
	"reflect"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// given is a source of samples that a test sets.
type given struct {
	mu     sync.Mutex
	sample readings
}

func (g *given) read() readings {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.sample
}

func (*given) close() {}

func (g *given) set(signal int, value float64) { g.change(func(r *readings) { r[signal] = value }) }

func (g *given) change(change func(*readings)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	change(&g.sample)
}

// healthy are readings far below every threshold.
func healthy() readings {
	return readings{cpu: 0.1, memory: 0.2, heap: math.NaN(), gcPause: 0.001, schedulerLatency: 0.0001, goroutines: 50, openFiles: 0.01}
}

// monitored returns a running monitor without smoothing and the source it reads. It
// is for a synctest bubble.
func monitored(t *testing.T, change func(*Settings)) (*Monitor, *given) {
	t.Helper()
	settings := DefaultSettings()
	settings.Smoothing = 1
	if change != nil {
		change(&settings)
	}
	m, err := New(settings)
	if err != nil {
		t.Fatal(err)
	}
	g := &given{sample: healthy()}
	m.open = func() source { return g }
	m.Start()
	t.Cleanup(m.Stop)
	// samples are taken between the test's own looks
	time.Sleep(settings.Interval / 2)
	return m, g
}

// after lets n samples be taken.
func after(n int) {
	time.Sleep(time.Duration(n) * time.Second)
	synctest.Wait()
}

func TestHysteresis(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, g := monitored(t, nil)
		steps := []struct {
			cpu     float64
			samples int
			want    Level
		}{
			{0.74, 20, Healthy},
			{0.75, 2, Healthy},
			{0.75, 1, Warning}, // the third in a row
			{0.95, 2, Warning},
			{0.10, 1, Warning}, // a gap: the count begins anew
			{0.95, 2, Warning},
			{0.95, 1, Danger},
			{0.80, 9, Danger},
			{0.95, 1, Danger}, // not ten in a row
			{0.80, 9, Danger},
			{0.80, 1, Warning},
			{0.10, 9, Warning},
			{0.10, 1, Healthy},
			{1.00, 2, Healthy}, // a spike
			{0.10, 1, Healthy},
			{1.00, 3, Danger}, // both levels at once
			{0.10, 9, Danger},
			{0.10, 1, Healthy},
		}
		for i, step := range steps {
			g.set(cpu, step.cpu)
			after(step.samples)
			if got := m.Verdict().Level; got != step.want {
				t.Errorf("step %d: after %d samples of %v the level is %s, want %s", i, step.samples, step.cpu, got, step.want)
			}
		}
	})
}

func TestSmoothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, g := monitored(t, func(s *Settings) { s.Smoothing = 0.4 })
		after(1)
		g.set(cpu, 1)
		after(2)
		// 0.1, then 0.1 + 0.4*0.9 = 0.46, then 0.46 + 0.4*0.54 = 0.676
		if got := m.Report().Signals[cpu].Value; math.Abs(got-0.676) > 1e-9 {
			t.Errorf("value is %v, want 0.676", got)
		}
	})
}

func TestVerdict(t *testing.T) {
	tests := []struct {
		name   string
		change func(*readings)
		level  Level
		reason string
		// pressure in the long run
		pressure float64
	}{
		{"healthy", func(*readings) {}, Healthy, "", 0},
		{"cpu warns", func(r *readings) { r[cpu] = 0.825 }, Warning, "cpu 82.5%", 0.5},
		{"cpu", func(r *readings) { r[cpu] = 0.97 }, Danger, "cpu 97%", 1},
		{"memory", func(r *readings) { r[memory] = 0.95 }, Danger, "memory 95%", 1},
		{"heap", func(r *readings) { r[heap] = 0.96 }, Danger, "heap 96%", 1},
		{"gc pause alone warns", func(r *readings) { r[gcPause] = 0.1 }, Warning, "gc_pause 100ms", 0},
		{"goroutines alone warn", func(r *readings) { r[goroutines] = 30000 }, Warning, "goroutines 30000", 0},
		{"gc pause and goroutines", func(r *readings) { r[gcPause], r[goroutines] = 0.02, 20000 }, Danger, "gc_pause 20ms, goroutines 20000", 1},
		{"gc pause in danger, goroutines warn", func(r *readings) { r[gcPause], r[goroutines] = 0.02, 8000 }, Warning, "gc_pause 20ms, goroutines 8000", 0.2},
		{"scheduler latency only warns", func(r *readings) { r[schedulerLatency] = 1 }, Warning, "scheduler_latency 1s", 0},
		{"open files only warn", func(r *readings) { r[openFiles] = 1 }, Warning, "open_files 100%", 0},
		{"the worst is the reason", func(r *readings) { r[cpu], r[memory], r[openFiles] = 0.8, 0.99, 0.99 }, Danger, "memory 99%", 1},
		{"nothing is known", func(r *readings) {
			for i := range r {
				r[i] = math.NaN()
			}
		}, Healthy, "", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, g := monitored(t, nil)
				g.change(tt.change)
				after(3)
				if got := m.Verdict(); got.Level != tt.level {
					t.Errorf("the level is %s after three samples, want %s", got.Level, tt.level)
				}
				after(60) // until the pressure has followed
				got := m.Verdict()
				if got.Level != tt.level || got.Reason != tt.reason || math.Abs(got.Pressure-tt.pressure) > 1e-5 {
					t.Errorf("verdict is %+v, want %s because of %q, pressure %v", got, tt.level, tt.reason, tt.pressure)
				}
				if want := 1 - 0.9*got.Pressure; math.Abs(got.Weight-want) > 1e-9 {
					t.Errorf("weight is %v, want %v", got.Weight, want)
				}
				if r := m.Readiness(); !r.Ready {
					t.Errorf("load made the process unready: %v", r.Reasons)
				}
			})
		})
	}
}

// A reading that is lost changes nothing, and is none.
func TestALostReadingChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, g := monitored(t, nil)
		g.set(cpu, 1)
		after(10)
		for range 3 {
			g.set(cpu, math.NaN())
			after(9)
			if got := m.Verdict(); got.Level != Danger || got.Pressure < 0.89 {
				t.Errorf("after nine readings that are lost the verdict is %+v", got)
			}
			g.set(cpu, 1)
			after(1)
		}
		g.set(cpu, 0.1)
		after(9)
		if got := m.Verdict().Level; got != Danger {
			t.Errorf("level is %s after nine samples: lost readings count as low ones", got)
		}
		after(1)
		if got := m.Verdict().Level; got != Healthy {
			t.Errorf("level is %s after ten samples", got)
		}
	})
}

// A signal that the system does not tell any more must not hold a level for ever.
func TestUnknownSignalHasNoLevel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, g := monitored(t, nil)
		g.set(memory, 1)
		after(3)
		g.set(memory, math.NaN())
		after(10)
		if got := m.Verdict().Level; got != Healthy {
			t.Errorf("level is %s", got)
		}
		for _, s := range m.Report().Signals {
			if s.Name == "memory" {
				t.Errorf("the report shows %+v", s)
			}
		}
		after(50) // until the pressure has followed
		if got := m.Verdict().Weight; got != 1 {
			t.Errorf("weight is %v", got)
		}
	})
}

func TestOnLevel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []Level
		m, g := monitored(t, func(s *Settings) {
			s.OnLevel = func(now, before Verdict) { told = append(told, before.Level, now.Level) }
		})
		g.set(cpu, 1)
		after(20)
		g.set(cpu, 0)
		after(20)
		m.Stop()
		m.Start() // for the cleanup
		if want := []Level{Healthy, Danger, Danger, Healthy}; !slices.Equal(told, want) {
			t.Errorf("told %v, want %v", told, want)
		}
	})
}

// Other settings apply at once, and forget nothing.
func TestConfigureKeepsHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, g := monitored(t, nil)
		g.set(cpu, 0.8)
		after(3)
		settings := DefaultSettings()
		settings.Smoothing, settings.Interval = 1, 10*time.Second
		settings.CPU = Thresholds{0.79, 0.9}
		if err := m.Configure(settings); err != nil {
			t.Fatal(err)
		}
		if got := m.Verdict().Level; got != Warning {
			t.Errorf("after a change of settings the level is %s, want the one of before", got)
		}
		g.set(cpu, 0.1)
		after(99) // 9 samples
		if got := m.Verdict().Level; got != Warning {
			t.Errorf("level is %s after nine samples; the interval did not change", got)
		}
		after(2)
		if got := m.Verdict().Level; got != Healthy {
			t.Errorf("level is %s after ten samples", got)
		}
		settings.CPU.Warning = 0.95
		if err := m.Configure(settings); err == nil {
			t.Error("a warning above danger was accepted")
		}
		if got := m.Report().Signals[cpu].Warning; got != 0.79 {
			t.Errorf("settings that were refused changed the warning to %v", got)
		}
	})
}

// Settings that change faster than samples are due do not blind the monitor.
func TestConfigureDoesNotPutSamplesOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, g := monitored(t, nil)
		g.set(cpu, 1)
		for range 5 {
			time.Sleep(900 * time.Millisecond)
			if err := m.Configure(DefaultSettings()); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		if got := m.Verdict(); got.Level != Danger {
			t.Errorf("after 4.5 s of work, with other settings each 0.9 s, the verdict is %+v", got)
		}
	})
}

func TestSamplesOnlyWhileHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, g := monitored(t, nil)
		m.Start()
		m.Stop()
		g.set(cpu, 1)
		after(3)
		if got := m.Verdict().Level; got != Danger {
			t.Errorf("level is %s: one Stop of two ended sampling", got)
		}
		m.Stop()
		g.set(cpu, 0)
		after(60)
		if got := m.Verdict().Level; got != Danger {
			t.Errorf("level is %s: samples are taken after the last Stop", got)
		}
		m.Stop() // one too many does nothing
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { m.Run(ctx); close(done) }()
		after(11)
		cancel()
		<-done
		if got := m.Verdict().Level; got != Healthy {
			t.Errorf("level is %s: Run took no samples", got)
		}
		m.Start() // for the cleanup
	})
}

// The zero monitor has the default settings, so that it can be embedded.
func TestZeroMonitor(t *testing.T) {
	var m Monitor
	if got := m.Verdict(); got != (Verdict{Weight: 1}) {
		t.Errorf("verdict is %+v", got)
	}
	m.Start()
	m.Stop()
	got, want := m.settings, DefaultSettings()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("settings are %+v", got)
	}
}

func TestVerdictAllocatesNothing(t *testing.T) {
	m := new(Monitor)
	m.verdict.Store(&Verdict{Level: Danger, Reason: "cpu 99%", Pressure: 1, Weight: 0.1})
	var v Verdict
	if n := testing.AllocsPerRun(100, func() { v = m.Verdict() }); n != 0 || v.Level != Danger {
		t.Errorf("a look at the verdict allocates %v times", n)
	}
}

func BenchmarkVerdict(b *testing.B) {
	m := new(Monitor)
	m.verdict.Store(&Verdict{Weight: 1})
	for b.Loop() {
		m.Verdict()
	}
}
