package warmup

// control.go holds what an operator sees of a warm-up and decides about it.

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/weirproxy/weir/governance/livestate"
	"github.com/weirproxy/weir/governance/ramp"
)

// snapshot is a warm-up as the admin API shows it.
type snapshot struct {
	Name string `json:"name"`
	ramp.Snapshot
	// ReadyURL is what the readiness check asks, without user and query.
	ReadyURL string `json:"ready_url,omitempty"`
	DryRun   bool   `json:"dry_run,omitempty"`
	// Requests counts those that came while it was not over.
	Requests requests `json:"requests"`
}

type requests struct {
	Admitted    uint64 `json:"admitted"`
	Refused     uint64 `json:"refused"`
	WouldRefuse uint64 `json:"would_refuse"`
}

// Snapshot implements livestate.View.
func (h *Handler) Snapshot() any { return h.snapshot() }

func (h *Handler) snapshot() snapshot {
	return snapshot{
		Name:     h.Name,
		Snapshot: h.live.ramp.Snapshot(time.Now()),
		ReadyURL: h.Ready.shown(),
		DryRun:   h.DryRun,
		Requests: requests{h.live.admitted.Load(), h.live.refused.Load(), h.live.wouldRefuse.Load()},
	}
}

// Control implements livestate.Controller: {"restart":true} or {"skip":true}. Both
// are about the warm-up that is under way and are done at once, so there is nothing
// of them to keep over a restart of the process, which is a start of its own.
func (h *Handler) Control(path []string, body []byte) (any, error) {
	if len(path) != 0 {
		return nil, fmt.Errorf("%w: a decision is about the whole warm-up", livestate.ErrNotFound)
	}
	var command struct {
		Restart bool `json:"restart"`
		Skip    bool `json:"skip"`
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&command); err != nil {
		return nil, fmt.Errorf("%w: the body must be {\"restart\":true} or {\"skip\":true}: %w", livestate.ErrInvalid, err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: there is something after the object", livestate.ErrInvalid)
	}
	switch {
	case command.Restart == command.Skip:
		return nil, fmt.Errorf("%w: one of restart and skip must be true", livestate.ErrInvalid)
	case command.Restart:
		h.live.ramp.Restart(time.Now())
	default:
		h.live.ramp.Skip(time.Now(), "skipped by the operator")
	}
	h.live.tell(h)
	return h.snapshot(), nil
}
