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
		time.Sleep(1)
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
		time.Sleep(5 * time.Second)
		expect(true, 2) // one failure is none
		time.Sleep(5 * time.Second)
		expect(false, 3)
		down.Store(false)
		time.Sleep(5 * time.Second)
		expect(true, 4) // one success mends it
		for _, want := range []string{"database", "database: down", "database"} {
			if got := <-changes; got != want {
				t.Errorf("told %q, want %q", got, want)
			}
		}

		// With other settings, results of the same check stay; a new one is unknown
		// until it was polled.
		settings := DefaultSettings()
		block := make(chan struct{})
		settings.Checks = []Check{database, {Name: "cache", Probe: func(context.Context) error { <-block; return nil }}}
		down.Store(true)
		if err := m.Configure(settings); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := m.Readiness().Reasons; !slices.Equal(got, []string{"check cache"}) {
			t.Errorf("reasons are %v, want only the check that is new", got)
		}
		close(block)
		synctest.Wait()
		if got := m.Readiness(); !got.Ready {
			t.Errorf("readiness is %+v", got)
		}
		// and so when the settings of before come back
		hangs := Check{Name: "database", Probe: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}
		for _, checks := range [][]Check{nil, {hangs}} {
			settings.Checks = checks
			if err := m.Configure(settings); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if got := m.Readiness(); !got.Ready {
				t.Errorf("readiness is %+v", got)
			}
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
