package openapi

// witness_test.go reads what Caddy logs.

import (
	"encoding/json"
	"io"
	"strings"
	"sync"

	"github.com/caddyserver/caddy/v2"
)

// events is the log of the Caddys that tests run.
type events struct {
	mu   sync.Mutex
	text strings.Builder
}

func (e *events) Write(p []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.text.Write(p)
}

func (*events) Close() error { return nil }

// String returns the log, one entry in JSON a line.
func (e *events) String() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.text.String()
}

// lines are the entries that contain all of the texts.
func (e *events) lines(texts ...string) (found []map[string]any) {
	for line := range strings.Lines(e.String()) {
		has := true
		for _, text := range texts {
			has = has && strings.Contains(line, text)
		}
		var entry map[string]any
		if has && json.Unmarshal([]byte(line), &entry) == nil {
			found = append(found, entry)
		}
	}
	return found
}

// witness is a log output: Caddy's modules are made from their configuration, so the log is found by its name.
type witness struct {
	Log string `json:"log,omitempty"`
}

var witnessed sync.Map // name -> *events

func init() { caddy.RegisterModule(witness{}) }

func (witness) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "caddy.logging.writers.witness", New: func() caddy.Module { return new(witness) }}
}

func (w witness) String() string    { return w.Log }
func (w witness) WriterKey() string { return "witness:" + w.Log }
func (w witness) OpenWriter() (io.WriteCloser, error) {
	log, _ := witnessed.LoadOrStore(w.Log, new(events))
	return log.(*events), nil
}
