package shed

import (
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestSharesUnderPressure(t *testing.T) {
	for _, test := range []struct {
		pressure              float64
		low, normal, critical float64
	}{
		{0, 1, 1, 1},
		{0.1, 0.8, 1, 1},
		{0.5, 0, 1, 1},
		{0.75, 0, 0.5, 1},
		{0.9, 0, 0.2, 1},
		{0.95, 0, 0.1, 0.5},
		{1, 0, 0, 0},
		{7, 0, 0, 0},
		{-1, 1, 1, 1},
	} {
		for p, want := range map[Priority]float64{Low: test.low, Normal: test.normal, Critical: test.critical} {
			if got := Share(p, test.pressure); math.Abs(got-want) > 1e-9 {
				t.Errorf("under pressure %v a share of %v of %s requests is admitted, want %v", test.pressure, got, p, want)
			}
		}
	}
}

// admitted returns which of n requests in a row are admitted, as a text of + and -.
func admitted(s *Shedder, p Priority, pressure float64, n int) string {
	var b strings.Builder
	for range n {
		if _, reason := s.Admit(p, pressure); reason == Admitted {
			b.WriteByte('+')
		} else {
			b.WriteByte('-')
		}
	}
	return b.String()
}

func TestRefusalsUnderPressureAreSpreadEvenly(t *testing.T) {
	for _, test := range []struct {
		p        Priority
		pressure float64
		want     string
	}{
		{Normal, 0.4, "++++++++++"},
		{Normal, 0.75, "-+-+-+-+-+"},
		{Low, 0.35, "---+--+--+---+--+--+"},
		{Critical, 0.95, "-+-+-+"},
	} {
		s := New(new(State), DefaultSettings())
		if got := admitted(s, test.p, test.pressure, len(test.want)); got != test.want {
			t.Errorf("%s requests under pressure %v: %s, want %s", test.p, test.pressure, got, test.want)
		}
	}
}

func TestTheFloorIsAlwaysAdmitted(t *testing.T) {
	nineteen := strings.Repeat("-", 19)
	for _, test := range []struct {
		name     string
		floor    float64
		pressure float64
		full     bool
		want     string
	}{
		{"under the highest pressure", 0.05, 1, false, nineteen + "+" + nineteen + "+"},
		{"when the limit is reached", 0.05, 0, true, nineteen + "+" + nineteen + "+"},
		{"under both", 0.05, 1, true, nineteen + "+" + nineteen + "+"},
		{"a floor of a quarter", 0.25, 1, false, "---+---+"},
		{"no floor", 0, 1, true, strings.Repeat("-", 100)},
	} {
		t.Run(test.name, func(t *testing.T) {
			settings := Settings{Floor: test.floor}
			if test.full {
				settings.MaxInFlight = 10
			}
			s := New(new(State), settings)
			if test.full {
				admitted(s, Normal, 0, 10)
			}
			for _, p := range Priorities { // each has a floor of its own
				if got := admitted(s, p, test.pressure, len(test.want)); got != test.want {
					t.Errorf("%s requests: %s, want %s", p, got, test.want)
				}
			}
		})
	}
}

// In front of a back end that answers nothing any more, what is admitted stays.
// What is admitted anyway counts towards the floor: it is no share on top.
func TestTheFloorIsNoShareOnTop(t *testing.T) {
	s := New(new(State), DefaultSettings())
	if got, want := strings.Count(admitted(s, Normal, 0.95, 1000), "+"), 100; got != want {
		t.Errorf("of 1000 requests %d are admitted under a pressure that lets 10%% pass, want %d", got, want)
	}
}

// Whatever the limit comes to, each priority may use more than the one below it, and
// none more than the largest limit.
// In a dry run, what would have been refused is in flight too, and must not have others
// refused.
// Fast failures must not make the service look fast, and clients that give up on a
// slow one must not hide that it is slow.
func TestWhatFailuresSay(t *testing.T) {
	for _, test := range []struct {
		name string
		o    Outcome
		took time.Duration
		says bool
	}{
		{"an answer", Answered, time.Millisecond, true},
		{"a slow answer", Answered, time.Second, true},
		{"a fast failure", Failed, time.Millisecond, false},
		{"a slow failure", Failed, time.Second, true},
		{"a stream", Streaming, time.Second, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := New(new(State), automatic())
				one := func(o Outcome, took time.Duration) {
					permit, _ := s.Admit(Normal, 0)
					time.Sleep(took)
					permit.Release(o)
				}
				// The limiter tells what it has been told only by its limit, which
				// goes down window by window as few are in flight.
				for range 2 * windowSamples {
					one(Answered, 20*time.Millisecond)
				}
				before := s.Limit()
				for range 20 * windowSamples {
					one(test.o, test.took)
				}
				if moved := s.Limit() != before; moved != test.says {
					t.Errorf("the limit was %d and is %d", before, s.Limit())
				}
			})
		})
	}
}

func TestAtLowTrafficBurstsAreNotRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		settings := DefaultSettings()
		settings.Auto = true
		s := New(new(State), settings)
		for range 3000 { // about an hour of little traffic brings the limit down
			permit, _ := s.Admit(Normal, 0)
			time.Sleep(200 * time.Millisecond)
			permit.Release(Answered)
			time.Sleep(time.Second)
		}
		if got := s.Limit(); got != settings.AutoMin {
			t.Errorf("after an hour of one request a second the limit is %d, want the least, %d", got, settings.AutoMin)
		}
		if got := strings.Count(admitted(s, Normal, 0, 50), "+"); got != 50 {
			t.Errorf("of 50 requests at once %d are admitted, want all", got)
		}
	})
}

func TestWhatALimitLearntOutlivesAShedder(t *testing.T) {
	state := new(State)
	old := New(state, automatic())
	same := New(state, automatic())
	other := automatic()
	other.AutoMin = 20
	different := New(state, other)
	if old.auto != same.auto {
		t.Error("the same settings do not share a limit")
	}
	if old.auto == different.auto {
		t.Error("other settings share the limit, which one of them would have changed for both")
	}
	learnt := old.auto
	old.Close()
	if again := New(state, automatic()); again.auto != learnt {
		t.Error("what was learnt is gone while somebody still held it")
	} else {
		again.Close()
	}
	same.Close()
	different.Close()
	if len(state.adaptive) != 0 {
		t.Errorf("%d limits are left without a holder", len(state.adaptive))
	}
}

func TestSettingsThatMakeNoSense(t *testing.T) {
	auto := func(least, most int) Settings { return Settings{Auto: true, AutoMin: least, AutoMax: most} }
	for _, s := range []Settings{
		{Floor: -0.1}, {Floor: 1}, {Floor: math.NaN()},
		{MaxInFlight: -1}, {MaxInFlight: Most + 1},
		{MaxInFlight: 5, Auto: true, AutoMin: 1, AutoMax: 2},
		auto(0, 5), auto(5, 4), auto(5, Most+1),
	} {
		if s.Validate() == nil {
			t.Errorf("%+v is accepted", s)
		}
	}
	for _, s := range []Settings{DefaultSettings(), {}, auto(1, 1), auto(1, Most), {MaxInFlight: Most}, automatic()} {
		if err := s.Validate(); err != nil {
			t.Errorf("%+v: %v", s, err)
			continue
		}
		New(new(State), s).Close() // the limiter panics at bounds that make no sense
	}
}

func TestResultsAreCounted(t *testing.T) {
	state := new(State)
	for n, r := range Results {
		for range n + 1 {
			state.Count(Normal, r)
		}
	}
	for n, r := range Results {
		if got := state.Counted(Normal, r); got != uint64(n+1) {
			t.Errorf("%d %s are counted, want %d", got, r, n+1)
		}
		if got := state.Counted(Low, r); got != 0 {
			t.Errorf("%d low ones are counted as %s, want none", got, r)
		}
	}
}
