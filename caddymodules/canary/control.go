package canary

// control.go holds what an operator sees of a release and decides about it.

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/weirproxy/weir/governance/livestate"
	"github.com/weirproxy/weir/governance/rollout"
)

// snapshot is a release as the admin API shows it.
type snapshot struct {
	Name string `json:"name"`
	// Killed is whether everybody gets stable.
	Killed bool            `json:"killed"`
	Stages []stageSnapshot `json:"stages"`
	// Rollout is absent if there is neither a guard nor a stage that is named canary.
	Rollout *rolloutSnapshot `json:"rollout,omitempty"`
}

// stageSnapshot is one stage. Its shares are in per cent, as an operator gives them.
type stageSnapshot struct {
	Name       string  `json:"name"`
	Percent    float64 `json:"percent"`
	Configured float64 `json:"configured_percent"`
	// Requests are those that were decided for the stage since the name is known.
	Requests uint64 `json:"requests"`
}

// rolloutSnapshot is the stage that a guard or an operator promotes.
type rolloutSnapshot struct {
	Stage   string `json:"stage"`
	Guarded bool   `json:"guarded"`
	rollout.Snapshot
}

// Snapshot implements livestate.View.
func (h *Handler) Snapshot() any { return h.snapshot() }

func (h *Handler) snapshot() snapshot {
	l := h.live
	l.mu.Lock() // else it could show a rollback and the share of before
	defer l.mu.Unlock()
	s := snapshot{Name: h.Name, Killed: l.killed.Load()}
	configured, running := l.base.Stages(), h.layout.Load().Stages()
	for i, stage := range h.Stages {
		s.Stages = append(s.Stages, stageSnapshot{
			Name:       stage.Name,
			Percent:    percent(running[i].Share),
			Configured: percent(configured[i].Share),
			Requests:   l.counts[i].Load(),
		})
	}
	if l.subject >= 0 {
		s.Rollout = &rolloutSnapshot{l.subjectName(), h.Guard != nil, l.guard.Load().Snapshot(time.Now())}
	}
	return s
}

// percent leaves out the noise of the last digits.
func percent(share float64) float64 { return math.Round(share*1e10) / 1e8 }

// command is an operator's decision: exactly one of these.
type command struct {
	// Share gives stages other shares than the configured ones, in per cent; null takes
	// that back.
	Share map[string]*float64 `json:"share,omitempty"`
	// Pause true holds the share that the guard has given, false goes on.
	Pause *bool `json:"pause,omitempty"`
	// Promote goes to the next step.
	Promote *bool `json:"promote,omitempty"`
	// Rollback takes the share back to nothing.
	Rollback *bool `json:"rollback,omitempty"`
	// Kill true sends everybody to stable, whatever else would decide; false ends that.
	Kill *bool `json:"kill,omitempty"`
}

const commands = `{"share":{"canary":10}} in per cent, {"pause":true}, {"promote":true}, {"rollback":true} or {"kill":true}`

// Control implements livestate.Controller.
func (h *Handler) Control(path []string, body []byte) (any, error) {
	switch {
	case len(path) == 1 && path[0] == "explain":
		return h.explain(body)
	case len(path) != 0:
		return nil, fmt.Errorf("%w: a decision is about the canary as a whole, and what explains is at explain", livestate.ErrNotFound)
	}
	var c command
	if err := decode(body, &c, commands); err != nil {
		return nil, err
	}
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("%w: %w", livestate.ErrInvalid, err)
	}
	if err := h.live.obey(c, time.Now()); err != nil {
		return nil, err
	}
	return h.snapshot(), nil
}

// decode reads a JSON object, of which like shows examples.
func decode(body []byte, v any, like string) error {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(v); err != nil {
		return fmt.Errorf("%w: the body must be an object: %s: %w", livestate.ErrInvalid, like, err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: there is something after the object", livestate.ErrInvalid)
	}
	return nil
}

// check refuses all but one decision.
func (c *command) check() error {
	given := 0
	for _, is := range []bool{c.Share != nil, c.Pause != nil, c.Promote != nil, c.Rollback != nil, c.Kill != nil} {
		if is {
			given++
		}
	}
	switch {
	case given != 1:
		return errors.New("give one of " + commands)
	case c.Share != nil && len(c.Share) == 0:
		return errors.New(`share names no stage: {"share":{"canary":10}}`)
	case c.Promote != nil && !*c.Promote:
		return errors.New(`promote can only be true; to take a promotion back, give a share: {"share":{"canary":5}}`)
	case c.Rollback != nil && !*c.Rollback:
		return errors.New(`rollback can only be true; to begin again, give a share or {"promote":true}`)
	}
	return nil
}

// obey carries out a decision and stores what comes of it. It takes effect first: a kill
// switch must not wait for storage. So it overrules what is stored if that could not be
// read yet.
func (l *liveCanary) obey(c command, now time.Time) error {
	n, err := l.decide(c, now)
	if err != nil {
		return fmt.Errorf("%w: %w", livestate.ErrInvalid, err)
	}
	l.handler.logger.Info("operator's decision", zap.String("canary", l.handler.Name), zap.Any("decision", c))
	if n.event != "" {
		l.tell(n)
	}
	l.storing.Lock()
	defer l.storing.Unlock()
	if err := l.save(now); err != nil {
		return fmt.Errorf("the decision holds, but not over a restart: %w", err)
	}
	return nil
}

// decide has a decision take effect, and returns what to tell of it, if anything.
func (l *liveCanary) decide(c command, now time.Time) (n news, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	guard := l.guard.Load()
	n = news{from: guard.Share(), rule: rollout.RuleOperator, why: "an operator has decided it"}
	part := partRollout
	switch {
	case c.Kill != nil:
		l.killed.Store(*c.Kill)
		part = partKill
	case c.Share != nil:
		err = l.giveShares(c.Share, now)
	case l.subject < 0:
		err = errors.New(`there is no guard, and no stage that is named canary: give a share, as in {"share":{"<stage>":10}}`)
	case c.Promote != nil:
		n.event = eventPromoted
		err = guard.Promote(now)
	case c.Rollback != nil && guard.State().Phase != rollout.RolledBack:
		n.event = eventRolledBack
		guard.Rollback(now)
		l.rollbacks[rollout.RuleOperator]++
	case c.Pause != nil && l.handler.Guard == nil:
		err = errors.New("there is no guard, so there is nothing that could be paused")
	case c.Pause != nil && *c.Pause:
		err = guard.Pause()
	case c.Pause != nil:
		err = guard.Resume(now)
	}
	if err != nil {
		return news{}, err
	}
	n.to = guard.Share()
	if c.Share == nil {
		l.note(part)
	}
	l.push()
	if l.leader != nil {
		signal(l.leader.wake)
		signal(l.leader.dirty)
	}
	return n, nil
}

// giveShares gives stages shares in per cent, all of them or, with an error, none. It is
// called with mu held.
func (l *liveCanary) giveShares(percents map[string]*float64, now time.Time) error {
	given := maps.Clone(l.shares)
	var rolledOut *float64
	for name, percent := range percents {
		i := l.handler.stageNamed(name)
		if i < 0 || i == l.handler.stable {
			_, err := l.base.With(map[string]float64{name: 0})
			return err
		}
		value := l.configured(i)
		if percent != nil {
			value = *percent / 100
		}
		switch {
		case i == l.subject:
			rolledOut = &value
		case value == l.configured(i):
			delete(given, name)
		default:
			given[name] = share{Share: value, Configured: l.configured(i)}
		}
	}
	shares := l.running(given)
	if rolledOut != nil { // other than a step, it must be possible as it is
		shares[l.subjectName()] = *rolledOut
	}
	if _, err := l.base.With(shares); err != nil {
		return err
	}
	if rolledOut != nil {
		if err := l.guard.Load().SetShare(*rolledOut, now); err != nil {
			return err
		}
	}
	l.shares = given
	for _, name := range slices.Sorted(maps.Keys(percents)) {
		if name == l.subjectName() {
			name = partRollout
		}
		l.note(name)
	}
	return nil
}
