package canary

// events.go tells people and programs what becomes of a release.

import (
	"fmt"
	"maps"
	"slices"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"

	"github.com/weirproxy/weir/governance/rollout"
)

// Caddy events of a release. Their data has canary (the name), stage, share and from (the
// share now and before, from 0 to 1), rule, why, and, unless an operator did it, the
// numbers of both stages.
const (
	eventPromoted   = "canary_promoted"
	eventRolledBack = "canary_rolled_back"
	eventPaused     = "canary_paused" // by the guard, where on_fail is pause
)

// news is what has become of the stage that the rollout is about.
type news struct {
	event    string
	from, to float64
	rule     rollout.Rule // empty if the guard promotes
	why      string
	verdict  *rollout.Verdict // nil if an operator did it
}

// emitter returns what emits Caddy events.
func emitter(ctx caddy.Context) (func(event string, data map[string]any), error) {
	app, err := ctx.App("events")
	if err != nil {
		return nil, fmt.Errorf("getting the events app: %w", err)
	}
	events := app.(*caddyevents.App)
	return func(event string, data map[string]any) { events.Emit(ctx, event, data) }, nil
}

// tell logs n and emits its event. What an operator hangs on an event may take long, and
// does not keep the guard from looking.
func (l *liveCanary) tell(n news) {
	data := map[string]any{
		"canary": l.handler.Name,
		"stage":  l.subjectName(),
		"share":  n.to,
		"from":   n.from,
		"why":    n.why,
	}
	if n.rule != "" {
		data["rule"] = string(n.rule)
	}
	if n.verdict != nil {
		maps.Copy(data, numbers(n.verdict))
	}
	level, message := zapcore.WarnLevel, "canary rolled back"
	switch n.event {
	case eventPromoted:
		level, message = zapcore.InfoLevel, "canary promoted"
	case eventPaused:
		message = "canary paused"
	}
	fields := make([]zap.Field, 0, len(data))
	for _, key := range slices.Sorted(maps.Keys(data)) {
		fields = append(fields, zap.Any(key, data[key]))
	}
	l.handler.logger.Log(level, message, fields...)
	go l.emit(n.event, data)
}

// numbers are those that the guard has decided by, each by itself, so that an event's
// handler can have it as a placeholder.
func numbers(v *rollout.Verdict) map[string]any {
	data := map[string]any{
		"window_seconds": v.Until.Sub(v.Since).Seconds(),
		"error_increase": v.ErrorIncrease,
		"error_p":        v.ErrorP,
		"latency_ratio":  v.LatencyRatio,
		"latency_p":      v.LatencyP,
	}
	for name, side := range map[string]rollout.Side{"canary": v.Canary, "stable": v.Stable} {
		data[name+"_requests"] = side.Requests
		data[name+"_errors"] = side.Errors
		data[name+"_unanswered"] = side.Unanswered
		data[name+"_error_rate"] = side.ErrorRate
		data[name+"_latency_seconds"] = side.LatencySeconds
	}
	return data
}
