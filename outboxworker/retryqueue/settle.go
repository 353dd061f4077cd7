package retryqueue

// settle.go holds what becomes of claims.

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// Returned is a claim that is due again.
type Returned struct {
	Claim
	// In is how long from now, as in a Timer.
	In time.Duration
}

// Done ends the leases of ids that need no timer any more, because they were delivered
// or are dead or gone. Call it when that is committed. It returns how many leases had
// ended before: those ids were due again, and perhaps others have claimed them.
func (q *Queue) Done(ctx context.Context, claims ...Claim) (lost int, err error) {
	return settle(ctx, q, claims, func(c Claim) (Claim, string) { return c, "" })
}

// Return ends leases and sets timers in their place. Of those that had ended before, which
// it counts, nothing is changed.
func (q *Queue) Return(ctx context.Context, claims ...Returned) (lost int, err error) {
	return settle(ctx, q, claims, func(r Returned) (Claim, string) { return r.Claim, milliseconds(r.In) })
}

func settle[T any](ctx context.Context, q *Queue, all []T, what func(T) (c Claim, wait string)) (lost int, err error) {
	for some := range slices.Chunk(all, MaxCall) {
		args := append(make([]any, 0, 1+3*len(some)), q.wake)
		for _, one := range some {
			c, wait := what(one)
			args = append(args, strconv.FormatInt(c.ID, 10), c.ends, wait)
		}
		answer, err := q.run(ctx, settleScript, []string{q.due, q.leased}, args)
		if err != nil {
			return lost, fmt.Errorf("ending leases: %w", err)
		}
		held, err := answer.Int()
		if err != nil {
			return lost, fmt.Errorf("ending leases: %w", err)
		}
		lost += len(some) - held
	}
	return lost, nil
}

// Remove takes ids out of the queue, whether they are due, leased or not there: an
// operator has discarded them. Whoever had a lease has lost it. One whose lease ends just
// then may stay; its claimer finds no row.
func (q *Queue) Remove(ctx context.Context, ids ...int64) error {
	for some := range slices.Chunk(ids, MaxCall) {
		members := make([]any, len(some))
		for i, id := range some {
			members[i] = strconv.FormatInt(id, 10)
		}
		for _, key := range []string{q.due, q.leased} {
			err := q.client.ZRem(ctx, key, members...).Err()
			// A key of the wrong type has none of them, and the next claim sets it aside.
			if err != nil && !isWrongType(err) {
				return fmt.Errorf("removing timers: %w", clean(err))
			}
		}
	}
	return nil
}
