package governance

// health.go is the live state of the process's health: one monitor, which outlives
// configurations, and what an operator decided about readiness.

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2"

	"github.com/weirproxy/weir/governance/livestate"
	"github.com/weirproxy/weir/governance/processhealth"
	"github.com/weirproxy/weir/internal/statestore"
)

// The registry's name for the process's health.
const (
	healthKind = "process_health"
	healthName = "self"
)

// liveHealth is the part of the app that the registry keeps.
type liveHealth struct {
	processhealth.Monitor

	mu      sync.Mutex
	running []*App // those that were started, oldest first

	deciding sync.Mutex // held while the decision is read, changed and stored
	restored bool       // whether that of before is known
}

// begin makes the settings of a those that apply.
func (l *liveHealth) begin(a *App) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.Configure(a.settings); err != nil {
		return err
	}
	l.Monitor.Start()
	l.running = append(l.running, a)
	return nil
}

// end takes begin back, also if there was none.
func (l *liveHealth) end(a *App) {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.Index(l.running, a)
	if i < 0 {
		return
	}
	l.running = slices.Delete(l.running, i, i+1)
	if left := len(l.running); left > 0 && i == left {
		if err := l.Configure(l.running[left-1].settings); err != nil {
			a.logger.Error("going back to the settings of before", zap.Error(err))
		}
	}
	l.Monitor.Stop()
}

// health is the process's health as the admin API shows it.
type health struct {
	Name string `json:"name"`
	processhealth.Report
}

// Snapshot implements livestate.View.
func (a *App) Snapshot() any { return health{healthName, a.live.Report()} }

// command is an operator's decision about readiness: one of Ready and Drain.
type command struct {
	// Ready false makes the process unready; true takes any decision back.
	Ready *bool `json:"ready"`
	// Drain true makes the process unready because it is going away; false takes any
	// decision back.
	Drain *bool `json:"drain"`
	// TTL is how long that holds, as in "5m"; absent means until it is taken back.
	TTL string `json:"ttl"`
}

// Control implements livestate.Controller.
func (a *App) Control(path []string, body []byte) (any, error) {
	if len(path) != 0 {
		return nil, fmt.Errorf("%w: a decision is about the whole process", livestate.ErrNotFound)
	}
	decision, err := parseDecision(body, time.Now())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", livestate.ErrInvalid, err)
	}
	l := a.live
	l.deciding.Lock()
	defer l.deciding.Unlock()
	l.restored = true // and what was stored before is overruled
	l.Decide(decision)
	a.logger.Info("operator's decision", zap.String("process_health", healthName), zap.Any("decision", decision))
	if err := statestore.Save(a.storage, healthKind, healthName, decision); err != nil {
		return nil, fmt.Errorf("the decision holds, but not over a restart: %w", err)
	}
	return a.Snapshot(), nil
}

func parseDecision(body []byte, now time.Time) (processhealth.Decision, error) {
	var none processhealth.Decision
	var c command
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&c); err != nil {
		return none, fmt.Errorf("the body must be an object such as {\"ready\":false,\"ttl\":\"5m\"} or {\"drain\":true}: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return none, errors.New("there is something after the object")
	}
	if (c.Ready == nil) == (c.Drain == nil) {
		return none, errors.New("give either ready or drain, true or false")
	}
	var d processhealth.Decision
	switch {
	case c.Drain != nil && *c.Drain:
		d.Kind = processhealth.Draining
	case c.Ready != nil && !*c.Ready:
		d.Kind = processhealth.NotReady
	}
	if c.TTL != "" {
		ttl, err := caddy.ParseDuration(c.TTL)
		switch {
		case err != nil || ttl <= 0:
			return none, fmt.Errorf("ttl %q is not a positive duration such as 5m", c.TTL)
		case d.Kind == "":
			return none, errors.New("ttl makes no sense with what takes a decision back")
		}
		d.Until = now.Add(ttl).Round(0)
	}
	return d, nil
}

// restore takes up the decision that was made before the process started, once. A
// configuration that cannot read it can still serve.
func (l *liveHealth) restore(a *App) {
	l.deciding.Lock()
	defer l.deciding.Unlock()
	if l.restored {
		return
	}
	var d processhealth.Decision
	switch err := statestore.Load(a.storage, healthKind, healthName, &d); {
	case errors.Is(err, statestore.ErrBroken):
		// it will not mend by itself
		a.logger.Error("operator's decision of before is lost", zap.Error(err))
	case err != nil:
		a.logger.Warn("operator's decision of before is not known", zap.Error(err))
		return
	case slices.Contains([]string{"", processhealth.NotReady, processhealth.Draining}, d.Kind):
		l.Decide(d)
	default:
		a.logger.Error("operator's decision of before is of an unknown kind", zap.String("kind", d.Kind))
	}
	l.restored = true
}
