package rollout

// state.go holds what outlives a configuration and a process.

import (
	"fmt"
	"slices"
	"time"
)

// StateVersion is that of the State that this package writes and reads.
const StateVersion = 1

// Phase is where a rollout stands.
type Phase string

// Phases. Done is only shown, not stored: it follows from the steps.
const (
	Running    Phase = "running"
	Paused     Phase = "paused"
	RolledBack Phase = "rolled_back"
	Done       Phase = "done"
)

// State is what to store of a rollout. The requests of the step under way are not part
// of it: after a restart they are counted from 0.
type State struct {
	Version int `json:"version"`
	// Configured is what the configuration said when the rollout began.
	Configured Configured `json:"configured"`
	Phase      Phase      `json:"phase"`
	// Share is the canary's, which has it since Since.
	Share float64   `json:"share"`
	Since time.Time `json:"since"`
	// Failure is why the canary is rolled back, or paused by the guard.
	Failure *Failure `json:"failure,omitempty"`
}

// Configured is what begins a rollout anew if it changes.
type Configured struct {
	Share float64   `json:"share"`
	Steps []float64 `json:"steps"`
}

func (c Configured) equal(other Configured) bool {
	return c.Share == other.Share && slices.Equal(c.Steps, other.Steps)
}

// Failure is why a canary was taken back or stopped.
type Failure struct {
	At   time.Time `json:"at"`
	Rule Rule      `json:"rule"`
	// Share is the one it had.
	Share float64 `json:"share"`
	// Verdict has the numbers; an operator's rollback has none.
	Verdict *Verdict `json:"verdict,omitempty"`
}

// Validate tells why a state, as one that was stored by another version, is of no use.
func (s State) Validate() error {
	switch {
	case s.Version != StateVersion:
		return fmt.Errorf("version %d is not %d", s.Version, StateVersion)
	case s.Phase != Running && s.Phase != Paused && s.Phase != RolledBack:
		return fmt.Errorf("unknown phase %q", s.Phase)
	case !(s.Share >= 0 && s.Share <= 1):
		return fmt.Errorf("%w, not %v", ErrShare, s.Share)
	case s.Phase == RolledBack && s.Share != 0:
		return fmt.Errorf("rolled back with a share of %s", percent(s.Share))
	}
	return nil
}

// State returns what to store. What it points to is not changed any more.
func (g *Guard) State() State {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.state
}

// Restore goes on from a stored state, and reports whether it did: not if the share or
// the steps of the configuration are others than those that the state is from.
func (g *Guard) Restore(s State, now time.Time) (bool, error) {
	if err := s.Validate(); err != nil {
		return false, fmt.Errorf("the stored state of the rollout: %w", err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if !s.Configured.equal(g.state.Configured) {
		return false, nil
	}
	g.state = s
	g.begin(now)
	return true, nil
}

// Configure changes the settings, which must be valid, and begins anew if the
// configured share or the steps are others than before; it reports whether it did.
// Else everything stays: the share, a pause, a rollback, and what is counted.
func (g *Guard) Configure(s Settings, share float64, now time.Time) (restarted bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.settings = s
	if g.state.Configured.equal(Configured{share, s.Steps}) {
		return false
	}
	g.restart(share, now)
	return true
}

// restart begins with what is configured. It is called with mu held, or before anybody
// else knows the guard.
func (g *Guard) restart(share float64, now time.Time) {
	g.state = State{
		Version:    StateVersion,
		Configured: Configured{share, slices.Clone(g.settings.Steps)},
		Phase:      Running,
	}
	g.setShare(share, now)
}

// Snapshot is a rollout at one time, for people and programs.
type Snapshot struct {
	Phase Phase     `json:"phase"`
	Share float64   `json:"share"`
	Since time.Time `json:"since"`
	// Next is the share of the next step; absent if there is none.
	Next *float64 `json:"next,omitempty"`
	// Failure is why the canary is rolled back, or paused by the guard.
	Failure *Failure `json:"failure,omitempty"`
	// Last is the last look, if it was in this step or began it.
	Last *Verdict `json:"last,omitempty"`
	// Present is what a look would say now; absent where none is of use, as after a
	// rollback or at a share of 1.
	Present *Verdict `json:"present,omitempty"`
}

// Snapshot returns the state. It changes nothing: to look is not to decide.
func (g *Guard) Snapshot(now time.Time) Snapshot {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := Snapshot{Phase: g.state.Phase, Share: g.state.Share, Since: g.state.Since, Failure: g.state.Failure, Last: g.last}
	next, more := g.settings.next(g.state.Share)
	if more {
		s.Next = &next
	} else if s.Phase == Running && len(g.settings.Steps) > 0 {
		s.Phase = Done
	}
	if g.watches() {
		s.Present = new(g.judge(now))
	}
	return s
}
