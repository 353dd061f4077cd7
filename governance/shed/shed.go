// Package shed refuses requests while a service is overloaded, those of the lowest
// priority first, so that it goes on answering the others in time.
//
// Two things make it refuse: the pressure that the process is under, which its caller
// tells it, and the number of requests in flight, against a limit that is fixed or
// follows what the service can take. The latter is found by the adaptive limiter of
// github.com/failsafe-go/failsafe-go, which compares latencies of now with those of
// before; that is the package's only dependency.
package shed

import (
	"errors"
	"fmt"
)

// Priority is how much a request matters. The lowest is refused first.
type Priority uint8

// The priorities.
const (
	Low Priority = iota
	Normal
	Critical
	priorities = 3
)

// Priorities are all of them, lowest first.
var Priorities = [priorities]Priority{Low, Normal, Critical}

// String returns low, normal or critical.
func (p Priority) String() string { return [...]string{"low", "normal", "critical"}[p] }

// Reason is why a request is refused.
type Reason uint8

// The reasons.
const (
	Admitted Reason = iota // it is not
	Pressure               // the process is short of something
	Limit                  // too many requests are in flight
)

// String returns admitted, pressure or limit.
func (r Reason) String() string { return [...]string{"admitted", "pressure", "limit"}[r] }

// Settings are what an operator configures.
type Settings struct {
	// MaxInFlight is how many requests may be in flight at once; 0 sets no limit.
	MaxInFlight int
	// Auto has the limit found, between AutoMin and AutoMax, instead.
	Auto             bool
	AutoMin, AutoMax int
	// HasLow and HasCritical tell which priorities there are besides Normal.
	HasLow, HasCritical bool
	// Floor is the share of each priority's requests that is admitted in any case, at
	// least 0 and below 1; but never so that more than twice the limit are in flight.
	Floor float64
}

// DefaultSettings has no limit, and a floor of 5 %. The bounds of an automatic limit
// are wide: below 50 in flight, a page that loads its parts over one connection is
// more likely than an overload.
func DefaultSettings() Settings { return Settings{AutoMin: 50, AutoMax: 2000, Floor: 0.05} }

// Most is the largest limit.
const Most = 1_000_000

// Validate tells what is wrong with the settings.
func (s Settings) Validate() error {
	switch {
	case !(s.Floor >= 0 && s.Floor < 1):
		return fmt.Errorf("floor %v is not at least 0%% and below 100%%", s.Floor)
	case s.MaxInFlight < 0 || s.MaxInFlight > Most:
		return fmt.Errorf("max_in_flight %d is not between 1 and %d", s.MaxInFlight, Most)
	case !s.Auto:
		return nil
	case s.MaxInFlight > 0:
		return errors.New("max_in_flight is both a number and auto; give one of them")
	case s.AutoMin < 1 || s.AutoMax > Most:
		return fmt.Errorf("max_in_flight auto %d %d is not between 1 and %d", s.AutoMin, s.AutoMax, Most)
	case s.AutoMin > s.AutoMax:
		return fmt.Errorf("max_in_flight auto: the least, %d, is above the most, %d", s.AutoMin, s.AutoMax)
	default:
		return nil
	}
}

// Share is the share of a priority's requests that is admitted under a pressure
// between 0 (none) and 1 (danger). Low ones are refused from the first pressure on
// and are gone at half of it; from there on it is the normal ones' turn; critical
// ones are refused only when, with all the others gone, danger is near.
func Share(p Priority, pressure float64) float64 {
	from, to := 0.0, 0.5
	switch p {
	case Normal:
		from, to = 0.5, 1
	case Critical:
		from, to = 0.9, 1
	}
	return min(1, max(0, (to-pressure)/(to-from)))
}

// step is the part of the limit that is kept from a priority for the one above it.
const step = 0.1

// shares returns the part of the limit that each priority may fill. The highest one
// that exists may fill all of it; those that do not exist have none.
func (s Settings) shares() (shares [priorities]float64) {
	share := 1.0
	if s.HasCritical {
		shares[Critical] = share
		share -= step
	}
	shares[Normal] = share
	if s.HasLow {
		shares[Low] = share - step
	}
	return shares
}

// bounds returns how many requests may be in flight for one of each priority to be
// admitted under a limit: its share of it, rounded down, but always less than the
// priority above may have, unless that is one.
func (s Settings) bounds(limit int) (bounds [priorities]int64) {
	shares := s.shares()
	above := int64(limit) + 1
	for i := range shares {
		p := priorities - 1 - i
		bounds[p] = max(1, min(part(shares[p], int64(limit)), above-1))
		if shares[p] > 0 {
			above = bounds[p]
		}
	}
	return bounds
}

// lowest is the lowest priority that exists.
func (s Settings) lowest() Priority {
	if s.HasLow {
		return Low
	}
	return Normal
}

// highest is the highest priority that exists.
func (s Settings) highest() Priority {
	if s.HasCritical {
		return Critical
	}
	return Normal
}

// part rounds down, but for the error of binary fractions.
func part(share float64, limit int64) int64 { return int64(share*float64(limit) + 1e-9) }

// Shedder decides about requests by its settings. Several of them can share a State.
// Its methods may be called concurrently.
type Shedder struct {
	state    *State
	settings Settings
	limited  bool
	bounds   [priorities]int64   // by priority: of a fixed limit, or the most of an automatic one
	auto     *adaptive           // nil unless the limit is automatic
	scale    [priorities]float64 // by priority, of the automatic limit
}

// New returns a Shedder for valid settings, which must be closed.
func New(state *State, settings Settings) *Shedder {
	s := &Shedder{
		state:    state,
		settings: settings,
		limited:  settings.Auto || settings.MaxInFlight > 0,
		bounds:   settings.bounds(settings.MaxInFlight),
	}
	if settings.Auto {
		s.auto = state.acquire(settings)
		s.bounds = settings.bounds(settings.AutoMax)
		shares := settings.shares()
		for p, share := range shares {
			s.scale[p] = share / shares[settings.lowest()]
		}
	}
	return s
}

// Close gives up what the Shedder holds of its state. Requests that it admitted go on.
func (s *Shedder) Close() {
	if s.auto != nil {
		s.state.release(s.settings)
	}
}

// Admit decides about a request, while the process is under a pressure between 0 and
// 1. If the reason it returns is Admitted, the permit must be released once.
func (s *Shedder) Admit(p Priority, pressure float64) (Permit, Reason) {
	class := &s.state.classes[p]
	reason := Admitted
	if pressure > 0 && !class.spread.take(Share(p, pressure)) {
		reason = Pressure
	} else if s.limited && !s.state.enter(s.bound(p)) {
		reason = Limit
	}
	switch {
	case reason == Admitted:
		class.floor.reset()
	case !class.floor.take(s.settings.Floor):
		return Permit{}, reason
	case s.limited && !s.state.enter(mostTimes*s.bound(s.settings.highest())):
		return Permit{}, reason
	}
	return s.permit(), Admitted
}

// mostTimes is how many times the limit may be in flight because of the floor. In front
// of a back end that answers nothing any more, everything that is admitted stays.
const mostTimes = 2

// bound is how many requests may be in flight for one of priority p to be admitted.
func (s *Shedder) bound(p Priority) int64 {
	if s.auto == nil {
		return s.bounds[p]
	}
	// The adaptive limiter's limit is that of the lowest priority. It must be able to
	// see that its limit is reached, also if there are requests of that priority only.
	limit := s.auto.limit.Load()
	return min(s.bounds[p], max(part(s.scale[p], limit), limit+int64(p)-int64(s.settings.lowest())))
}

// Limit is how many requests may be in flight, or 0 if there is no limit.
func (s *Shedder) Limit() int {
	if !s.limited {
		return 0
	}
	return int(s.bound(s.settings.highest()))
}

// InFlight is how many requests are in flight, with those that go on though they were
// not admitted; without a limit nobody counts.
func (s *Shedder) InFlight() int { return int(s.state.inFlight.Load() + s.state.ignored.Load()) }
