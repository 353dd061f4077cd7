package circuit

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestValidate(t *testing.T) {
	if err := DefaultSettings().Validate(); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		want   string
		change func(s *Settings)
	}{
		{"window: 9ms is too short", func(s *Settings) { s.Window = 9 * time.Millisecond }},
		{"window: 0s", func(s *Settings) { s.Window = 0 }},
		{"window: 25h0m0s is longer", func(s *Settings) { s.Window = 25 * time.Hour }},
		{"min_calls: 0", func(s *Settings) { s.MinCalls = 0 }},
		{"failure_ratio: 150% is not", func(s *Settings) { s.FailureRatio = 1.5 }},
		{"failure_ratio: -10%", func(s *Settings) { s.FailureRatio = -0.1 }},
		{"failure_ratio: NaN", func(s *Settings) { s.FailureRatio = math.NaN() }},
		{"consecutive: -1", func(s *Settings) { s.Consecutive = -1 }},
		{"nothing can open", func(s *Settings) { s.Consecutive, s.FailureRatio = 0, 0 }},
		{"slow_call: 1µs is below 1ms", func(s *Settings) { s.SlowCall, s.SlowRatio = time.Microsecond, 0.5 }},
		{"slow_call: -1s", func(s *Settings) { s.SlowCall = -time.Second }},
		{"slow_call: the ratio 80% says nothing", func(s *Settings) { s.SlowRatio = 0.8 }},
		{"slow_call: the ratio 0% is not", func(s *Settings) { s.SlowCall = time.Second }},
		{"slow_call: the ratio 101% is not", func(s *Settings) { s.SlowCall, s.SlowRatio = time.Second, 1.01 }},
		{"slow_call: the ratio NaN", func(s *Settings) { s.SlowCall, s.SlowRatio = time.Second, math.NaN() }},
		{"open_for: 0s", func(s *Settings) { s.OpenFor = 0 }},
		{"open_for: the cap 1s is below the first open time 5s", func(s *Settings) { s.OpenForMax = time.Second }},
		{"probes: with 0", func(s *Settings) { s.Probes = 0 }},
		{"probe_timeout: 0s", func(s *Settings) { s.ProbeTimeout = 0 }},
		{"recover_over: -1s", func(s *Settings) { s.RecoverOver = -time.Second }},
		{"probes: 4294967296 is too many; give 1000", func(s *Settings) { s.Probes = 1 << 32 }},
		{"min_calls: 1000000001 is too many", func(s *Settings) { s.MinCalls = 1_000_000_001 }},
		{"consecutive: 1000000001 is too many", func(s *Settings) { s.Consecutive = 1_000_000_001 }},
		{"max_concurrent: 1000000001 is too many", func(s *Settings) { s.MaxConcurrent = 1_000_000_001 }},
		{"open_for: 2562047h47m16.854775807s is longer than a year", func(s *Settings) { s.OpenFor, s.OpenForMax = math.MaxInt64, math.MaxInt64 }},
		{"max_concurrent: -1", func(s *Settings) { s.MaxConcurrent = -1 }},
	} {
		s := DefaultSettings()
		test.change(&s)
		if err := s.Validate(); err == nil || !strings.HasPrefix(err.Error(), test.want) {
			t.Errorf("got %v, want %s", err, test.want)
		}
	}
	for _, change := range []func(s *Settings){
		func(s *Settings) { s.Consecutive, s.FailureRatio, s.MaxConcurrent = 0, 0, 5 },
		func(s *Settings) { s.Consecutive, s.FailureRatio, s.SlowCall, s.SlowRatio = 0, 0, time.Second, 1 },
		func(s *Settings) { s.OpenForMax, s.RecoverOver = s.OpenFor, 0 },
		func(s *Settings) {
			s.OpenForMax, s.Window, s.ProbeTimeout = math.MaxInt64, 24*time.Hour, math.MaxInt64
		},
	} {
		s := DefaultSettings()
		change(&s)
		if err := s.Validate(); err != nil {
			t.Error(err)
		}
	}
}

// What is valid works, also where durations nearly overflow.
func TestExtremeSettings(t *testing.T) {
	s := quick()
	s.Window, s.OpenForMax, s.ProbeTimeout = 24*time.Hour, math.MaxInt64, math.MaxInt64
	s.SlowCall, s.SlowRatio, s.RecoverOver, s.Probes = math.MaxInt64, 1, math.MaxInt64, 2
	run(t, s, func(f *fixture) {
		c := f.enter()
		c.End(Failure, math.MaxInt64)
		f.is(Open)
		f.Healthy()
		time.Sleep(2 * time.Nanosecond)
		f.call(2, Success)
		f.is(Closed)
		f.call(1, Success)
		f.refuses(ReasonRecovering)
	})
}
