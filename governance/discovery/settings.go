package discovery

// settings.go holds what can be set, the defaults, and what makes no sense.

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"time"
)

// Settings of a Watcher. The zero value of each field means its default.
type Settings struct {
	// Stage and Version, if not empty, are those that instances must have.
	Stage, Version string
	// Zone, if not empty, is preferred: instances of other zones are in the set only
	// while none of this zone takes traffic.
	Zone string
	// Allow, if not empty, is where instances may be. One whose address is outside, or
	// is a name, is never in the set. Default: anywhere.
	Allow []netip.Prefix
	// EmptyAfter is how long the source must say without a break that there are no
	// instances until that is believed; at most 24 h. Default: 30 s.
	EmptyAfter time.Duration
	// MaxRemoval is the largest part of the set that is removed in RemovalInterval, in
	// (0,1]; one instance always may. Those beyond it stay in the set until then. With 1
	// none does.
	// Instances that drain, or that are still told of with another stage or version,
	// go at once and are not counted. Default: 0.5.
	MaxRemoval float64
	// RemovalInterval is at least 1 s and at most 1 h. Default: 10 s.
	RemovalInterval time.Duration
	// CacheFile, if not empty, is where the set is kept for the next start, to be used
	// until the first answer with instances, or until there being none is believed. It is
	// written as a whole or not at all, readable by its owner alone. Its directory must
	// exist. Default: none.
	CacheFile string
	// CacheMaxAge is how long ago the source may have told the set in the file for it
	// still to be used at start, at least 1 min. Default: 24 h.
	CacheMaxAge time.Duration
	// Initial, if not nil, is a set to begin with instead of the one in the cache file,
	// such as that of a Watcher with other settings, which it is checked against again. It
	// is a stopgap in the same way. Default: none.
	Initial *Set
	// Wait is how long the source may hold back an answer while nothing changes: 1 s
	// to 10 min, Consul's limit. A connection that died unnoticed, or a Consul that lost
	// its data between two questions, is noticed after it. Default: 1 min.
	Wait time.Duration
	// Debounce is the least time between an answer and the next question, so that
	// changes at about the same time are heard of in one answer; at most 10 s. More
	// than two questions in a row are asked one a second at most. Default: 200 ms.
	Debounce time.Duration
	// Logger gets one line per change of state. Default: none is written.
	Logger *slog.Logger
}

// WithDefaults returns the settings with all defaults filled in: those of two Watchers
// that do the same are the same then.
func (s Settings) WithDefaults() Settings {
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&s.EmptyAfter, 30 * time.Second},
		{&s.RemovalInterval, 10 * time.Second},
		{&s.CacheMaxAge, 24 * time.Hour},
		{&s.Wait, time.Minute},
		{&s.Debounce, 200 * time.Millisecond},
	} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	if s.MaxRemoval == 0 {
		s.MaxRemoval = 0.5
	}
	if s.Logger == nil {
		s.Logger = slog.New(slog.DiscardHandler)
	}
	return s
}

// Validate returns an error that names the first setting that makes no sense.
func (s Settings) Validate() error {
	d := s.WithDefaults()
	for _, bound := range []struct {
		name               string
		value, least, most time.Duration
	}{
		{"empty_after", d.EmptyAfter, time.Millisecond, 24 * time.Hour},
		{"removal_interval", d.RemovalInterval, time.Second, time.Hour},
		{"cache_max_age", d.CacheMaxAge, time.Minute, 365 * 24 * time.Hour},
		{"wait", d.Wait, time.Second, 10 * time.Minute},
		{"debounce", d.Debounce, time.Millisecond, 10 * time.Second},
	} {
		if bound.value < bound.least || bound.value > bound.most {
			return fmt.Errorf("%s: %s is not between %s and %s", bound.name, bound.value, bound.least, bound.most)
		}
	}
	if !(d.MaxRemoval > 0 && d.MaxRemoval <= 1) {
		return fmt.Errorf("max_removal: %v is not above 0 and at most 1", d.MaxRemoval)
	}
	for _, prefix := range d.Allow {
		if !prefix.IsValid() {
			return errors.New("allow: one of the prefixes is none")
		}
	}
	return nil
}
