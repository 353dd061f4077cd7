package discovery

// pace.go decides which index to ask for, and when.

import (
	"math/rand/v2"
	"time"
)

const (
	burst     = 2 // questions in a row; then there is one in each perToken
	perToken  = time.Second
	mostRest  = 15 * time.Second
	leastBack = 500 * time.Millisecond
	mostBack  = 5 * time.Second // after which new instances may wait to be used, once Consul is back
)

// pace keeps the rules for blocking queries, of which each prevents a busy loop or a
// watch that waits for something that was long ago.
type pace struct {
	index    uint64 // to ask for; 0 asks for an answer at once
	tokens   float64
	at       time.Time // of tokens
	failures int       // in a row
	idle     int       // answers in a row that came at once and told nothing
}

func newPace(now time.Time) pace { return pace{tokens: burst, at: now} }

// answered notes an answer, and reports whether it may have something new.
func (p *pace) answered(index uint64, took, wait time.Duration) (changed bool) {
	asked := p.index
	p.failures = 0
	switch {
	case index == 0:
		p.index = 1 // 0 would never block
	case index < asked:
		p.index = 0 // Consul was restored, or began anew: what we wait for may never come
	default:
		p.index = index
	}
	switch {
	case asked == 0: // was to be answered at once
	case index > asked, took >= wait/2:
		p.idle = 0
	default:
		p.idle++
	}
	return asked == 0 || index != asked
}

// failed notes that there was no answer and returns how long to leave Consul alone:
// 0.5 s, doubling to 5 s, of which up to a half is taken off by chance so that many
// gateways do not come back at the same time.
func (p *pace) failed() time.Duration {
	// Consul may come back as another, whose index is lower: ask what there is
	p.index, p.idle = 0, 0
	back := min(leastBack<<min(p.failures, 16), mostBack)
	p.failures++
	return back/2 + rand.N(back/2+1)
}

// rest is how long to wait because of answers that came at once and told nothing. One
// happens; a server that makes a habit of it is asked less and less.
func (p *pace) rest() time.Duration {
	if p.idle < 2 {
		return 0
	}
	return min(time.Second<<min(p.idle-2, 16), mostRest)
}

// due takes a token for the next question and returns when it may be asked, after least.
func (p *pace) due(now time.Time, least time.Duration) time.Duration {
	p.tokens = min(burst, p.tokens+now.Sub(p.at).Seconds()/perToken.Seconds())
	p.at = now
	p.tokens--
	return max(least, time.Duration(-p.tokens*float64(perToken)))
}
