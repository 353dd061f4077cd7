package retryqueue

// claim.go holds the claiming of what is due.

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"go.uber.org/zap"
)

// Claim is an id that is due and leased to whoever claimed it. It is not a right to
// deliver: who does that holds the lane's lock and reads the row.
type Claim struct {
	ID int64
	// Late is for how long it had been due, by the server's clock; for one whose lease
	// ended, since then.
	Late time.Duration
	// ends is when the lease ends in µs, and the token of its owner.
	ends int64
}

// Claimed is the answer to a claim.
type Claimed struct {
	Claims []Claim
	// Sleep is how long there is nothing more to claim, unless something is
	// scheduled: 0 when there is something now, 5s at most. Wait sleeps for it.
	Sleep time.Duration
	// Expired is how many leases were found to have ended without Done or Return.
	Expired int
	// Foreign is how many members were set aside that are not ids.
	Foreign int

	hint <-chan struct{}
}

// Claim leases ids that are due, those first that are due for longest: limit of them at
// most, from 1 to 500. A lease, from 1ms to MaxLease, should be longer than what is
// done with a claim ever takes: when it ends, the id is due again. Leases of others that
// have ended are given back first.
//
// The error is ErrNotWhole when the queue must be rebuilt. After any other, wait before
// the next call: there is nothing to Wait for.
func (q *Queue) Claim(ctx context.Context, limit int, lease time.Duration) (Claimed, error) {
	if limit < 1 || limit > MaxCall {
		return Claimed{}, fmt.Errorf("claiming timers: the limit is %d, it must be from 1 to %d", limit, MaxCall)
	}
	if lease < time.Millisecond || lease > MaxLease {
		return Claimed{}, fmt.Errorf("claiming timers: the lease is %s, it must be from 1ms to %s", lease, MaxLease)
	}
	hint := q.hint.next() // before the look: what is published during it counts
	answer, err := q.run(ctx, claimScript, []string{q.due, q.leased, q.epoch, q.aside},
		[]any{limit, lease.Microseconds(), MaxLease.Microseconds(), longestSleep.Microseconds()})
	if err != nil {
		return Claimed{}, fmt.Errorf("claiming timers: %w", err)
	}
	values, err := answer.Slice()
	if err != nil {
		return Claimed{}, fmt.Errorf("claiming timers: %w", err)
	}
	if len(values) == 1 {
		return Claimed{}, ErrNotWhole
	}
	claimed, err := readClaimed(values)
	if err != nil {
		return Claimed{}, fmt.Errorf("claiming timers: %w", err)
	}
	if claimed.Foreign > 0 {
		q.logger.Warn("members of the retry queue that are no ids were set aside",
			zap.String("key", q.aside), zap.Int("members", claimed.Foreign))
	}
	claimed.hint = hint
	return claimed, nil
}

var errAnswer = errors.New("the script's answer is not what was expected")

// readClaimed reads the answer of claim-4.lua to a queue that is whole.
func readClaimed(values []any) (Claimed, error) {
	const head = 5
	if len(values) < head || (len(values)-head)%2 != 0 {
		return Claimed{}, errAnswer
	}
	var numbers [head]int64
	for i := range numbers {
		number, ok := values[i].(int64)
		if !ok {
			return Claimed{}, errAnswer
		}
		numbers[i] = number
	}
	claimed := Claimed{
		Sleep:   time.Duration(numbers[1]) * time.Microsecond,
		Expired: int(numbers[2]),
		Foreign: int(numbers[3]),
		Claims:  make([]Claim, 0, (len(values)-head)/2),
	}
	for i := head; i < len(values); i += 2 {
		text, isText := values[i].(string)
		late, isNumber := values[i+1].(int64)
		id, err := strconv.ParseInt(text, 10, 64)
		if !isText || !isNumber || err != nil {
			return Claimed{}, errAnswer
		}
		claimed.Claims = append(claimed.Claims, Claim{ID: id, Late: duration(late), ends: numbers[4]})
	}
	return claimed, nil
}

// duration is a number of milliseconds, which foreign scores make as large as they like.
func duration(ms int64) time.Duration {
	const most = int64(1<<63-1) / int64(time.Millisecond)
	return time.Duration(max(-most, min(ms, most))) * time.Millisecond
}
