package breakerconf

// herald.go tells people and programs that a breaker has changed.

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"

	"github.com/weirproxy/weir/governance/circuit"
)

// Caddy events of a breaker. Besides who it is, their data has why, as in
// circuit.Change; breaker_opened has open_for too, in seconds.
const (
	eventOpened = "breaker_opened"
	eventClosed = "breaker_closed"
)

// Herald logs changes of a breaker and emits Caddy events of them, in their order and
// off the path of the request that caused them: what an operator hangs on an event
// may take long.
type Herald struct {
	who    map[string]string
	emit   func(event string, data map[string]any)
	logger *zap.Logger

	mu      sync.Mutex
	waiting []circuit.Change
	busy    bool
}

// NewHerald returns the herald of a breaker. who names it, in logs and in the data of
// events, as in {"breaker": "checkout"} or {"pool": "shop", "upstream": "a:80"}. It is to
// be called while the module is provisioned, and to be told of changes only later: events
// cannot be emitted before the configuration has started.
func NewHerald(ctx caddy.Context, who map[string]string) (*Herald, error) {
	app, err := ctx.App("events")
	if err != nil {
		return nil, fmt.Errorf("getting the events app: %w", err)
	}
	events := app.(*caddyevents.App)
	return &Herald{
		who:    who,
		emit:   func(event string, data map[string]any) { events.Emit(ctx, event, data) },
		logger: ctx.Logger(),
	}, nil
}

// Changed is what circuit.New takes as changed.
func (h *Herald) Changed(c circuit.Change) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.waiting = append(h.waiting, c)
	if !h.busy {
		h.busy = true
		go h.tell()
	}
}

// tell tells of what waits until nothing does.
func (h *Herald) tell() {
	for {
		h.mu.Lock()
		changes := h.waiting
		h.waiting = nil
		h.busy = len(changes) > 0
		h.mu.Unlock()
		if len(changes) == 0 {
			return
		}
		for _, c := range changes {
			h.tellOf(c)
		}
	}
}

func (h *Herald) tellOf(c circuit.Change) {
	level, message := zapcore.InfoLevel, "breaker is half-open"
	data := make(map[string]any, len(h.who)+2)
	fields := []zap.Field{zap.Stringer("from", c.From), zap.String("why", c.Why)}
	for _, key := range slices.Sorted(maps.Keys(h.who)) {
		value := h.who[key]
		data[key] = value
		fields = append(fields, zap.String(key, value))
	}
	data["why"] = c.Why
	event := ""
	switch c.To {
	case circuit.Open:
		level, message, event = zapcore.WarnLevel, "breaker opened", eventOpened
		data["open_for"] = c.OpenFor.Seconds()
		fields = append(fields, zap.Duration("open_for", c.OpenFor.Round(time.Millisecond)))
	case circuit.Closed:
		message, event = "breaker closed", eventClosed
	}
	h.logger.Log(level, message, fields...)
	if event != "" {
		h.emit(event, data)
	}
}
