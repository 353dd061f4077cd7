package canary

// live_fixture_test.go has handlers that hold live state without a Caddy.

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/weirproxy/weir/governance/cohort"
	"github.com/weirproxy/weir/internal/statestore"
)

// memory is a storage that can be out of order. What it is not asked for, it has not.
type memory struct {
	certmagic.Storage

	mu     sync.Mutex
	files  map[string][]byte
	broken error
	writes int
}

func (m *memory) Store(_ context.Context, key string, value []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.broken != nil {
		return m.broken
	}
	if m.files == nil {
		m.files = make(map[string][]byte)
	}
	m.files[key] = value
	m.writes++
	return nil
}

func (m *memory) Load(_ context.Context, key string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	value, ok := m.files[key]
	switch {
	case m.broken != nil:
		return nil, m.broken
	case !ok:
		return nil, fs.ErrNotExist
	}
	return value, nil
}

// fail has the storage fail from now on, or no longer.
func (m *memory) fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.broken = err
}

func (m *memory) stored(t *testing.T) (s stored) {
	t.Helper()
	if err := statestore.Load(m, kind, "checkout", &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// fixture is a process that has one release.
type fixture struct {
	storage *memory
	logs    *observer.ObservedLogs
	logger  *zap.Logger

	mu     sync.Mutex
	events []map[string]any
}

func newFixture(storage *memory) *fixture {
	core, logs := observer.New(zapcore.InfoLevel)
	return &fixture{storage: storage, logs: logs, logger: zap.New(core)}
}

func (f *fixture) emit(event string, data map[string]any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	data["event"] = event
	f.events = append(f.events, data)
}

// seen are the events since the last time.
func (f *fixture) seen() []map[string]any {
	f.mu.Lock()
	defer f.mu.Unlock()
	events := f.events
	f.events = nil
	return events
}

// acquired is the handler of a configuration that holds what others hold too, if any.
func (f *fixture) acquired(t *testing.T, h *Handler, with *Handler) *Handler {
	t.Helper()
	h.Name = "checkout"
	if err := h.configure(); err != nil {
		t.Fatal(err)
	}
	h.logger, h.storage = f.logger, f.storage
	h.live = newLive(h, f.emit)
	if with == nil {
		h.live.shared = newShared(h.live, time.Now())
	} else {
		h.live.shared = with.live.shared
	}
	h.live.hold()
	h.live.restore(time.Now())
	return h
}

// leading is the handler of a process that has just begun.
func (f *fixture) leading(t *testing.T, h *Handler) *Handler {
	t.Helper()
	f.acquired(t, h, nil)
	if !h.live.lead(time.Now()) {
		t.Fatal("the loop does not fall to the first handler")
	}
	return h
}

// reloaded is h in the place of a handler that runs.
func (f *fixture) reloaded(t *testing.T, h, old *Handler) *Handler {
	t.Helper()
	f.acquired(t, h, old)
	old.live.release()
	h.live.lead(time.Now())
	return h
}

func (f *fixture) messages() (messages []string) {
	for _, entry := range f.logs.TakeAll() {
		messages = append(messages, entry.Message)
	}
	return messages
}

// release is a configuration with the stages stable, canary and preview.
func release(canary, preview float64, guard *Guard) *Handler {
	return &Handler{
		Guard:  guard,
		Stages: []Stage{{Name: "stable"}, {Name: "canary", Share: &canary}, {Name: "preview", Share: &preview}},
	}
}

// seeded is h with another seed.
func seeded(h *Handler, seed string) *Handler {
	h.Seed = seed
	return h
}

// steps is a guard with the default settings but for these steps.
func steps(steps ...float64) *Guard { return &Guard{Steps: steps} }

// wantPercents checks what runs, of stable, canary and preview.
func wantPercents(t *testing.T, h *Handler, stable, canary, preview float64) {
	t.Helper()
	got, want := "", fmt.Sprintf("stable %v canary %v preview %v ", stable, canary, preview)
	for _, stage := range h.snapshot().Stages {
		got += fmt.Sprintf("%s %v ", stage.Name, stage.Percent)
	}
	if got != want {
		t.Errorf("running is %swant %s", got, want)
	}
}

func order(t *testing.T, h *Handler, command string) snapshot {
	t.Helper()
	shown, err := h.Control(nil, []byte(command))
	if err != nil {
		t.Fatalf("%s: %v", command, err)
	}
	return shown.(snapshot)
}

// behaviour is how a stage answers.
type behaviour struct {
	latency time.Duration
	failing float64
}

// traffic sends 500 requests a second for a while, to whatever stages run. It is for a
// synctest bubble, where time costs nothing.
func traffic(h *Handler, random *rand.Rand, stages map[string]behaviour, for_ time.Duration) {
	for range int(for_ / (20 * time.Millisecond)) {
		for range 10 {
			stage := h.layout.Load().At(cohort.Point(random.Uint64()))
			b := stages[h.Stages[stage].Name]
			call := h.live.start(drawn(stage), h)
			call.End(time.Duration((0.5+random.ExpFloat64())*float64(b.latency)), random.Float64() < b.failing)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

var errStorage = errors.New("storage is away")

// drawn is the decision of a cohort for a stage.
func drawn(stage int) *decision { return &decision{stage: stage, hasPoint: true} }
