// Package backoff computes how long to wait before the next try.
package backoff

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// Policy is truncated exponential backoff with equal jitter: before retry n, from
// 0 on, at least half of min(Cap, Base x 2^n), and that at most (Brooker,
// "Exponential Backoff And Jitter", AWS Architecture Blog, 2015). Half of the wait
// is certain, so a receiver that is overloaded gets its pause.
type Policy struct {
	Base, Cap time.Duration
}

// Validate tells what is wrong with the policy.
func (p Policy) Validate() error {
	if p.Base <= 0 {
		return fmt.Errorf("backoff: the base is %s, it must be above 0", p.Base)
	}
	if p.Cap < p.Base {
		return errors.New("backoff: the cap is below the base")
	}
	return nil
}

// Longest is the longest wait before retry n.
func (p Policy) Longest(n int) time.Duration {
	d := p.Base
	for range n {
		if d >= p.Cap/2 {
			return p.Cap
		}
		d *= 2
	}
	return min(d, p.Cap)
}

// Wait is the wait before retry n, from 0 on.
func (p Policy) Wait(n int) time.Duration {
	return p.wait(n, rand.Int64N)
}

func (p Policy) wait(n int, random func(int64) int64) time.Duration {
	longest := p.Longest(n)
	return longest/2 + time.Duration(random(int64(longest/2)+1))
}
