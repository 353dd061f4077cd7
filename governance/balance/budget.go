package balance

// budget.go holds the budget for retries.

import (
	"sync"
	"sync/atomic"
	"time"
)

// The budget follows Finagle's RetryBudget: a share of first attempts, and a
// reserve so that a service with little traffic can retry at all. What the reserve
// gains in a second is what a pool at one request a second needs; Finagle's ten
// would be as much again as the share at fifty requests a second.
const (
	budgetToken   = 1000              // one retry
	budgetReserve = 100 * budgetToken // the most that is saved up
	budgetRefill  = 1 * budgetToken   // a second, whatever the traffic
	refillEvery   = 10 * time.Millisecond
)

type budget struct {
	tokens atomic.Int64
	mu     sync.Mutex
	filled time.Time
}

// deposit counts a first attempt.
func (b *budget) deposit(share float64) {
	if b.tokens.Load() < budgetReserve {
		b.tokens.Add(int64(share * budgetToken))
	}
}

// withdraw takes a retry from the budget, if there is one.
func (b *budget) withdraw(now time.Time) bool {
	b.refill(now)
	if b.tokens.Add(-budgetToken) >= 0 {
		return true
	}
	b.tokens.Add(budgetToken)
	return false
}

func (b *budget) refill(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	elapsed := now.Sub(b.filled)
	if elapsed < refillEvery {
		return
	}
	earned := min(int64(elapsed.Seconds()*budgetRefill), budgetReserve)
	if missing := budgetReserve - b.tokens.Load(); missing > 0 && !b.filled.IsZero() {
		b.tokens.Add(min(earned, missing))
	}
	b.filled = now
}
