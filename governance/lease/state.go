package lease

// state.go holds what a lease tells about itself, and which changes are worth a line.

import (
	"context"
	"log/slog"
	"maps"
	"time"
)

// Phase is where a lease is in its life.
type Phase uint8

// The phases.
const (
	// Connecting is before the first registration.
	Connecting Phase = iota
	// Registered means that the key is there, as far as Consul told.
	Registered
	// Lost means that a registration was lost and is being made anew.
	Lost
	// Draining is from Release on.
	Draining
	// Released is the end.
	Released
)

// String returns connecting, registered, lost, draining or released.
func (p Phase) String() string {
	return [...]string{"connecting", "registered", "lost", "draining", "released"}[p]
}

// MarshalText implements encoding.TextMarshaler.
func (p Phase) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// The reasons in State.Losses.
const (
	// SessionGone: Consul does not know the session any more: it expired, an operator
	// destroyed it, or Consul's data was lost.
	SessionGone = "session_gone"
	// KeyGone: the key was deleted, or is held by no session, and the session is there.
	KeyGone = "key_gone"
	// KeyTaken: another session holds the key.
	KeyTaken = "key_taken"
	// NotRenewed: no renewal succeeded for a TTL, so that the session may have expired.
	NotRenewed = "not_renewed"
)

// State is where a lease is.
type State struct {
	Phase Phase `json:"phase"`
	// Since is when the phase began.
	Since time.Time `json:"since"`
	// Key is the key of the instance.
	Key string `json:"key"`
	// Session is the id of the session; empty when there is none.
	Session string `json:"session,omitempty"`
	// Renewed is when the session was made or last renewed.
	Renewed time.Time `json:"renewed,omitzero"`
	// Index is Consul's index at the last read of the key.
	Index uint64 `json:"index"`
	// Error is what goes wrong now, and ErrorSince when the trouble began, which lasts until
	// nothing goes wrong and the instance is registered. Error may be empty for a moment
	// meanwhile; when all is well, both are. There is no token in it.
	Error      string    `json:"error,omitempty"`
	ErrorSince time.Time `json:"error_since,omitzero"`
	// Registrations counts how often the key was acquired, Renewals and Updates the
	// successful renewals and writes of a changed value, Failures the attempts of any kind
	// that failed.
	Registrations uint64 `json:"registrations"`
	Renewals      uint64 `json:"renewals"`
	Updates       uint64 `json:"updates"`
	Failures      uint64 `json:"failures"`
	// Losses counts the registrations that were lost, by reason.
	Losses map[string]uint64 `json:"losses"`
	// Instance is what the instance tells about itself, or soon will.
	Instance Instance `json:"instance"`
}

// State returns where the lease is.
func (l *Lease) State() State {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.state
	s.Instance = l.wanted
	s.Losses = maps.Clone(s.Losses)
	for _, err := range l.failing {
		if err != nil {
			s.Error = err.Error()
			break
		}
	}
	return s
}

func (l *Lease) instance() Instance {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.wanted
}

// An activity is one of the things that can go wrong by themselves.
type activity int

const (
	renewing activity = iota // also making the session
	writing
	reading
	activities
)

// succeeded notes that an activity goes well.
func (l *Lease) succeeded(a activity) {
	l.mu.Lock()
	l.failing[a] = nil
	after, ended := l.troubleEnded()
	l.mu.Unlock()
	l.tellEnd(after, ended)
}

// troubleEnded returns whether trouble ends now, and how long it took. It does not before
// what it cost is made good: a first attempt at that may fail, and is part of it. The
// caller holds mu.
func (l *Lease) troubleEnded() (time.Duration, bool) {
	since := l.state.ErrorSince
	if since.IsZero() || l.failing != [activities]error{} || l.state.Phase == Connecting || l.state.Phase == Lost {
		return 0, false
	}
	l.state.ErrorSince = time.Time{}
	return time.Since(since), true
}

func (l *Lease) tellEnd(after time.Duration, ended bool) {
	if ended {
		l.log(slog.LevelInfo, "nothing goes wrong with the lease any more", slog.Duration("after", after))
	}
}

// failed notes an error of an activity. One line tells that trouble began; what it is
// later is in the State alone, as an outage has many errors.
func (l *Lease) failed(a activity, err error) {
	l.mu.Lock()
	began := l.state.ErrorSince.IsZero()
	l.failing[a] = err
	l.state.Failures++
	if began {
		l.state.ErrorSince = time.Now()
	}
	l.mu.Unlock()
	if began {
		l.log(slog.LevelWarn, "something goes wrong with the lease", slog.Any("error", err))
	}
}

// allWell forgets errors, as nothing is tried any more.
func (l *Lease) allWell() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failing, l.state.ErrorSince = [activities]error{}, time.Time{}
}

// enter makes the phase another one and notes what else changes with it. From Draining
// on it only goes forward. attrs tell what is wrong, if anything is.
func (l *Lease) enter(p Phase, note func(*State), attrs ...slog.Attr) {
	l.mu.Lock()
	note(&l.state)
	changed := l.state.Phase != p && (l.state.Phase < Draining || p > l.state.Phase)
	if changed {
		l.state.Phase, l.state.Since = p, time.Now()
	}
	after, ended := l.troubleEnded()
	l.mu.Unlock()
	if changed {
		level := slog.LevelInfo
		if len(attrs) > 0 {
			level = slog.LevelWarn
		}
		l.log(level, "the lease is "+p.String(), attrs...)
	}
	l.tellEnd(after, ended)
}

// note changes the state but for the phase.
func (l *Lease) note(change func(*State)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change(&l.state)
}

func (l *Lease) log(level slog.Level, message string, attrs ...slog.Attr) {
	l.settings.Logger.LogAttrs(context.Background(), level, message, append(attrs, slog.String("key", l.key))...)
}
