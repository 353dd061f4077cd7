package retryqueue

// epoch.go holds how a queue that has lost its timers becomes whole again.

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"
)

// unfinished is in front of an epoch while its timers are being added.
const unfinished = "~"

// Rebuild adds the timers of everything that waits in PostgreSQL, unless the queue is
// whole. page returns the rows in portions, from the first one on, and none at the end;
// MaxCall of them make one call. It returns how many were added.
//
// The epoch is set first, unless another has, whose epoch is then also ours: all who find
// the queue lost add all rows, so that nobody waits for one who dies. It becomes valid
// when one of them is done. If it is gone by then, Redis has lost everything again, and
// the error is ErrNotWhole. With an error of page or of Redis the queue stays as it is,
// not whole, for whoever calls Rebuild next.
//
// A queue that was restored from an old copy is whole by its epoch; what it lacks comes
// with the sweep.
func (q *Queue) Rebuild(ctx context.Context, page func(context.Context) ([]Timer, error)) (added int, err error) {
	epoch, whole, err := q.adopt(ctx)
	if err != nil || whole {
		return 0, err
	}
	for {
		rows, err := page(ctx)
		if err != nil {
			return added, fmt.Errorf("rebuilding the retry queue: reading what waits: %w", err)
		}
		if len(rows) == 0 {
			break
		}
		n, err := q.Reconcile(ctx, rows...)
		added += n
		if err != nil {
			return added, fmt.Errorf("rebuilding the retry queue: %w", err)
		}
	}
	answer, err := q.run(ctx, finishScript, []string{q.epoch}, []any{epoch})
	if err != nil {
		return added, fmt.Errorf("rebuilding the retry queue: %w", err)
	}
	if finished, err := answer.Bool(); err != nil || !finished {
		return added, errors.Join(ErrNotWhole, err)
	}
	return added, nil
}

// adopt returns the epoch, which it sets if there is none.
func (q *Queue) adopt(ctx context.Context) (epoch string, whole bool, err error) {
	err = q.client.SetNX(ctx, q.epoch, unfinished+rand.Text(), 0).Err()
	if err == nil {
		epoch, err = q.client.Get(ctx, q.epoch).Result()
	}
	switch {
	case errors.Is(err, redis.Nil): // gone between the two
		return "", false, ErrNotWhole
	case isWrongType(err):
		if err := q.setAside(ctx); err != nil {
			return "", false, err
		}
		return "", false, ErrNotWhole
	case err != nil:
		return "", false, fmt.Errorf("setting the epoch of the retry queue: %w", clean(err))
	}
	epoch, isUnfinished := strings.CutPrefix(epoch, unfinished)
	return epoch, !isUnfinished, nil
}
