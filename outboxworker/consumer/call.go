package consumer

// call.go holds the calls of scripts, and what errors of Redis mean.

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"
)

var errAnswer = errors.New("the script's answer is not what was expected")

// call calls a script. If a key of the stream's is of the wrong type, all such are set
// aside, and it is called once more.
func call(ctx context.Context, client redis.UniversalClient, logger *zap.Logger, s *stream, script *redis.Script, keys []string, args ...any) ([]any, error) {
	answer := script.Run(ctx, client, keys, args...)
	if isCode(answer.Err(), "WRONGTYPE") {
		renamed, err := setAside(ctx, client, logger, s)
		if err != nil {
			return nil, err
		}
		if renamed {
			answer = script.Run(ctx, client, keys, args...)
		}
	}
	if answer.Err() != nil {
		return nil, clean(answer.Err())
	}
	if values, ok := answer.Val().([]any); ok {
		return values, nil
	}
	return []any{answer.Val()}, nil
}

// number calls a script whose answer is a number.
func number(ctx context.Context, client redis.UniversalClient, logger *zap.Logger, s *stream, script *redis.Script, keys []string, args ...any) (int64, error) {
	values, err := call(ctx, client, logger, s, script, keys, args...)
	if err != nil {
		return 0, err
	}
	if n, ok := values[0].(int64); ok && len(values) == 1 {
		return n, nil
	}
	return 0, errAnswer
}

// setAside renames keys that are of the wrong type, and says so.
func setAside(ctx context.Context, client redis.UniversalClient, logger *zap.Logger, s *stream) (some bool, err error) {
	for _, key := range []struct{ name, want string }{
		{s.due, "zset"}, {s.leased, "zset"}, {s.aside, "zset"}, {s.entries, "hash"}, {s.state, "hash"},
		{s.replaying, "hash"}, {s.owner, "hash"}, {s.parked, "zset"}, {s.dead, "stream"}, {s.audit, "stream"},
	} {
		to := s.base + "wrong:" + rand.Text()
		renamed, err := setAsideScript.Run(ctx, client, []string{key.name, to}, key.want).Bool()
		if err != nil {
			return some, fmt.Errorf("setting aside the key %s: %w", key.name, clean(err))
		}
		if renamed {
			some = true
			logger.Error("a key of the consumers was of the wrong type and has been renamed",
				zap.String("key", key.name), zap.String("renamed_to", to))
		}
	}
	return some, nil
}

// isCode tells whether Redis answered with an error of that code, in a script or not.
func isCode(err error, code string) bool {
	var answer redis.Error
	if !errors.As(err, &answer) {
		return false
	}
	text := answer.Error()
	return strings.HasPrefix(text, code+" ") || strings.Contains(text, ": -"+code+" ") || strings.HasPrefix(text, "-"+code+" ")
}

// isMissing tells that a stream or its group is not there. The reader makes them again.
func isMissing(err error) bool {
	return isCode(err, "NOGROUP") || err != nil && strings.HasPrefix(err.Error(), "ERR no such key")
}

// clean takes away the arguments that servers repeat in an error.
func clean(err error) error {
	var answer redis.Error
	if errors.As(err, &answer) {
		if text, _, found := strings.Cut(answer.Error(), ", with args beginning with:"); found {
			return cleaned(text)
		}
	}
	return err
}

// cleaned is an error of Redis without arguments.
type cleaned string

func (c cleaned) Error() string { return string(c) }

// RedisError makes it a redis.Error.
func (c cleaned) RedisError() {}

// trouble tells of something that goes wrong again and again, once in a while, and how
// long to wait for the next try.
type trouble struct {
	logger *zap.Logger
	what   string

	mu     sync.Mutex
	since  time.Time
	told   time.Time
	failed int
}

const (
	shortestWait = 50 * time.Millisecond
	longestWait  = 5 * time.Second
	tellEvery    = 30 * time.Second
)

// failure notes an error and returns how long to wait.
func (t *trouble) failure(err error) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	if t.since.IsZero() {
		t.since = now
	}
	if now.Sub(t.told) >= tellEvery {
		t.told = now
		t.logger.Error("a consumer cannot go on at present: "+t.what, zap.Error(err))
	}
	wait := min(longestWait, shortestWait<<min(t.failed, 10))
	t.failed++
	return wait
}

func (t *trouble) success() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.since.IsZero() {
		return
	}
	t.logger.Info("a consumer goes on: "+t.what, zap.Duration("after", time.Since(t.since)))
	t.since, t.told, t.failed = time.Time{}, time.Time{}, 0
}

// sleep waits, or until ctx is done.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
