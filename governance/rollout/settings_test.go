package rollout

import (
	"math"
	"strings"
	"testing"
	"time"
)

var nan = math.NaN()

func TestSettingsThatMakeNoSense(t *testing.T) {
	for _, test := range []struct {
		setting string
		change  func(*Settings)
	}{
		{"steps", func(s *Settings) { s.Steps = []float64{0} }},
		{"steps", func(s *Settings) { s.Steps = []float64{nan} }},
		{"steps", func(s *Settings) { s.Steps = []float64{0.5, 1.1} }},
		{"steps", func(s *Settings) { s.Steps = []float64{0.5, 0.5} }},
		{"steps", func(s *Settings) { s.Steps = []float64{0.5, 0.2} }},
		{"interval", func(s *Settings) { s.Interval = 0 }},
		{"interval", func(s *Settings) { s.Interval = 25 * time.Hour }},
		{"min_requests", func(s *Settings) { s.MinRequests = 0 }},
		{"min_requests", func(s *Settings) { s.MinRequests = 2_000_000_000 }},
		{"max_error_increase", func(s *Settings) { s.MaxErrorIncrease = -0.1 }},
		{"max_error_increase", func(s *Settings) { s.MaxErrorIncrease = 1 }},
		{"max_error_increase", func(s *Settings) { s.MaxErrorIncrease = nan }},
		{"max_latency_ratio", func(s *Settings) { s.MaxLatencyRatio = 0.9 }},
		{"max_latency_ratio", func(s *Settings) { s.MaxLatencyRatio = math.Inf(1) }},
		{"max_latency_ratio", func(s *Settings) { s.MaxLatencyRatio = nan }},
		{"quantile", func(s *Settings) { s.Quantile = 0.4 }},
		{"quantile", func(s *Settings) { s.Quantile = 1 }},
		{"quantile", func(s *Settings) { s.Quantile = nan }},
		{"alpha", func(s *Settings) { s.Alpha = 0 }},
		{"alpha", func(s *Settings) { s.Alpha = 0.5 }},
		{"alpha", func(s *Settings) { s.Alpha = nan }},
		{"min_errors", func(s *Settings) { s.MinErrors = 0 }},
		{"on_fail", func(s *Settings) { s.OnFail = Promote }},
	} {
		s := issueSettings()
		if err := s.Validate(); err != nil {
			t.Fatal(err)
		}
		test.change(&s)
		err := s.Validate()
		if err == nil || !strings.HasPrefix(err.Error(), test.setting+": ") {
			t.Errorf("%+v: %v, want an error of %s", s, err, test.setting)
		}
	}
}

// Extremes that are allowed must not break the arithmetic.
func TestExtremesOfTheSettings(t *testing.T) {
	for name, change := range map[string]func(*Settings){
		"one request":       func(s *Settings) { s.MinRequests, s.MinErrors = 1, 1 },
		"no margin":         func(s *Settings) { s.MaxErrorIncrease, s.MaxLatencyRatio = 0, 1 },
		"every margin":      func(s *Settings) { s.MaxErrorIncrease, s.MaxLatencyRatio = 0.999, 1e9 },
		"the median":        func(s *Settings) { s.Quantile = 0.5 },
		"the slowest":       func(s *Settings) { s.Quantile = 0.999 },
		"a tiny level":      func(s *Settings) { s.Alpha = 1e-300 },
		"a tiny interval":   func(s *Settings) { s.Interval = 1 },
		"the longest waits": func(s *Settings) { s.Interval = maxInterval },
	} {
		t.Run(name, func(t *testing.T) {
			s := issueSettings()
			change(&s)
			for _, failures := range []int{0, 1, 200} {
				for _, requests := range [][2]int{{0, 0}, {1, 1}, {200, 1}, {1, 200}, {200, 2}, {200, 200}} {
					g := newStepping(t, s, 0.05)
					g.send(Canary, requests[0], failures)
					g.send(Stable, requests[1], 0)
					g.Start(Canary).End(math.MaxInt64, false)
					g.Start(Stable).End(-1, false)
					v, looked := g.after(s.Interval)
					if !looked || !(v.ErrorP >= 0 && v.ErrorP <= 1) || !(v.LatencyP >= 0 && v.LatencyP <= 1) ||
						math.IsNaN(v.LatencyRatio) || math.IsInf(v.LatencyRatio, 0) || math.IsInf(v.SlowSeconds, 0) {
						t.Errorf("%v requests, %d failures, looked %t: %+v", requests, failures, looked, v)
					}
				}
			}
		})
	}
}
