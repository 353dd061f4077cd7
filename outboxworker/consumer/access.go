package consumer

// access.go holds how an operator reaches what belongs to a stream and a group.

import (
	"context"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"
)

// access is a stream and a group, as an operator sees them.
type access struct {
	client redis.UniversalClient
	stream *stream
}

func newAccess(client redis.UniversalClient, streamName, group string) (access, error) {
	s, err := newStream(streamName, group, zap.NewNop())
	return access{client, s}, err
}

// SetLogger sets where is told of keys that are of a wrong type and have been renamed.
// Default: nowhere.
func (a *access) SetLogger(logger *zap.Logger) {
	a.stream.logger = logger.With(zap.String("group", a.stream.group), zap.String("stream", a.stream.name))
}

// call calls a script.
func (a *access) call(ctx context.Context, script *redis.Script, keys []string, args ...any) ([]any, error) {
	return call(ctx, a.client, a.stream.logger, a.stream, script, keys, args...)
}
