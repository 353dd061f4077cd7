package processhealth

// settings.go holds what can be set, the defaults, and what makes no sense.

import (
	"fmt"
	"math"
	"time"
)

// Settings of a Monitor. DefaultSettings has sensible ones to begin with.
type Settings struct {
	// Interval is the time between two samples. Default: 1 s.
	Interval time.Duration
	// Smoothing is the weight of the latest sample in a signal's value, above 0 and at
	// most 1: value = Smoothing * sample + (1 - Smoothing) * value. Default: 0.4.
	Smoothing float64
	// Enter and Leave are how many samples in a row must be at or above a threshold to
	// enter its level, and below it to leave. Default: 3 and 10.
	Enter, Leave int

	// CPU is CPU time as a share of what the process may use: of the CPU quota of its
	// cgroup, where the whole cgroup's time counts, or without one of GOMAXPROCS CPUs,
	// where its own time does. Default: 0.75 and 0.90.
	CPU Thresholds
	// Memory is the resident set as a share of the memory limit of the cgroup or, if
	// that is less, of the machine. Default: 0.80 and 0.95.
	Memory Thresholds
	// Heap is what the last garbage collection left alive, as a share of GOMEMLIMIT:
	// near 1, the collector runs all the time. There is no such signal without
	// GOMEMLIMIT. Default: 0.80 and 0.95.
	Heap Thresholds
	// GCPause is the 99th percentile, in seconds, of the pauses that the garbage
	// collector made since the last sample. Default: 0.005 and 0.020.
	GCPause Thresholds
	// SchedulerLatency is the 99th percentile, in seconds, of the time that goroutines
	// were ready to run and waited for a CPU since the last sample. It warns only.
	// Default: 0.010 and 0.050.
	SchedulerLatency Thresholds
	// Goroutines is their number. Default: 5,000 and 20,000.
	Goroutines Thresholds
	// OpenFiles is the number of open files, sockets among them, as a share of the
	// limit (RLIMIT_NOFILE). It warns only. Default: 0.80 and 0.95.
	OpenFiles Thresholds

	// Checks are the dependencies without which the process is not ready. Default: none.
	Checks []Check
	// Draining, if not nil, is asked whether the process is going away, in addition to
	// Drain. It must not call the monitor.
	Draining func() bool
	// OnLevel, if not nil, is called when the verdict's level changes.
	OnLevel func(now, before Verdict)
	// OnCheck, if not nil, is called when a check's result changes; err is nil when it
	// succeeds now.
	OnCheck func(name string, err error)
}

// Thresholds of a signal: the values from which on it is at a level.
type Thresholds struct{ Warning, Danger float64 }

// DefaultSettings returns the defaults.
func DefaultSettings() Settings {
	return Settings{
		Interval:         time.Second,
		Smoothing:        0.4,
		Enter:            3,
		Leave:            10,
		CPU:              Thresholds{0.75, 0.90},
		Memory:           Thresholds{0.80, 0.95},
		Heap:             Thresholds{0.80, 0.95},
		GCPause:          Thresholds{0.005, 0.020},
		SchedulerLatency: Thresholds{0.010, 0.050},
		Goroutines:       Thresholds{5000, 20000},
		OpenFiles:        Thresholds{0.80, 0.95},
	}
}

// Validate says what makes no sense.
func (s Settings) Validate() error {
	switch {
	case s.Interval < 100*time.Millisecond || s.Interval > time.Minute:
		return fmt.Errorf("interval: %s is not between 100ms and 1m", s.Interval)
	case !(s.Smoothing > 0 && s.Smoothing <= 1):
		return fmt.Errorf("smoothing: %v is not above 0 and at most 1", s.Smoothing)
	case s.Enter < 1 || s.Leave < 1:
		return fmt.Errorf("samples: %d to enter a level and %d to leave it; both must be at least 1", s.Enter, s.Leave)
	}
	for i := range signalCount {
		if err := s.thresholds(i).validate(kinds[i]); err != nil {
			return err
		}
	}
	return validateChecks(s.Checks)
}

func (t Thresholds) validate(k kind) error {
	switch {
	case !(t.Warning > 0) || !(t.Danger > 0) || math.IsInf(t.Warning, 0) || math.IsInf(t.Danger, 0):
		return fmt.Errorf("%s: thresholds %s and %s must be positive", k.name, k.text(t.Warning), k.text(t.Danger))
	case t.Warning >= t.Danger:
		return fmt.Errorf("%s: warning %s is not below danger %s", k.name, k.text(t.Warning), k.text(t.Danger))
	case k.unit == "ratio" && t.Danger > 1:
		return fmt.Errorf("%s: danger %s is above 100%%", k.name, k.text(t.Danger))
	}
	return nil
}

// thresholds returns those of a signal.
func (s *Settings) thresholds(signal int) Thresholds {
	return [signalCount]Thresholds{
		cpu: s.CPU, memory: s.Memory, heap: s.Heap, gcPause: s.GCPause,
		schedulerLatency: s.SchedulerLatency, goroutines: s.Goroutines, openFiles: s.OpenFiles,
	}[signal]
}
