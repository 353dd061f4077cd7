// Package livestate keeps what must outlive a configuration: success rates,
// breaker states, running shares.
//
// A server that reloads provisions the new configuration before it cleans up the
// old one, so for a while two configurations hold the same state. States are
// therefore keyed by kind and by the name an operator gave, and counted by their
// holders: a state lives as long as any configuration names it. Settings do not
// belong here; they stay with the holder, so that a configuration that fails to
// load cannot have changed the one that runs.
//
// What watches and commands live state (an admin API, a console, a metrics
// collector) does so only through the registry, and meets the view of the oldest
// holder: while a configuration loads, and may yet fail, that is the one that runs.
//
// The package depends on the standard library alone.
package livestate

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// View is how one holder shows and commands the state it holds.
type View interface {
	// Snapshot returns the state for people and programs; it must encode as JSON.
	Snapshot() any
}

// Controller is a View that takes an operator's decisions.
type Controller interface {
	View
	// Control carries out the decision in body, a JSON object, on the part of the
	// state that path names (none: the whole). Its errors wrap ErrNotFound or
	// ErrInvalid where the caller is at fault, and ErrUnavailable where something
	// that the decision needs does not answer. It returns the new snapshot of what it
	// changed.
	Control(path []string, body []byte) (any, error)
}

// Detailed is a View that has more to show when it is asked for alone than in a list.
type Detailed interface {
	View
	// Detail returns what Snapshot does, and more; it must encode as JSON.
	Detail() any
}

// Replacer is a View whose state is given to it as a whole, as a document.
type Replacer interface {
	View
	// Replace puts body in the place of what is there. Its errors are as those of
	// Controller.Control. It returns the new snapshot.
	Replace(body []byte, contentType string) (any, error)
	// MaxDocument is the size of the largest document that Replace takes, in bytes.
	MaxDocument() int64
}

// Leader is a View that is told when it leads: when it is shown and no holder of an
// older configuration is. While two configurations overlap, the old one leads, and one that
// fails to load never does beside another. So this is the moment to have own settings
// take effect on the state. Only the first configuration to hold a state leads while
// it may still fail to load.
type Leader interface {
	View
	// Lead is called once, by the goroutine that shows the view or releases the
	// handle of the last leader, with no lock held. It must not block.
	Lead()
}

// Errors of Registry.Acquire, Controller.Control and Replacer.Replace.
var (
	ErrConflict    = errors.New("same name with different settings")
	ErrNotFound    = errors.New("not found")
	ErrInvalid     = errors.New("invalid")
	ErrUnavailable = errors.New("unavailable")
)

// Key names a state.
type Key struct {
	// Kind is what the state is, in the plural, as in a URL: "pools".
	Kind string
	// Name is the operator's.
	Name string
}

// Claim is a holder's wish to hold a state.
type Claim struct {
	Key
	// Configuration identifies the configuration that the holder belongs to: a
	// comparable value that is the same for all its modules and differs from that
	// of any other configuration alive.
	Configuration any
	// Settings is a text in which the settings of two holders are equal if and
	// only if they may share the state within one configuration.
	Settings string
	// Place says where the holder stands in the configuration and what its
	// settings are, for people. It must hold no secret.
	Place string
}

// Handle is a held state.
type Handle struct {
	registry *Registry
	claim    Claim
	// guarded by registry.mu:
	view View
	led  bool
}

// Registry is a set of states.
type Registry struct {
	mu     sync.Mutex
	states map[Key]*entry
}

type entry struct {
	state   any
	holders []*Handle // in order of acquisition
}

// Default is the registry of the process.
var Default = new(Registry)

// Acquire returns the state that claim names, made by create if no one holds it
// yet, and the handle that must be released once. It fails with ErrConflict if
// another holder of the same configuration has other settings, and with create's
// error. create must not block: it runs under the registry's lock.
func Acquire[T any](r *Registry, claim Claim, create func() (T, error)) (T, *Handle, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var none T
	e := r.states[claim.Key]
	if e == nil {
		state, err := create()
		if err != nil {
			return none, nil, err
		}
		e = &entry{state: state}
		if r.states == nil {
			r.states = make(map[Key]*entry)
		}
		r.states[claim.Key] = e
	}
	for _, holder := range e.holders {
		other := holder.claim
		if other.Configuration == claim.Configuration && other.Settings != claim.Settings {
			return none, nil, fmt.Errorf("%w: %q is the name of %s and of %s; give one of them another name, or both the same settings",
				ErrConflict, claim.Name, other.Place, claim.Place)
		}
	}
	state, ok := e.state.(T)
	if !ok {
		return none, nil, fmt.Errorf("%s %q is a %T, not a %T", claim.Kind, claim.Name, e.state, none)
	}
	handle := &Handle{registry: r, claim: claim}
	e.holders = append(e.holders, handle)
	return state, handle, nil
}

// Show makes the state visible through view, with the holder's settings. A holder
// calls it when it is able to answer; before that the registry does not list it.
func (h *Handle) Show(view View) {
	h.registry.mu.Lock()
	h.view = view
	leaders := h.registry.states[h.claim.Key].newLeaders()
	h.registry.mu.Unlock()
	lead(leaders)
}

// lead is called without the registry's lock.
func lead(leaders []Leader) {
	for _, l := range leaders {
		l.Lead()
	}
}

// Release gives the state up. Releasing twice, or a nil handle, does nothing, so
// that it can be called from the cleanup of a half-provisioned module.
func (h *Handle) Release() {
	if h == nil {
		return
	}
	lead(h.registry.release(h))
}

// release returns who leads instead of h and has not led before.
func (r *Registry) release(h *Handle) []Leader {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.states[h.claim.Key]
	if e == nil {
		return nil
	}
	i := slices.Index(e.holders, h)
	if i < 0 {
		return nil
	}
	e.holders = slices.Delete(e.holders, i, i+1)
	if len(e.holders) == 0 {
		delete(r.states, h.claim.Key)
	}
	return e.newLeaders()
}

// newLeaders returns the views that lead and are not told yet: those of the oldest
// configuration.
func (e *entry) newLeaders() (leaders []Leader) {
	if e == nil {
		return nil
	}
	var oldest *Handle
	for _, holder := range e.holders {
		if holder.view == nil {
			continue
		}
		if oldest == nil {
			oldest = holder
		}
		if holder.claim.Configuration != oldest.claim.Configuration {
			break
		}
		if leader, ok := holder.view.(Leader); ok && !holder.led {
			holder.led = true
			leaders = append(leaders, leader)
		}
	}
	return leaders
}

// Held is a state as the registry lists it.
type Held struct {
	Key
	View View
	// State is the value shared by all holders.
	State any
}

// List returns all states that are shown, ordered by kind and name.
func (r *Registry) List() []Held {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := make([]Held, 0, len(r.states))
	for key, e := range r.states {
		if held, ok := e.held(key); ok {
			list = append(list, held)
		}
	}
	slices.SortFunc(list, func(a, b Held) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name))
	})
	return list
}

// Get returns one state, or ErrNotFound.
func (r *Registry) Get(key Key) (Held, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e := r.states[key]; e != nil {
		if held, ok := e.held(key); ok {
			return held, nil
		}
	}
	return Held{}, fmt.Errorf("%w: no %s are named %q", ErrNotFound, key.Kind, key.Name)
}

func (e *entry) held(key Key) (Held, bool) {
	for _, holder := range e.holders {
		if holder.view != nil {
			return Held{Key: key, View: holder.view, State: e.state}, true
		}
	}
	return Held{}, false
}
