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

// Herald logs changes of breakers and emits Caddy events of them, in their order and
// off the path of the request that caused them: what an operator hangs on an event
// may take long. It knows nothing of a breaker but changes that are to be told.
type Herald struct {
	emit   func(event string, data map[string]any)
	logger *zap.Logger

	mu      sync.Mutex
	waiting []news
	busy    bool
}

// news is a change of one of the breakers.
type news struct {
	who map[string]string
	circuit.Change
}

// NewHerald returns the herald of a module's breakers. It is to be called while the module
// is provisioned, and to be told of changes only later: events cannot be emitted
// before the configuration has started.
func NewHerald(ctx caddy.Context) (*Herald, error) {
	app, err := ctx.App("events")
	if err != nil {
		return nil, fmt.Errorf("getting the events app: %w", err)
	}
	events := app.(*caddyevents.App)
	return &Herald{
		emit:   func(event string, data map[string]any) { events.Emit(ctx, event, data) },
		logger: ctx.Logger(),
	}, nil
}

// For returns what circuit.New takes as changed, for one breaker. who names it, in logs and
// in the data of events, as in {"breaker": "checkout"} or {"pool": "shop", "upstream":
// "a:80"}; it must not be changed any more.
func (h *Herald) For(who map[string]string) func(circuit.Change) {
	return func(c circuit.Change) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.waiting = append(h.waiting, news{who, c})
		if !h.busy {
			h.busy = true
			go h.tell()
		}
	}
}

// tell tells of what waits until nothing does.
func (h *Herald) tell() {
	for {
		h.mu.Lock()
		waiting := h.waiting
		h.waiting = nil
		h.busy = len(waiting) > 0
		h.mu.Unlock()
		if len(waiting) == 0 {
			return
		}
		for _, n := range waiting {
			h.tellOf(n)
		}
	}
}

func (h *Herald) tellOf(c news) {
	level, message := zapcore.InfoLevel, "breaker is half-open"
	data := make(map[string]any, len(c.who)+2)
	fields := []zap.Field{zap.Stringer("from", c.From), zap.String("why", c.Why)}
	for _, key := range slices.Sorted(maps.Keys(c.who)) {
		value := c.who[key]
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
