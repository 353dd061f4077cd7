package processhealth

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestReadiness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		leaving := false
		m, _ := monitored(t, func(s *Settings) { s.Draining = func() bool { return leaving } })
		expect := func(reasons ...string) {
			t.Helper()
			got := m.Readiness()
			if got.Ready != (len(reasons) == 0) || !slices.Equal(got.Reasons, reasons) {
				t.Errorf("readiness is %+v, want the reasons %v", got, reasons)
			}
		}
		expect()
		m.Drain(true)
		expect("draining")
		m.Drain(false)
		leaving = true
		expect("draining")
		leaving = false
		m.Decide(Decision{Kind: Draining})
		expect("draining")
		m.Decide(Decision{Kind: NotReady, Until: time.Now().Add(5 * time.Minute)})
		expect("operator")
		leaving = true
		expect("draining", "operator")
		leaving = false
		time.Sleep(5*time.Minute - 1)
		expect("operator")
		time.Sleep(1 * time.Nanosecond)
		expect()
		if d := m.Decision(); d != (Decision{}) {
			t.Errorf("decision is still %+v", d)
		}
	})
}

func TestChecks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var down atomic.Bool
		var polls atomic.Int64
		changes := make(chan string, 10)
		database := Check{Name: "database", Probe: func(context.Context) error {
			polls.Add(1)
			if down.Load() {
				return errors.New("down")
			}
			return nil
		}}
		m, _ := monitored(t, func(s *Settings) {
			s.Checks = []Check{database}
			s.OnCheck = func(name string, err error) {
				if err != nil {
					name += ": " + err.Error()
				}
				changes <- name
			}
		})
		expect := func(ready bool, wantPolls int64) {
			t.Helper()
			synctest.Wait()
			if got := m.Readiness(); got.Ready != ready || !ready && !slices.Equal(got.Reasons, []string{"check database"}) {
				t.Errorf("readiness is %+v, want %v", got, ready)
			}
			if n := polls.Load(); n != wantPolls {
				t.Errorf("polled %d times, want %d", n, wantPolls)
			}
		}
		expect(true, 1) // polled at once
		down.Store(true)
		// polls are 4.5 to 5.5 s apart
		time.Sleep(5500 * time.Millisecond)
		expect(true, 2) // one failure is none
		time.Sleep(5500 * time.Millisecond)
		expect(false, 3)
		down.Store(false)
		time.Sleep(5500 * time.Millisecond)
		expect(true, 4) // one success mends it
		for _, want := range []string{"database", "database: down", "database"} {
			if got := <-changes; got != want {
				t.Errorf("told %q, want %q", got, want)
			}
		}

		// With other settings, results of the same check stay,
		settings := DefaultSettings()
		settings.Checks = []Check{database}
		down.Store(true)
		if err := m.Configure(settings); err != nil {
			t.Fatal(err)
		}
		expect(true, 5)
		time.Sleep(5500 * time.Millisecond)
		expect(false, 6)
		// also when the settings of before come back.
		hangs := Check{Name: "database", Probe: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}
		for i, checks := range [][]Check{nil, {hangs}} {
			settings.Checks = checks
			if err := m.Configure(settings); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if got := m.Readiness(); got.Ready != (i == 0) {
				t.Errorf("readiness is %+v", got)
			}
		}
	})
}

// A process that starts is not ready before all its checks are answered. One that is
// at work already stays ready with a new check until that has failed.
func TestANewCheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hangs := Check{Name: "hangs", Probe: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}
		well := Check{Name: "well", Probe: func(context.Context) error { time.Sleep(900 * time.Millisecond); return nil }}
		var told []string
		m, _ := monitored(t, func(s *Settings) { s.Checks = []Check{well} })
		expect := func(reasons ...string) {
			t.Helper()
			synctest.Wait()
			if got := m.Readiness().Reasons; !slices.Equal(got, reasons) {
				t.Errorf("reasons are %q, want %q", got, reasons)
			}
		}
		expect("check well") // 0.5 s after the start
		time.Sleep(time.Second)
		expect()
		settings := DefaultSettings()
		settings.OnCheck = func(name string, err error) { told = append(told, name) }
		other := well
		other.URL = "http://other"
		settings.Checks = []Check{hangs, other}
		if err := m.Configure(settings); err != nil {
			t.Fatal(err)
		}
		expect()
		time.Sleep(5400 * time.Millisecond)
		expect() // one failure is none
		time.Sleep(1200 * time.Millisecond)
		expect("check hangs") // two polls of a second
		if !slices.Equal(told, []string{"hangs"}) {
			t.Errorf("told %q, want only what fails", told)
		}
	})
}

// Polls of processes that started together do not stay in step.
func TestPollsAreSpread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var polls []time.Time
		monitored(t, func(s *Settings) {
			s.Checks = []Check{{Name: "database", Probe: func(context.Context) error {
				polls = append(polls, time.Now())
				time.Sleep(time.Second)
				return nil
			}}}
		})
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		distinct := make(map[time.Duration]bool)
		for i := range polls[1:] {
			gap := polls[i+1].Sub(polls[i])
			distinct[gap] = true
			if gap < 4500*time.Millisecond || gap > 5500*time.Millisecond {
				t.Errorf("%v between two polls, want 5 s give or take a tenth", gap)
			}
		}
		if len(polls) < 105 || len(distinct) < 100 {
			t.Errorf("%d polls in 10 min with %d different times between them", len(polls), len(distinct))
		}
	})
}

func TestCheckTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _ := monitored(t, func(s *Settings) {
			s.Checks = []Check{{Name: "slow", Probe: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}}
		})
		time.Sleep(time.Second)
		synctest.Wait()
		checks := m.Report().Checks
		if len(checks) != 1 || checks[0].OK || checks[0].Error != context.DeadlineExceeded.Error() {
			t.Errorf("checks are %+v", checks)
		}
	})
}
