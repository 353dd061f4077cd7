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
	// Floor is the share of each priority's requests that is always admitted, at
	// least 0 and below 1.
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
// that exists may fill all of it.
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

// Shedder decides about requests by its settings. Several of them can share a State.
// Its methods may be called concurrently.
type Shedder struct {
	state    *State
	settings Settings
	shares   [priorities]float64
	limited  bool
	bounds   [priorities]int64 // of a fixed limit, by priority
	auto     *adaptive         // nil unless the limit is automatic
	scale    [priorities]float64
}

// New returns a Shedder for valid settings, which must be closed.
func New(state *State, settings Settings) *Shedder {
	s := &Shedder{
		state:    state,
		settings: settings,
		shares:   settings.shares(),
		limited:  settings.Auto || settings.MaxInFlight > 0,
	}
	for p, share := range s.shares {
		s.bounds[p] = atLeastOne(share * float64(settings.MaxInFlight))
	}
	if settings.Auto {
		s.auto = state.acquire(settings)
		for p, share := range s.shares {
			s.scale[p] = share / settings.lowest()
		}
	}
	return s
}

// lowest is the share of the limit of the lowest priority that exists.
func (s Settings) lowest() float64 {
	shares := s.shares()
	if s.HasLow {
		return shares[Low]
	}
	return shares[Normal]
}

// atLeastOne rounds down, but for the error of binary fractions.
func atLeastOne(limit float64) int64 { return max(1, int64(limit+1e-9)) }

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
	case s.limited:
		s.state.inFlight.Add(1)
	}
	return s.permit(), Admitted
}

// bound is how many requests may be in flight for one of priority p to be admitted.
func (s *Shedder) bound(p Priority) int64 {
	if s.auto == nil {
		return s.bounds[p]
	}
	// The adaptive limiter's limit is that of the lowest priority. It must be able to
	// see that its limit is reached, also if there are requests of that priority only.
	return atLeastOne(s.scale[p] * float64(s.auto.limit.Load()))
}

// Limit is how many requests may be in flight, or 0 if there is no limit.
func (s *Shedder) Limit() int {
	switch {
	case s.auto != nil:
		return int(atLeastOne(float64(s.auto.limit.Load()) / s.settings.lowest()))
	default:
		return s.settings.MaxInFlight
	}
}

// InFlight is how many requests are in flight; without a limit nobody counts.
func (s *Shedder) InFlight() int { return int(s.state.inFlight.Load()) }
