package canary

// stored.go keeps over a restart what the guard and an operator have decided.

import (
	"errors"
	"fmt"
	"maps"
	"time"

	"go.uber.org/zap"

	"github.com/weirproxy/weir/governance/rollout"
	"github.com/weirproxy/weir/internal/statestore"
)

// storedVersion is that of what this package writes and reads.
const storedVersion = 1

// stored is what is stored of a release.
type stored struct {
	Version int  `json:"version"`
	Killed  bool `json:"killed,omitempty"`
	// Stage is the one that the rollout is about.
	Stage string `json:"stage,omitempty"`
	// Seed is that of the cohorts that it was decided about.
	Seed    string        `json:"seed,omitempty"`
	Rollout rollout.State `json:"rollout"`
	// Shares are an operator's, of other stages.
	Shares map[string]share `json:"shares,omitempty"`
}

// toStore is what is to be stored now. It is called with mu held.
func (s *shared) toStore() stored {
	return stored{
		Version: storedVersion,
		Killed:  s.killed.Load(),
		Stage:   s.stage,
		Seed:    s.seed,
		Rollout: s.guard.Load().State(),
		Shares:  maps.Clone(s.shares),
	}
}

// restore takes up what was decided before the process started. A configuration that
// cannot read it can still serve; the loop tries again. One that comes later leaves that
// to the loop of the one that leads: what still holds depends on what is configured.
func (l *liveCanary) restore(now time.Time) {
	l.mu.Lock()
	isLed := l.leader != nil
	l.mu.Unlock()
	if isLed {
		return
	}
	l.storing.Lock()
	defer l.storing.Unlock()
	if err := l.load(now); err != nil {
		l.troubled(err)
	}
}

// load takes up what is stored, once. It is called with storing held.
func (l *liveCanary) load(now time.Time) error {
	if l.restored {
		return nil
	}
	var s stored
	err := statestore.Load(l.handler.storage, kind, l.handler.Name, &s)
	if err != nil && !errors.Is(err, statestore.ErrBroken) {
		return err
	}
	l.restored = true
	if err == nil && s.Version != 0 {
		err = l.take(s, now)
	}
	if err != nil {
		// it will not mend by itself, and must not keep new decisions from being stored
		l.handler.logger.Error("what was decided about the canary before is lost, in part or as a whole",
			zap.String("canary", l.handler.Name), zap.Error(err))
	}
	return nil
}

// take takes up s, but for what was decided since the process started, and for what was
// decided about other shares than those configured now. The error says what of it makes no
// sense.
func (l *liveCanary) take(s stored, now time.Time) error {
	if s.Version != storedVersion {
		return fmt.Errorf("version %d is not %d", s.Version, storedVersion)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.decided[partKill] {
		l.killed.Store(s.Killed)
	}
	var err error
	taken := false
	if s.Stage == l.stage && s.Seed == l.seed && !l.decided[partRollout] {
		taken, err = l.guard.Load().Restore(s.Rollout, now)
	}
	for name, given := range s.Shares {
		if l.decided[name] {
			continue
		}
		if l.holds(name, given) && given.Share >= 0 && given.Share <= 1 {
			l.shares[name] = given
		} else {
			taken = false
		}
	}
	if !taken {
		l.changes++ // what is not taken up must not come back with the configuration of before
	}
	l.push()
	return err
}

// store stores what is new, and reports whether there is nothing left to do.
func (l *liveCanary) store(now time.Time) bool {
	l.storing.Lock()
	defer l.storing.Unlock()
	if err := l.save(now); err != nil {
		l.troubled(err)
		return false
	}
	if l.trouble != "" {
		l.trouble = ""
		l.handler.logger.Info("what was decided about the canary is stored again", zap.String("canary", l.handler.Name))
	}
	return true
}

// save stores what is new. If what was stored before could not be read yet, it tries that
// again first, lest it is lost. It is called with storing held.
func (l *liveCanary) save(now time.Time) error {
	if err := l.load(now); err != nil {
		return err
	}
	l.mu.Lock()
	s, changes := l.toStore(), l.changes
	l.mu.Unlock()
	if changes == l.saved {
		return nil
	}
	if err := statestore.Save(l.handler.storage, kind, l.handler.Name, s); err != nil {
		return err
	}
	l.saved = changes
	return nil
}

// troubled logs an error of storage, once for as long as it is the same. It is called with
// storing held.
func (l *liveCanary) troubled(err error) {
	if l.trouble != err.Error() {
		l.trouble = err.Error()
		l.handler.logger.Warn("what is decided about the canary does not hold over a restart: storage does not answer, and is tried again",
			zap.String("canary", l.handler.Name), zap.Error(err))
	}
}
