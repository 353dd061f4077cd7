package openapi

// report.go tells operators of violations: counts, the ring, the log, and the access log.

import (
	"context"
	"sync"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/weirproxy/weir/governance/contract/schema"
)

// logsPerSecond caps the lines about violations; how many were left out is told with the next one.
const logsPerSecond = 10

// finding is a request or a response that breaks the contract.
type finding struct {
	op         *operation
	generation uint64
	direction  direction
	report     *schema.Report
	logged     *logged
	traceID    string
	refused    bool
}

// tell has everybody know who is to know.
func (h *Handler) tell(f finding) {
	if f.logged != nil {
		f.logged.violations += f.report.Total
	}
	for i := range f.report.Violations {
		f.op.counts.violated(f.direction, f.report.Violations[i].Code)
	}
	now := time.Now()
	list := redacted(f.report, violation{
		Time: now, Operation: f.op.name, Generation: f.generation, Direction: f.direction.String(), TraceID: f.traceID,
	})
	h.live.ring.add(list)
	if f.refused && f.direction == request {
		return // the client was told, and the access log has it
	}
	h.log(now, f, list)
}

func (h *Handler) log(now time.Time, f finding, list []violation) {
	logger := h.logger.Check(zap.WarnLevel, f.direction.String()+" does not keep the contract")
	if logger == nil {
		return
	}
	ok, omitted := h.live.logs.allow(now)
	if !ok {
		return
	}
	fields := []zap.Field{
		zap.String("contract", h.Name), zap.String("operation", f.op.name), zap.Uint64("generation", f.generation),
		zap.Bool("refused", f.refused), zap.String("trace_id", f.traceID), zap.Int("total", f.report.Total),
		zap.Objects("violations", list),
	}
	if omitted > 0 {
		fields = append(fields, zap.Int("omitted", omitted))
	}
	logger.Write(fields...)
}

// MarshalLogObject implements zapcore.ObjectMarshaler: what differs between the violations of one line.
func (v violation) MarshalLogObject(enc zapcore.ObjectEncoder) error {
	enc.AddString("in", v.In)
	for _, field := range []struct{ key, value string }{{"name", v.Name}, {"pointer", v.Pointer}} {
		if field.value != "" {
			enc.AddString(field.key, field.value)
		}
	}
	enc.AddString("code", v.Code)
	if v.Detail != "" {
		enc.AddString("detail", v.Detail)
	}
	return nil
}

// limiter lets some lines a second pass.
type limiter struct {
	mu      sync.Mutex
	second  int64
	passed  int
	omitted int
}

// allow reports whether a line may be written, and how many were not since the last one that was.
func (l *limiter) allow(now time.Time) (ok bool, omitted int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if second := now.Unix(); second != l.second {
		l.second, l.passed = second, 0
	}
	if l.passed >= logsPerSecond {
		l.omitted++
		return false, 0
	}
	l.passed++
	omitted, l.omitted = l.omitted, 0
	return true, omitted
}

// logged are the fields of the access log, which is written when the request is over.
type logged struct {
	operation  string
	generation uint64
	violations int
}

// MarshalLogObject implements zapcore.ObjectMarshaler.
func (l *logged) MarshalLogObject(enc zapcore.ObjectEncoder) error {
	enc.AddString("openapi_operation", l.operation)
	enc.AddUint64("openapi_generation", l.generation)
	enc.AddInt("openapi_violations", l.violations)
	return nil
}

// addToAccessLog adds the fields to the request's entry, on servers that log; on others it returns nil.
func addToAccessLog(ctx context.Context, operation string, generation uint64) *logged {
	server, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if !ok || server == nil || server.Logs == nil {
		return nil
	}
	extra, ok := ctx.Value(caddyhttp.ExtraLogFieldsCtxKey).(*caddyhttp.ExtraLogFields)
	if !ok {
		return nil
	}
	l := &logged{operation: operation, generation: generation}
	extra.Add(zap.Inline(l))
	return l
}

// Interface guards
var (
	_ zapcore.ObjectMarshaler = violation{}
	_ zapcore.ObjectMarshaler = (*logged)(nil)
)
