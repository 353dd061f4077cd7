package health

import (
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap/zaptest/observer"
)

// refuse has n requests refused, one each millisecond.
func refuse(h *LoadShed, path string, n int) {
	for range n {
		_ = h.ServeHTTP(httptest.NewRecorder(), shedRequest(path), shedNext)
		time.Sleep(time.Millisecond)
	}
}

// checkLine compares a line's fields, and how long after begin it was written.
func checkLine(t *testing.T, line observer.LoggedEntry, begin time.Time, after time.Duration, want map[string]any) {
	t.Helper()
	if got := line.Time.Sub(begin); got != after {
		t.Errorf("%q is logged after %v, want %v", line.Message, got, after)
	}
	got := line.ContextMap()
	for field, value := range want {
		if got[field] != value {
			t.Errorf("%q after %v says %s %v, want %v", line.Message, after, field, got[field], value)
		}
	}
}

func TestLoadShedLogsOnceInAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, logs := newShed(t, &LoadShed{Floor: new(float64)}, 1)
		begin := time.Now()
		refuse(h, "/low", 24_500)
		time.Sleep(time.Hour)
		lines := logs.FilterMessage("requests are refused").All()
		if len(lines) != 4 {
			t.Fatalf("of 24.5 s of refusals there are %d lines, want one at 0, 10, 20 and 30 s", len(lines))
		}
		total := int64(0)
		for n, line := range lines {
			checkLine(t, line, begin, time.Duration(n)*reportEvery, map[string]any{"load_shed": "test"})
			total += line.ContextMap()["requests"].(int64)
		}
		if total != 24_500 {
			t.Errorf("the lines tell of %d refusals, want all", total)
		}
	})
}

// A line is about the ten seconds before it, not about what made the next refusal.
func TestLoadShedLogsAShortOverload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, logs := newShed(t, &LoadShed{Floor: new(float64)}, 0)
		pressure := 0.6
		h.pressure = func() float64 { return pressure }
		begin := time.Now()
		refuse(h, "/low", 1)
		pressure = 1
		refuse(h, "/low", 3)
		refuse(h, "/", 2)
		pressure = 0.7
		refuse(h, "/low", 1)
		time.Sleep(24 * time.Hour)
		refuse(h, "/low", 1)
		lines := logs.FilterMessage("requests are refused").All()
		if len(lines) != 3 {
			t.Fatalf("there are %d lines, want three", len(lines))
		}
		checkLine(t, lines[0], begin, 0, map[string]any{"requests": int64(1), "low": int64(1), "highest_pressure": 0.6})
		checkLine(t, lines[1], begin, reportEvery, map[string]any{
			"requests": int64(6), "low": int64(4), "normal": int64(2), "critical": int64(0),
			"by_pressure": int64(6), "by_limit": int64(0), "highest_pressure": 1.0,
		})
		checkLine(t, lines[2], begin, 24*time.Hour+7*time.Millisecond, map[string]any{"requests": int64(1)})
	})
}

func TestLoadShedLogsDryRunApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, logs := newShed(t, &LoadShed{Floor: new(float64), DryRun: true}, 1)
		begin := time.Now()
		refuse(h, "/", 5)
		if _, err := h.Control(nil, []byte(`{"mode":"shed"}`)); err != nil {
			t.Fatal(err)
		}
		refuse(h, "/", 3)
		time.Sleep(time.Minute)
		dry, real := logs.FilterMessage("requests would be refused").All(), logs.FilterMessage("requests are refused").All()
		if len(dry) != 2 || len(real) != 2 {
			t.Fatalf("there are %d lines of a dry run and %d of refusals, want two each", len(dry), len(real))
		}
		checkLine(t, dry[0], begin, 0, map[string]any{"requests": int64(1)})
		checkLine(t, dry[1], begin, reportEvery, map[string]any{"requests": int64(4)})
		checkLine(t, real[0], begin, 5*time.Millisecond, map[string]any{"requests": int64(1)})
		checkLine(t, real[1], begin, reportEvery+5*time.Millisecond, map[string]any{"requests": int64(2)})
	})
}
