package shed

import (
	"strings"
	"testing"
)

func TestTheFloorIsBoundedByTwiceTheLimit(t *testing.T) {
	for name, settings := range map[string]Settings{
		"fixed":     {MaxInFlight: 100, HasLow: true, Floor: 0.05},
		"automatic": {Auto: true, AutoMin: 100, AutoMax: 100, HasLow: true, Floor: 0.05},
	} {
		s := New(new(State), settings)
		admitted(s, Normal, 0, 30_000)
		if got := s.InFlight(); got != 200 {
			t.Errorf("%s: %d of 30000 requests that are not answered are in flight, want twice the limit, 200", name, got)
		}
		if got := strings.Count(admitted(s, Low, 1, 1000), "+"); got != 0 {
			t.Errorf("%s: %d more requests are admitted", name, got)
		}
	}
}

func TestAFixedLimitKeepsRoomForHigherPriorities(t *testing.T) {
	for _, test := range []struct {
		name                  string
		settings              Settings
		low, normal, critical int
	}{
		{"one priority", Settings{MaxInFlight: 10}, -1, 10, -1},
		{"with low ones", Settings{MaxInFlight: 10, HasLow: true}, 9, 10, -1},
		{"with critical ones", Settings{MaxInFlight: 10, HasCritical: true}, -1, 9, 10},
		{"all", Settings{MaxInFlight: 10, HasLow: true, HasCritical: true}, 8, 9, 10},
		{"all, of a hundred", Settings{MaxInFlight: 100, HasLow: true, HasCritical: true}, 80, 90, 100},
		{"all, of five", Settings{MaxInFlight: 5, HasLow: true, HasCritical: true}, 3, 4, 5},
		{"all, of three", Settings{MaxInFlight: 3, HasLow: true, HasCritical: true}, 1, 2, 3},
		{"all, of two", Settings{MaxInFlight: 2, HasLow: true, HasCritical: true}, 1, 1, 2},
		{"all, of one", Settings{MaxInFlight: 1, HasLow: true, HasCritical: true}, 1, 1, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			for p, want := range map[Priority]int{Low: test.low, Normal: test.normal, Critical: test.critical} {
				if want < 0 {
					continue
				}
				s := New(new(State), test.settings)
				if got := strings.Count(admitted(s, p, 0, 200), "+"); got != want || s.InFlight() != want {
					t.Errorf("%d %s requests are in flight at once (%d counted), want %d", got, p, s.InFlight(), want)
				}
			}
		})
	}
}

func TestAnAutomaticLimitKeepsRoomForHigherPriorities(t *testing.T) {
	for _, settings := range []Settings{
		{HasLow: true, HasCritical: true}, {HasLow: true}, {HasCritical: true}, {},
	} {
		for most := 1; most <= 40; most++ {
			settings.Auto, settings.AutoMin, settings.AutoMax = true, 1, most
			s := New(new(State), settings)
			lowest, highest := settings.lowest(), settings.highest()
			exist := 1 + int(highest-lowest)
			for limit := int64(1); limit <= s.bounds[lowest]; limit++ {
				s.auto.limit.Store(limit)
				if got := s.bound(lowest); got != limit {
					t.Errorf("%+v: the lowest priority may use %d of the limiter's %d", settings, got, limit)
				}
				for p := lowest; p < highest; p++ {
					if s.bound(p) > s.bound(p+1) || most >= exist && s.bound(p) == s.bound(p+1) {
						t.Errorf("%+v, limit %d: %s may use %d and %s %d", settings, limit, p, s.bound(p), p+1, s.bound(p+1))
					}
				}
				if got := s.Limit(); got > most || got != int(s.bound(highest)) {
					t.Errorf("%+v, limit %d: the limit is shown as %d", settings, limit, got)
				}
			}
		}
	}
}

func TestIgnoredRefusalsAreInFlightAndTakeNoPlace(t *testing.T) {
	for name, settings := range map[string]Settings{"fixed": {MaxInFlight: 2}, "automatic": {Auto: true, AutoMin: 2, AutoMax: 2}} {
		s := New(new(State), settings)
		first, _ := s.Admit(Normal, 0)
		s.Admit(Normal, 0)
		if _, reason := s.Admit(Normal, 0); reason != Limit {
			t.Errorf("%s: the third of two ends with %s", name, reason)
		}
		ignored := s.Ignore()
		if !ignored.Held() || s.InFlight() != 3 {
			t.Errorf("%s: %d are in flight, want all three", name, s.InFlight())
		}
		first.Release(Answered)
		if _, reason := s.Admit(Normal, 0); reason != Admitted {
			t.Errorf("%s: the one that was not admitted took a place: %s", name, reason)
		}
		ignored.Release(Answered)
		ignored.Release(Answered)
		if s.InFlight() != 2 {
			t.Errorf("%s: %d are in flight in the end, want 2", name, s.InFlight())
		}
	}
	s := New(new(State), DefaultSettings())
	if permit := s.Ignore(); permit.Held() || s.InFlight() != 0 {
		t.Error("without a limit somebody counts")
	}
}

func TestAPermitIsReleasedOnce(t *testing.T) {
	for name, settings := range map[string]Settings{"fixed": {MaxInFlight: 100}, "automatic": automatic()} {
		for _, o := range []Outcome{Answered, Failed, Streaming} {
			s := New(new(State), settings)
			first, _ := s.Admit(Normal, 0)
			second, _ := s.Admit(Normal, 0)
			first.Release(o)
			first.Release(Answered)
			if first.Held() || !second.Held() || s.InFlight() != 1 {
				t.Errorf("%s: after one of two is released twice, %d are in flight; held: %v, %v", name, s.InFlight(), first.Held(), second.Held())
			}
			second.Release(o)
			if s.InFlight() != 0 {
				t.Errorf("%s: %d are in flight after all are released", name, s.InFlight())
			}
			if s.auto != nil && s.auto.limiter.Inflight() != 0 {
				t.Errorf("the limiter still counts %d in flight", s.auto.limiter.Inflight())
			}
		}
	}
}

func TestWithoutALimitThereIsNothingToRelease(t *testing.T) {
	s := New(new(State), DefaultSettings())
	permit, reason := s.Admit(Low, 0)
	if reason != Admitted || permit.Held() || s.Limit() != 0 || s.InFlight() != 0 {
		t.Errorf("reason %v, held %v, limit %d, %d in flight", reason, permit.Held(), s.Limit(), s.InFlight())
	}
	permit.Release(Answered)
	s.Close()
}
