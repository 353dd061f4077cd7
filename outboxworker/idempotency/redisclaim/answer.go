package redisclaim

// answer.go holds what an error of Redis means.

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/weirproxy/weir/outboxworker/idempotency"
)

// away are the codes with which a Redis says that it does not work now. Lacking rights
// are not among them: they do not pass, and FailOpen must not hide them.
var away = []string{
	"LOADING", "MASTERDOWN", "READONLY", "CLUSTERDOWN", "TRYAGAIN", "NOREPLICAS", "MISCONF", "BUSY", "OOM",
}

// mayPass tells whether a message is let through in spite of an error.
func (s *Store) mayPass(ctx context.Context, err error) bool {
	return s.settings.FailOpen && ctx.Err() == nil && isAway(err)
}

// isAway tells that Redis did not answer, or cannot work at present.
func isAway(err error) bool {
	if errors.Is(err, idempotency.ErrForeign) || errors.Is(err, errAnswer) || errors.Is(err, redis.ErrClosed) {
		return false
	}
	var answer redis.Error
	if !errors.As(err, &answer) {
		return true
	}
	for _, code := range away {
		// Around an error within a script, servers before version 7 put words of
		// their own.
		if strings.HasPrefix(answer.Error(), code+" ") || strings.Contains(answer.Error(), "-"+code+" ") {
			return true
		}
	}
	return false
}

// failed is the error of a call.
func failed(ctx context.Context, what string, err error) error {
	var answer redis.Error
	switch {
	case errors.Is(err, idempotency.ErrForeign):
		return fmt.Errorf("%s: %w", what, err)
	case errors.As(err, &answer) && strings.Contains(answer.Error(), "WRONGTYPE "):
		return fmt.Errorf("%s: %w: %w", what, idempotency.ErrForeign, err)
	case ctx.Err() != nil:
		return fmt.Errorf("%s: %w", what, err)
	}
	return fmt.Errorf("%s: %w: %w", what, idempotency.ErrUnavailable, err)
}
