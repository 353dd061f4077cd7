package config

// schedule.go holds a list of waits, which may be a word.

import (
	"fmt"
	"slices"
	"time"

	"github.com/weirproxy/weir/internal/backoff"
)

// standardWebhooks is the word for the waits that Standard Webhooks gives as an example.
const standardWebhooks = "standard_webhooks"

// Schedule is a list of waits: [5s, 5m, 30m], or the word standard_webhooks.
type Schedule []time.Duration

func (*Schedule) word() string { return standardWebhooks }

func (s *Schedule) setWord(text string) bool {
	if text == standardWebhooks {
		*s = backoff.StandardWebhooks()
	}
	return text == standardWebhooks
}

// schedule returns how refused messages are tried again, and how often.
func (r *Retry) schedule() (backoff.Policy, int) {
	if len(r.Schedule) > 0 {
		return backoff.Policy{List: slices.Clone(r.Schedule)}, len(r.Schedule)
	}
	return backoff.Policy{Base: r.Base, Cap: r.Cap}, r.Retries
}

// check checks the schedule, and that nothing says the same in another way. It tells
// whether the schedule is sound.
func (r *Retry) check(p *problems, key string) bool {
	if _, ok := p.origins[key+".schedule"]; !ok {
		return true
	}
	before := len(p.found)
	if len(r.Schedule) == 0 {
		p.at(key+".schedule", "it is empty; write waits, as [5s, 5m, 30m], or %s, or, for no retries, retries: 0 in place of it", standardWebhooks)
	}
	sound := true
	for i, wait := range r.Schedule {
		// Also one that could not be read, and is 0, is not sound. That is told already.
		if err := (backoff.Policy{List: []time.Duration{wait}}).Validate(); err != nil {
			p.at(fmt.Sprintf("%s.schedule[%d]", key, i), "%s is not above 0 and at most 720h", wait)
			sound = false
		}
	}
	for _, name := range []string{"base", "cap", "retries"} {
		if _, ok := p.origins[key+"."+name]; ok {
			p.at(key+"."+name, "schedule, beside it, says how long to wait and how often; remove one of them")
		}
	}
	return sound && len(p.found) == before
}
