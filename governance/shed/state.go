package shed

// state.go holds what outlives settings.

import (
	"sync"
	"sync/atomic"
)

// Result is what became of a request.
type Result uint8

// The results.
const (
	WasAdmitted Result = iota
	WasShed
	WouldBeShed // it was admitted because nothing is refused for now
	results     = 3
)

// Results are all of them.
var Results = [results]Result{WasAdmitted, WasShed, WouldBeShed}

// String returns admitted, shed or would_shed.
func (r Result) String() string { return [...]string{"admitted", "shed", "would_shed"}[r] }

// State is what is known of a service: how many requests are in flight, what became
// of those before, and what an automatic limit has learnt. The zero value is ready.
type State struct {
	classes  [priorities]class
	inFlight atomic.Int64 // those that were admitted
	ignored  atomic.Int64 // those that go on though they were not

	mu       sync.Mutex
	adaptive map[Settings]*adaptive // by their settings; guarded by mu
}

// class is what is known of a priority.
type class struct {
	spread, floor spread
	results       [results]atomic.Uint64
}

// Count notes what became of a request.
func (s *State) Count(p Priority, r Result) { s.classes[p].results[r].Add(1) }

// Counted is how many requests of a priority had a result.
func (s *State) Counted(p Priority, r Result) uint64 { return s.classes[p].results[r].Load() }

// enter counts a request in, if that makes no more than bound.
func (s *State) enter(bound int64) bool {
	if s.inFlight.Load() >= bound {
		return false
	}
	if s.inFlight.Add(1) <= bound {
		return true
	}
	s.inFlight.Add(-1)
	return false
}

// acquire returns the adaptive limit for settings, which is one for all holders at a
// time: what it learnt outlives a Shedder if the next one holds it before.
func (s *State) acquire(settings Settings) *adaptive {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := settings.adaptive()
	a := s.adaptive[key]
	if a == nil {
		a = newAdaptive(settings)
		if s.adaptive == nil {
			s.adaptive = make(map[Settings]*adaptive)
		}
		s.adaptive[key] = a
	}
	a.holders++
	return a
}

func (s *State) release(settings Settings) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := settings.adaptive()
	a := s.adaptive[key]
	if a == nil {
		return
	}
	if a.holders--; a.holders == 0 {
		delete(s.adaptive, key)
	}
}

// adaptive is the part of the settings that an automatic limit depends on.
func (s Settings) adaptive() Settings {
	s.Floor = 0
	return s
}

// one is a whole request, in the units of spread.
const one = 1_000_000

// spread takes a share of what passes, evenly: of ten requests at 30 %, the fourth,
// the seventh and the tenth. Drawing lots would refuse some clients many times in a row.
type spread struct{ credit atomic.Int64 }

func (s *spread) take(share float64) bool {
	if share >= 1 {
		return true
	}
	if s.credit.Add(int64(share*one)) < one {
		return false
	}
	s.credit.Add(-one)
	return true
}

// reset forgets what has passed.
func (s *spread) reset() {
	if s.credit.Load() != 0 {
		s.credit.Store(0)
	}
}
