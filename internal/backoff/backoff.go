// Package backoff computes how long to wait before the next try.
package backoff

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

const (
	// maxList and maxWait bound a list: beyond them it is a mistake.
	maxList = 50
	maxWait = 30 * 24 * time.Hour
)

// Policy is truncated exponential backoff with equal jitter: before retry n, from
// 0 on, at least half of min(Cap, Base x 2^n), and that at most (Brooker,
// "Exponential Backoff And Jitter", AWS Architecture Blog, 2015). Half of the wait
// is certain, so a receiver that is overloaded gets its pause.
//
// Or it is a list.
type Policy struct {
	Base, Cap time.Duration
	// List, if it is not empty, has the waits before each retry, and Base and Cap have
	// no meaning. A wait is at least as long as listed, and up to a tenth longer, so that
	// many that began together do not stay together. Past its end the last one holds.
	List []time.Duration
}

// StandardWebhooks returns the waits that Standard Webhooks
// (https://www.standardwebhooks.com, "Deliverability and reliability") gives as an example,
// after a first attempt at once.
func StandardWebhooks() []time.Duration {
	return []time.Duration{
		5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour,
		10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour,
	}
}

// Validate tells what is wrong with the policy. A list has up to 50 waits, each above 0
// and of 30 days at most.
func (p Policy) Validate() error {
	switch {
	case len(p.List) > 0:
		return validateList(p.List)
	case p.Base <= 0:
		return fmt.Errorf("backoff: the base is %s, it must be above 0", p.Base)
	case p.Cap < p.Base:
		return errors.New("backoff: the cap is below the base")
	}
	return nil
}

func validateList(list []time.Duration) error {
	if len(list) > maxList {
		return fmt.Errorf("backoff: the list has %d waits, it may have %d", len(list), maxList)
	}
	for _, wait := range list {
		if wait <= 0 || wait > maxWait {
			return fmt.Errorf("backoff: %s is in the list, a wait must be above 0 and at most 720h", wait)
		}
	}
	return nil
}

// Longest is the longest wait before retry n.
func (p Policy) Longest(n int) time.Duration {
	if len(p.List) > 0 {
		listed := p.listed(n)
		return listed + listed/10
	}
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
	least := longest / 2
	if len(p.List) > 0 {
		least = p.listed(n)
	}
	return least + time.Duration(random(int64(longest-least)+1))
}

func (p Policy) listed(n int) time.Duration { return p.List[min(max(n, 0), len(p.List)-1)] }
