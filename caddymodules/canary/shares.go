package canary

// shares.go says which shares run: those of the configuration, unless the guard or an
// operator has decided others since it has said so.

import (
	"maps"
	"slices"
	"time"

	"github.com/weirproxy/weir/governance/cohort"
	"github.com/weirproxy/weir/governance/rollout"
)

// The methods of this file are called with mu held.

// push has every holder use the shares that run for it, at once.
func (s *shared) push() {
	for _, l := range s.holders {
		layout, err := l.laidOut()
		if err != nil { // an operator's shares and others that were configured since are too much
			layout = l.base
		}
		l.handler.layout.Store(layout)
	}
}

// laidOut is the layout of what runs for l: while two configurations overlap that is not
// the same for both, as what was decided is decided about the configured shares.
func (l *liveCanary) laidOut() (*cohort.Layout, error) {
	return l.base.With(l.running(l.shares))
}

// running is what runs, by stage, with the given shares of an operator.
func (l *liveCanary) running(given map[string]share) map[string]float64 {
	shares := make(map[string]float64)
	left := 1.0
	for i, stage := range l.handler.Stages {
		if stage.Share == nil || i == l.subject {
			continue
		}
		shares[stage.Name] = *stage.Share
		if s, ok := given[stage.Name]; ok && l.holds(stage.Name, s) {
			shares[stage.Name] = s.Share
		}
		left -= shares[stage.Name]
	}
	if l.subject >= 0 {
		// the last step may be 100 %, and then it is all that the others leave
		shares[l.subjectName()] = min(l.rolledOut(), max(left, 0))
	}
	return shares
}

// rolledOut is the share of the stage that the rollout is about.
func (l *liveCanary) rolledOut() float64 {
	configured := l.configured(l.subject)
	state := l.guard.Load().State()
	if !l.isAbout() || state.Configured.Share != configured || !slices.Equal(state.Configured.Steps, l.handler.settings.Steps) {
		return configured
	}
	return state.Share
}

// isAbout reports whether the rollout is about the stage and the cohorts of l: another seed
// is another experiment, whose canary has yet to prove itself.
func (l *liveCanary) isAbout() bool {
	return l.stage == l.subjectName() && l.seed == l.handler.Seed
}

// adopt has the configuration of l take effect: its settings, and its shares and steps if
// they are others than those that what runs was decided about. It reports whether the
// rollout begins anew, and how many shares of an operator hold no longer.
func (l *liveCanary) adopt(now time.Time) (restarted bool, dropped int) {
	settings, configured := l.handler.settings, l.configured(l.subject)
	if l.isAbout() {
		restarted = l.guard.Load().Configure(settings, configured, now)
	} else {
		l.stage, l.seed, restarted = l.subjectName(), l.handler.Seed, true
		l.guard.Store(rollout.New(settings, configured, now))
	}
	before := len(l.shares)
	maps.DeleteFunc(l.shares, func(name string, s share) bool { return !l.holds(name, s) })
	if _, err := l.laidOut(); err != nil {
		clear(l.shares)
	}
	dropped = before - len(l.shares)
	if restarted || dropped > 0 {
		l.changes++
	}
	return restarted, dropped
}

// holds reports whether an operator's share of a stage holds for the configuration of l.
func (l *liveCanary) holds(name string, s share) bool {
	i := l.handler.stageNamed(name)
	return i >= 0 && i != l.subject && l.handler.Stages[i].Share != nil && s.Configured == l.configured(i)
}

// note notes that a part of what is stored was decided: what was stored of it before, and
// perhaps could not be read yet, does not come back.
func (s *shared) note(part string) {
	s.changes++
	s.decided[part] = true
}

// The parts of what is stored. That of a stage's share is the stage's name, which has no
// space in it.
const (
	partKill    = "kill switch"
	partRollout = "the rollout"
)
