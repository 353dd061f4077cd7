package processhealth

import (
	"math"
	"testing"
	"time"
)

func TestValidate(t *testing.T) {
	tests := []struct {
		change func(*Settings)
		want   string
	}{
		{func(s *Settings) { s.Interval = 0 }, "interval: 0s is not between 100ms and 1m"},
		{func(s *Settings) { s.Smoothing = math.NaN() }, "smoothing: NaN is not above 0 and at most 1"},
		{func(s *Settings) { s.Leave = 0 }, "samples: 3 to enter a level and 0 to leave it; both must be at least 1"},
		{func(s *Settings) { s.CPU = Thresholds{0.9, 0.75} }, "cpu: warning 90% is not below danger 75%"},
		{func(s *Settings) { s.CPU = Thresholds{0.9, 1.5} }, "cpu: danger 150% is above 100%"},
		{func(s *Settings) { s.Memory.Warning = math.NaN() }, "memory: thresholds NaN% and 95% must be positive"},
		{func(s *Settings) { s.GCPause.Danger = 0.005 }, "gc_pause: warning 5ms is not below danger 5ms"},
		{func(s *Settings) { s.Goroutines.Danger = math.Inf(1) }, "goroutines: thresholds 5000 and +Inf must be positive"},
		{func(s *Settings) { s.Checks = make([]Check, 21) }, "check: 21 checks are too many, the limit is 20"},
		{func(s *Settings) { s.Checks = []Check{{URL: "http://a"}} }, `check "": the name must be a text of 1 to 100 bytes`},
		{func(s *Settings) { s.Checks = []Check{{Name: "a", URL: "http://u:secret@:x"}} }, "check a: the URL must be one such as http://127.0.0.1:8080/health"},
		{func(s *Settings) { s.Checks = []Check{{Name: "a", URL: "http://a"}, {Name: "a", URL: "http://b"}} }, "check a is given twice"},
		{func(s *Settings) { s.Checks = []Check{{Name: "a", URL: "http://a", Every: -1}} }, "check a: every -1ns is less than 100ms"},
		{func(s *Settings) { s.Checks = []Check{{Name: "a", URL: "http://a", Every: 99 * time.Millisecond}} }, "check a: every 99ms is less than 100ms"},
		{func(s *Settings) { s.Checks = []Check{{Name: "a", URL: "http://a", Timeout: 1}} }, "check a: timeout 1ns is less than 1ms"},
		{func(s *Settings) { s.Checks = []Check{{Name: "a", URL: "http://a", Failures: -1}} }, "check a: failures must be positive, not -1"},
		{func(s *Settings) { s.Checks = []Check{{Name: "a", URL: "http://a/{env.TOKEN}"}} }, "check a: the URL contains a placeholder, which nothing replaces: it must be a fixed text"},
	}
	for _, tt := range tests {
		s := DefaultSettings()
		tt.change(&s)
		if _, err := New(s); err == nil || err.Error() != tt.want {
			t.Errorf("error is %v, want %s", err, tt.want)
		}
	}
}
