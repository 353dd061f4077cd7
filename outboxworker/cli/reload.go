package cli

// reload.go puts another configuration in force while the worker runs.

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/weirproxy/weir/outboxworker/config"
)

// reload reads the configuration again and applies it. One that cannot be used is
// logged, and nothing changes.
func (w *worker) reload(ctx context.Context, file string) {
	w.logger.Info("reloading the configuration")
	next, err := config.Load(file, w.process.Environ)
	if err == nil {
		err = w.services.check(next)
	}
	if err == nil {
		// The address is the one thing that can only be tried.
		err = w.server.Listen(next.HTTP.Address)
	}
	if err != nil {
		w.reloads.failed()
		w.logger.Error("the configuration was not reloaded; the one before stays in force", problems(err)...)
		return
	}
	if next.Log.Format != w.format {
		w.logger.Warn("log.format changed; it takes effect when the worker is restarted")
	}
	w.level.SetLevel(next.Log.ZapLevel())
	// Until all are exchanged, old ones may need the longer of both times.
	w.stopsWithin(func(before time.Duration) time.Duration { return max(before, w.services.stopTimeout(next)) })
	if err := w.services.apply(ctx, next); err != nil {
		w.reloads.failed()
		w.logger.Warn("the reload was broken off", zap.Error(err))
		return
	}
	w.stopsWithin(func(time.Duration) time.Duration { return w.services.stopTimeout(next) })
	w.reloads.succeeded(time.Now())
	w.logger.Info("reloaded the configuration")
}

// problems returns the fields of a log line about a configuration that is wrong.
func problems(err error) []zap.Field {
	if invalid := (*config.InvalidError)(nil); errors.As(err, &invalid) {
		return []zap.Field{zap.String("file", invalid.File), zap.Stringers("problems", invalid.Problems)}
	}
	return []zap.Field{zap.Error(err)}
}
