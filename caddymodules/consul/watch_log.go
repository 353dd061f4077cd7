package consul

// watch_log.go has what outlives a configuration write to the log of the one that runs:
// where an old configuration's went to may be closed.

import (
	"context"
	"log/slog"
	"sync/atomic"
)

// logTarget is where lines go at the moment.
type logTarget struct{ now atomic.Pointer[slog.Logger] }

func (t *logTarget) set(log *slog.Logger) { t.now.Store(log) }

// handler returns one that writes to wherever lines go at the moment.
func (t *logTarget) handler() slog.Handler {
	return following{t, func(h slog.Handler) slog.Handler { return h }}
}

// following is a slog.Handler.
type following struct {
	target *logTarget
	derive func(slog.Handler) slog.Handler // adds the attributes and groups
}

func (f following) next() slog.Handler {
	log := f.target.now.Load()
	if log == nil {
		return slog.DiscardHandler
	}
	return f.derive(log.Handler())
}

func (f following) Enabled(ctx context.Context, level slog.Level) bool {
	return f.next().Enabled(ctx, level)
}

func (f following) Handle(ctx context.Context, r slog.Record) error { return f.next().Handle(ctx, r) }

func (f following) WithAttrs(attrs []slog.Attr) slog.Handler {
	return following{f.target, func(h slog.Handler) slog.Handler { return f.derive(h).WithAttrs(attrs) }}
}

func (f following) WithGroup(name string) slog.Handler {
	return following{f.target, func(h slog.Handler) slog.Handler { return f.derive(h).WithGroup(name) }}
}
