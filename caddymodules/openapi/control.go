package openapi

// control.go holds what an operator sees of a contract and decides about it.

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/weirproxy/weir/governance/livestate"
)

// snapshot is a contract as the admin API lists it.
type snapshot struct {
	Name string `json:"name"`
	// Source is the file or URL, without user and query.
	Source string `json:"source"`
	// What is in force; absent while a lazy document is not loaded.
	*generationSnapshot
	OperationCount  int    `json:"operation_count"`
	RequestsTotal   uint64 `json:"requests_total"`
	ViolationsTotal uint64 `json:"violations_total"`
	// CheckedAt is when the source was last found good.
	CheckedAt time.Time `json:"checked_at,omitzero"`
	// Stale says that the source is not well: what is in force is its last good document, or what was pushed or kept.
	Stale bool `json:"stale"`
	// Error says why it is stale.
	Error string `json:"error,omitempty"`
}

// generationSnapshot is a document that is or was in force.
type generationSnapshot struct {
	Number uint64 `json:"generation"`
	// Document is the number of the generation that a rollback went back to.
	Document uint64    `json:"document,omitempty"`
	Hash     string    `json:"hash"`
	ETag     string    `json:"etag,omitempty"`
	OpenAPI  string    `json:"openapi"`
	Origin   string    `json:"origin"`
	LoadedAt time.Time `json:"loaded_at"`
}

func (r *revision) snapshot() generationSnapshot {
	s := generationSnapshot{
		Number: r.number, Hash: r.hash, ETag: r.etag, OpenAPI: r.openapi, Origin: r.origin, LoadedAt: r.loadedAt.Round(0),
	}
	if r.document != r.number {
		s.Document = r.document
	}
	return s
}

// detailed is a contract with all that there is to see.
type detailed struct {
	snapshot
	Operations  []operationSnapshot  `json:"operations"`
	Notes       []string             `json:"notes"`
	Generations []generationSnapshot `json:"generations"` // that can be rolled back to, the latest first
	Violations  []violation          `json:"violations"`  // the last ones, the latest first
}

type operationSnapshot struct {
	Name       string            `json:"name"`
	Method     string            `json:"method"`
	Template   string            `json:"template"`
	Mode       string            `json:"mode"`
	Requests   map[string]uint64 `json:"requests"` // by result
	Violations uint64            `json:"violations"`
	judging
}

// Snapshot implements livestate.View.
func (h *Handler) Snapshot() any { return h.snapshot() }

func (h *Handler) snapshot() snapshot {
	status := h.track.status()
	s := snapshot{Name: h.Name, Source: h.track.source.shown(), CheckedAt: status.loaded.Round(0)}
	s.RequestsTotal, s.ViolationsTotal = h.live.counts.totals()
	if g := h.track.generation(); g != nil {
		inForce := g.snapshot()
		s.generationSnapshot, s.OperationCount = &inForce, len(g.contract.Operations())
	}
	if status.stale != nil {
		s.Stale, s.Error = true, status.stale.Error()
	}
	return s
}

// Detail implements livestate.Detailed.
func (h *Handler) Detail() any {
	d := detailed{
		snapshot:   h.snapshot(),
		Operations: []operationSnapshot{}, Notes: []string{}, Generations: []generationSnapshot{},
		Violations: append([]violation{}, h.live.ring.list()...),
	}
	for _, r := range slices.Backward(h.track.kept()) {
		d.Generations = append(d.Generations, r.snapshot())
	}
	g := h.track.generation()
	if g == nil {
		return d
	}
	d.Notes = append(d.Notes, g.contract.Notes()...)
	plan := h.planFor(g)
	for _, op := range g.contract.Operations() {
		o := plan.operations[op]
		d.Operations = append(d.Operations, operationSnapshot{
			Name: o.name, Method: op.Method, Template: op.Template, Mode: o.mode.String(),
			Requests: o.counts.byResult(), Violations: o.counts.violationsTotal(), judging: o.judging(),
		})
	}
	return d
}

// kept are the revisions that can be rolled back to, the latest last.
func (t *track) kept() []revision {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.revisions
}

// MaxDocument implements livestate.Replacer. What a pushed document refers to counts too.
func (h *Handler) MaxDocument() int64 { return h.track.settings.MaxDocument }

// Replace implements livestate.Replacer: the document is in force until the source's changes. It tells by the text
// whether it is YAML or JSON, of which YAML is a superset.
func (h *Handler) Replace(body []byte, _ string) (any, error) {
	h.logger.Info("an operator pushes a document", zap.String("contract", h.Name), zap.Int("bytes", len(body)))
	if err := h.track.replace(body); err != nil {
		return nil, err
	}
	return h.snapshot(), nil
}

// Control implements livestate.Controller: reload and rollback.
func (h *Handler) Control(path []string, body []byte) (any, error) {
	if len(path) != 1 {
		return nil, fmt.Errorf("%w: the decisions about a contract are reload and rollback", livestate.ErrNotFound)
	}
	var err error
	switch path[0] {
	case "reload":
		if err = readCommand(body, &struct{}{}); err == nil {
			err = h.track.reload()
		}
	case "rollback":
		var command struct {
			Generation uint64 `json:"generation"`
		}
		if err = readCommand(body, &command); err == nil {
			err = h.track.rollback(command.Generation)
		}
	default:
		err = fmt.Errorf("%w: %q is neither reload nor rollback", livestate.ErrNotFound, path[0])
	}
	if err != nil {
		return nil, err
	}
	h.logger.Info("operator's decision", zap.String("contract", h.Name), zap.String("decision", path[0]))
	return h.snapshot(), nil
}

// readCommand reads a JSON object, or nothing.
func readCommand(body []byte, command any) error {
	if len(bytes.TrimSpace(body)) == 0 {
		return nil
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(command); err != nil {
		return fmt.Errorf("%w: the body must be empty or an object: {}, or {\"generation\":3} to roll back to it: %w", livestate.ErrInvalid, err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: there is something after the object", livestate.ErrInvalid)
	}
	return nil
}

// Interface guards
var (
	_ livestate.Controller = (*Handler)(nil)
	_ livestate.Detailed   = (*Handler)(nil)
	_ livestate.Replacer   = (*Handler)(nil)
)
