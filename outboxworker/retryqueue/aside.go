package retryqueue

// aside.go holds what becomes of keys of the wrong type.

import (
	"context"
	"crypto/rand"
	"fmt"

	"go.uber.org/zap"
)

// setAside renames the queue's keys that are of the wrong type, and says so. What was
// under such a name before is lost, so the queue is not whole any more.
func (q *Queue) setAside(ctx context.Context) error {
	for _, key := range []struct{ name, want string }{
		{q.due, "zset"}, {q.leased, "zset"}, {q.aside, "zset"}, {q.epoch, "string"},
	} {
		to := q.base + "wrong:" + rand.Text()
		renamed, err := setAsideScript.Run(ctx, q.client, []string{key.name, to, q.epoch}, key.want).Bool()
		if err != nil {
			return fmt.Errorf("setting aside the key %s: %w", key.name, clean(err))
		}
		if renamed {
			q.logger.Error("a key of the retry queue was of the wrong type and has been renamed; the queue will be rebuilt",
				zap.String("key", key.name), zap.String("renamed_to", to))
		}
	}
	return nil
}
