package monitor

// readiness.go holds what /readyz answers.

import (
	"encoding/json"
	"net/http"
)

// Readiness is whether the worker works, and what each outbox's relay does, or each
// consumer.
type Readiness struct {
	// Ready tells that every outbox has a connection to its database and a schema
	// that the worker knows, or that Redis answers every consumer. A receiver that is away does not make a worker
	// unready: nobody is helped if it is restarted.
	Ready bool `json:"ready"`
	// Outboxes are the relays, by the schemas of their outboxes.
	Outboxes map[string]Outbox `json:"outboxes,omitempty"`
	// Consumers are the consumers, by the names of their groups.
	Consumers map[string]Consumer `json:"consumers,omitempty"`
}

// Consumer is what a consumer does.
type Consumer struct {
	// Connected tells that Redis answered when it was last asked.
	Connected bool `json:"connected"`
	// PausedSeconds is for how long nothing is begun, since the receiver is away or
	// wants to be left alone.
	PausedSeconds float64 `json:"paused_seconds"`
	// Error is why the consumer does not run, or empty.
	Error string `json:"error,omitempty"`
}

// Outbox is what the relay of an outbox does.
type Outbox struct {
	// Connected is how many of its Workers have a connection and a schema that they
	// know.
	Connected int `json:"connected"`
	Workers   int `json:"workers"`
	// Outage tells that the receiver could not be reached lately.
	Outage bool `json:"outage"`
	// PausedSeconds is for how long the receiver wants to be left alone.
	PausedSeconds float64 `json:"paused_seconds"`
	// Error is why the relay does not run, or empty.
	Error string `json:"error,omitempty"`
}

// write answers 200 if the worker is ready and 503 if not, with the readiness as
// JSON in both cases.
func (r Readiness) write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if !r.Ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	// An error means that nobody listens any more.
	_ = json.NewEncoder(w).Encode(r)
}
