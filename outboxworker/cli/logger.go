package cli

// logger.go makes the log.

import (
	"context"
	"fmt"
	"io"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// newLogger returns a log with times in RFC 3339 and durations as text.
func newLogger(to io.Writer, format string, level zap.AtomicLevel) *zap.Logger {
	settings := zap.NewProductionEncoderConfig()
	settings.EncodeTime = zapcore.RFC3339NanoTimeEncoder
	settings.EncodeDuration = zapcore.StringDurationEncoder
	encoder := zapcore.NewJSONEncoder(settings)
	if format == "console" {
		settings.EncodeLevel = zapcore.CapitalLevelEncoder
		encoder = zapcore.NewConsoleEncoder(settings)
	}
	return zap.New(zapcore.NewCore(encoder, zapcore.Lock(zapcore.AddSync(to)), level))
}

// Commands that do not log tell what went wrong by themselves.
func init() { redis.SetLogger(clientLog{zap.NewNop()}) }

// clientLog takes what the Redis client would write to standard error by itself. What
// matters of it the relay logs too.
type clientLog struct{ logger *zap.Logger }

// Printf implements the client's logger.
func (l clientLog) Printf(_ context.Context, format string, v ...any) {
	if entry := l.logger.Check(zap.DebugLevel, "redis client"); entry != nil {
		entry.Write(zap.String("text", fmt.Sprintf(format, v...)))
	}
}
