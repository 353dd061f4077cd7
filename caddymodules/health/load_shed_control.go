package health

// load_shed_control.go holds what an operator sees of a load_shed and decides about
// it, and what outlives its configuration.

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2"

	"github.com/weirproxy/weir/governance/livestate"
	"github.com/weirproxy/weir/governance/shed"
	"github.com/weirproxy/weir/internal/inforce"
	"github.com/weirproxy/weir/internal/statestore"
)

// loadSheds is the registry's name for what load_shed handlers keep.
const loadSheds = "load_sheds"

// shedMode is what happens to requests that are to be refused.
type shedMode string

const (
	modeShed   shedMode = "shed"    // they are refused
	modeDryRun shedMode = "dry_run" // they are counted
	modeOff    shedMode = "off"     // no one looks
	modeAuto   shedMode = "auto"    // in a command: as it is configured
)

// shedDecision is an operator's.
type shedDecision struct {
	Mode  shedMode  `json:"mode"`
	Until time.Time `json:"until,omitzero"`
	// Configured is the mode of the configuration that it was decided against: a
	// decision ends when that changes.
	Configured shedMode `json:"configured"`
}

// holds reports whether d is in force for a handler of the configured mode.
func (d *shedDecision) holds(configured shedMode, now time.Time) bool {
	return d != nil && d.Configured == configured && (d.Until.IsZero() || now.Before(d.Until))
}

// liveShed is the part of a handler that the registry keeps.
type liveShed struct {
	shed.State
	refused, wouldRefuse refusalLog
	decision             atomic.Pointer[shedDecision]

	deciding sync.Mutex // held while the decision is read, changed and stored
	restored bool       // whether that of before the process is known
}

func newLiveShed() *liveShed {
	return &liveShed{
		refused:     refusalLog{what: "requests are refused"},
		wouldRefuse: refusalLog{what: "requests would be refused"},
	}
}

// claim is what the handler wants to share under its name. It is to be made before the
// matchers are loaded, which leaves nothing of what is configured. A matcher may hold a
// secret, so people are shown only which ones are the same.
func (h *LoadShed) claim(configuration any, settings shed.Settings) (livestate.Claim, error) {
	matchers, err := json.Marshal([]any{h.CriticalRaw, h.LowRaw, h.ExemptRaw})
	if err != nil {
		return livestate.Claim{}, err
	}
	shown, err := json.Marshal(&LoadShed{Name: h.Name, MaxInFlight: h.MaxInFlight, Auto: h.Auto, Floor: h.Floor, DryRun: h.DryRun})
	if err != nil {
		return livestate.Claim{}, err
	}
	return livestate.Claim{
		Key:           livestate.Key{Kind: loadSheds, Name: h.Name},
		Configuration: configuration,
		Settings:      fmt.Sprintf("%+v %v %s", settings, h.DryRun, matchers),
		Place:         fmt.Sprintf("a load_shed with %s and the matchers %.8x", shown, sha256.Sum256(matchers)),
	}, nil
}

// configured is the mode that the configuration asks for.
func (h *LoadShed) configured() shedMode {
	if h.DryRun {
		return modeDryRun
	}
	return modeShed
}

// mode is the mode in force.
func (h *LoadShed) mode() shedMode {
	configured := h.configured()
	if d := h.live.decision.Load(); d != nil && d.holds(configured, time.Now()) {
		return d.Mode
	}
	return configured
}

// shedSnapshot is a load_shed as the admin API shows it.
type shedSnapshot struct {
	Name string   `json:"name"`
	Mode shedMode `json:"mode"`
	// Decision is the operator's, while it holds.
	Decision *shedDecision `json:"decision,omitempty"`
	// Pressure is that of the process.
	Pressure float64 `json:"pressure"`
	// Limit and InFlight are absent without max_in_flight.
	Limit    *int `json:"limit,omitempty"`
	InFlight *int `json:"in_flight,omitempty"`
	// Requests counts them by priority and by what became of them.
	Requests map[string]map[string]uint64 `json:"requests"`
}

// Snapshot implements livestate.View.
func (h *LoadShed) Snapshot() any { return h.snapshot() }

func (h *LoadShed) snapshot() shedSnapshot {
	s := shedSnapshot{
		Name:     h.Name,
		Mode:     h.mode(),
		Pressure: h.pressure(),
		Requests: make(map[string]map[string]uint64),
	}
	if d := h.live.decision.Load(); d.holds(h.configured(), time.Now()) {
		s.Decision = d
	}
	if limit := h.shedder.Limit(); limit > 0 {
		inFlight := h.shedder.InFlight()
		s.Limit, s.InFlight = &limit, &inFlight
	}
	for _, p := range shed.Priorities {
		counts := make(map[string]uint64)
		for _, r := range shed.Results {
			counts[r.String()] = h.live.Counted(p, r)
		}
		s.Requests[p.String()] = counts
	}
	return s
}

// Control implements livestate.Controller.
func (h *LoadShed) Control(path []string, body []byte) (any, error) {
	if len(path) > 0 {
		return nil, fmt.Errorf("%w: a decision is about the load_shed as a whole", livestate.ErrNotFound)
	}
	now := time.Now()
	decision, err := readShedDecision(body, h.configured(), now)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", livestate.ErrInvalid, err)
	}
	h.live.deciding.Lock()
	defer h.live.deciding.Unlock()
	h.live.decision.Store(decision)
	h.live.restored = true // what was decided before must not come back
	h.logger.Info("operator's decision", zap.String("load_shed", h.Name), zap.Any("decision", decision))
	if err := statestore.Save(h.storage, loadSheds, h.Name, decision); err != nil {
		return nil, fmt.Errorf("the decision holds, but not over a restart: %w", err)
	}
	return h.snapshot(), nil
}

// readShedDecision reads a command; nil takes the decision of before back.
func readShedDecision(body []byte, configured shedMode, now time.Time) (*shedDecision, error) {
	var c struct {
		Mode shedMode `json:"mode"`
		// TTL is how long it holds, as in "5m"; absent means until the next decision,
		// or until the configured mode changes.
		TTL string `json:"ttl"`
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&c); err != nil {
		return nil, fmt.Errorf("the body must be an object such as {\"mode\":\"dry_run\",\"ttl\":\"5m\"}: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is something after the object")
	}
	d := &shedDecision{Mode: c.Mode, Configured: configured}
	if c.TTL != "" {
		ttl, err := caddy.ParseDuration(c.TTL)
		if err != nil || ttl <= 0 {
			return nil, fmt.Errorf("ttl %q is not a positive duration such as 5m", c.TTL)
		}
		d.Until = now.Add(ttl).Round(0)
	}
	switch c.Mode {
	case modeShed, modeDryRun, modeOff:
		return d, nil
	case modeAuto:
		if c.TTL != "" {
			return nil, errors.New("auto takes the decision back and has no ttl")
		}
		return nil, nil
	default:
		return nil, fmt.Errorf("mode %q is none of shed, dry_run, off and auto", c.Mode)
	}
}

// restore takes up the decision that was made before the process started, once. A
// configuration that cannot read it can still serve.
func (l *liveShed) restore(h *LoadShed) {
	l.deciding.Lock()
	defer l.deciding.Unlock()
	if l.restored {
		return
	}
	var d *shedDecision
	err := statestore.Load(h.storage, loadSheds, h.Name, &d)
	if err != nil {
		h.logger.Warn("operator's decision of before is not known", zap.String("load_shed", h.Name), zap.Error(err))
		return
	}
	if d != nil {
		switch d.Mode {
		case modeShed, modeDryRun, modeOff:
			l.decision.Store(d)
		default:
			h.logger.Error("operator's decision of before is lost", zap.String("load_shed", h.Name), zap.String("mode", string(d.Mode)))
		}
	}
	l.restored = true
}

// Lead implements livestate.Leader: a decision that does not hold against the settings
// that lead from now on is forgotten once they are in force, so that it does not come back
// should the configured mode.
func (h *LoadShed) Lead() {
	if h.live.decision.Load() != nil {
		inforce.Then(h.ctx, h.dropOld)
	}
}

func (h *LoadShed) dropOld() {
	l := h.live
	l.deciding.Lock()
	defer l.deciding.Unlock()
	d := l.decision.Load()
	if d == nil || d.holds(h.configured(), time.Now()) {
		return
	}
	l.decision.Store(nil)
	h.logger.Info("a decision that holds no longer is dropped", zap.String("load_shed", h.Name))
	if err := statestore.Save(h.storage, loadSheds, h.Name, (*shedDecision)(nil)); err != nil {
		h.logger.Warn("storing operator's decision", zap.String("load_shed", h.Name), zap.Error(err))
	}
}
