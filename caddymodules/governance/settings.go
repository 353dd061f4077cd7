package governance

// settings.go holds how the health of the process is configured.

import (
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/weirproxy/weir/governance/processhealth"
)

// ProcessHealth sets how the health of the process is judged.
//
// Every interval each signal is sampled and smoothed. A signal enters a level when
// several samples in a row are at or above its threshold, and leaves it when more of
// them are below. The process is in danger when CPU, memory or heap is, or when both
// GC pauses and goroutines are.
type ProcessHealth struct {
	// Interval is the time between two samples, from 100ms to 1m. Default: 1s.
	Interval caddy.Duration `json:"interval,omitempty"`
	// Smoothing is the weight of the latest sample in a signal's moving average,
	// above 0 and at most 1. Default: 0.4.
	Smoothing float64 `json:"smoothing,omitempty"`
	// EnterAfter is how many samples in a row at or above a threshold make its level.
	// Default: 3.
	EnterAfter int `json:"enter_after,omitempty"`
	// LeaveAfter is how many samples in a row below a threshold end its level.
	// Default: 10.
	LeaveAfter int `json:"leave_after,omitempty"`

	// CPU is CPU time as a share of the cgroup's quota or, without one, of the CPUs
	// that Go uses (GOMAXPROCS). Default: 0.75 and 0.9.
	CPU *Shares `json:"cpu,omitempty"`
	// Memory is the resident set as a share of the memory limit of the cgroup or of
	// the machine, whichever is less. Default: 0.8 and 0.95.
	Memory *Shares `json:"memory,omitempty"`
	// Heap is what the garbage collector left alive as a share of GOMEMLIMIT; without
	// that there is no such signal. Default: 0.8 and 0.95.
	Heap *Shares `json:"heap,omitempty"`
	// GCPause is the 99th percentile of the garbage collector's pauses. Default: 5ms
	// and 20ms.
	GCPause *Durations `json:"gc_pause,omitempty"`
	// SchedulerLatency is the 99th percentile of the time that goroutines wait for a
	// CPU. It warns only. Default: 10ms and 50ms.
	SchedulerLatency *Durations `json:"scheduler_latency,omitempty"`
	// Goroutines is their number. Default: 5000 and 20000.
	Goroutines *Counts `json:"goroutines,omitempty"`
	// OpenFiles is the number of open files and sockets as a share of the limit
	// (ulimit -n). It warns only. Default: 0.8 and 0.95.
	OpenFiles *Shares `json:"open_files,omitempty"`

	// Checks are the dependencies without which the process is not ready: only those
	// without which no request at all can be served, as all gateways would become
	// unready together. At most 20. Default: none.
	Checks []Check `json:"checks,omitempty"`
}

// Shares are thresholds between 0 and 1.
type Shares struct {
	// Warning is the share from which on the signal is at warning.
	Warning float64 `json:"warning,omitempty"`
	// Danger is the share from which on it is in danger.
	Danger float64 `json:"danger,omitempty"`
}

// Durations are thresholds of a time.
type Durations struct {
	// Warning is the time from which on the signal is at warning.
	Warning caddy.Duration `json:"warning,omitempty"`
	// Danger is the time from which on it is in danger.
	Danger caddy.Duration `json:"danger,omitempty"`
}

// Counts are thresholds of a number.
type Counts struct {
	// Warning is the number from which on the signal is at warning.
	Warning uint32 `json:"warning,omitempty"`
	// Danger is the number from which on it is in danger.
	Danger uint32 `json:"danger,omitempty"`
}

// Check is a dependency that is polled.
type Check struct {
	// Name is shown in answers, metrics and logs: a fixed text of at most 100 bytes.
	// Required.
	Name string `json:"name,omitempty"`
	// URL is asked with GET; the check succeeds if the answer's status is 2xx.
	// Redirects are not followed. A fixed text, without placeholders. It is shown
	// nowhere. Required.
	URL string `json:"url,omitempty"`
	// Every is the time between two polls, give or take a tenth, at least 100ms.
	// Default: 5s.
	Every caddy.Duration `json:"every,omitempty"`
	// Timeout bounds a poll, at least 1ms. Default: 1s.
	Timeout caddy.Duration `json:"timeout,omitempty"`
	// Failures is how many polls in a row must fail before the check does. One
	// success mends it. Default: 2.
	Failures int `json:"failures,omitempty"`
}

// settings are what the configuration comes to.
func (p *ProcessHealth) settings() processhealth.Settings {
	s := processhealth.DefaultSettings()
	s.Draining = caddy.Exiting
	if p == nil {
		return s
	}
	setIf(&s.Interval, time.Duration(p.Interval))
	setIf(&s.Smoothing, p.Smoothing)
	setIf(&s.Enter, p.EnterAfter)
	setIf(&s.Leave, p.LeaveAfter)
	p.CPU.apply(&s.CPU)
	p.Memory.apply(&s.Memory)
	p.Heap.apply(&s.Heap)
	p.GCPause.apply(&s.GCPause)
	p.SchedulerLatency.apply(&s.SchedulerLatency)
	p.Goroutines.apply(&s.Goroutines)
	p.OpenFiles.apply(&s.OpenFiles)
	for _, c := range p.Checks {
		s.Checks = append(s.Checks, c.check())
	}
	return s
}

func (c Check) check() processhealth.Check {
	return processhealth.Check{
		Name: c.Name, URL: c.URL, Every: time.Duration(c.Every), Timeout: time.Duration(c.Timeout), Failures: c.Failures,
	}
}

func (c *Shares) apply(t *processhealth.Thresholds) {
	if c != nil {
		setIf(&t.Warning, c.Warning)
		setIf(&t.Danger, c.Danger)
	}
}

func (c *Durations) apply(t *processhealth.Thresholds) {
	if c != nil {
		setIf(&t.Warning, time.Duration(c.Warning).Seconds())
		setIf(&t.Danger, time.Duration(c.Danger).Seconds())
	}
}

func (c *Counts) apply(t *processhealth.Thresholds) {
	if c != nil {
		setIf(&t.Warning, float64(c.Warning))
		setIf(&t.Danger, float64(c.Danger))
	}
}

// setIf sets what is configured.
func setIf[T comparable](setting *T, configured T) {
	var zero T
	if configured != zero {
		*setting = configured
	}
}
