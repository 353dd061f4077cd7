package relay

// fate.go decides what becomes of the messages of a batch, from the outcomes that the
// sink tells.

import (
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/weirproxy/weir/outboxworker/sink"
)

const (
	// maxRetryAfter is the longest wait that a receiver may ask for.
	maxRetryAfter = time.Hour

	parked  = -1 // waits that are not times; see defer.sql
	delayed = -2
)

// deferrals are messages that are to wait, in the form that defer.sql takes.
type deferrals struct {
	places   []pgtype.TID
	ids      []int64
	states   []string
	attempts []int32
	errors   []*string
	waits    []int64 // milliseconds
	classes  []string
}

func (d *deferrals) add(p *pending, state string, attempts int, wait int64, text *string, class string) {
	d.places = append(d.places, p.place)
	d.ids = append(d.ids, p.message.Position)
	d.states = append(d.states, state)
	d.attempts = append(d.attempts, int32(attempts))
	d.errors = append(d.errors, text)
	d.waits = append(d.waits, wait)
	d.classes = append(d.classes, class)
}

// burials are messages that are dead, in the form that bury.sql takes.
type burials struct {
	places   []pgtype.TID
	ids      []int64
	reasons  []string
	attempts []int32
	errors   []*string
	classes  []string
	prints   []string // fingerprints
}

func (b *burials) add(place pgtype.TID, id int64, reason string, attempts int, text *string, class string) {
	b.places = append(b.places, place)
	b.ids = append(b.ids, id)
	b.reasons = append(b.reasons, reason)
	b.attempts = append(b.attempts, int32(attempts))
	b.errors = append(b.errors, text)
	b.classes = append(b.classes, class)
	b.prints = append(b.prints, printOf(class, text))
}

// removals are messages that were delivered.
type removals struct {
	places []pgtype.TID
	ids    []int64
}

// fate is what becomes of the messages of a look.
type fate struct {
	delivered removals
	deferred  deferrals
	dead      burials
	left      int64 // the first that stays, or 0
}

func (f *fate) changes() bool {
	return len(f.delivered.ids)+len(f.deferred.ids)+len(f.dead.ids) > 0
}

// judge decides about the messages of a look. results are those of the messages that
// were to be sent, in their order.
func (s *Settings) judge(messages []pending, results []sink.Result) fate {
	var f fate
	behind := make(map[string]bool) // keys of which one waits since this batch
	next := 0
	for i := range messages {
		p := &messages[i]
		if p.delayed {
			f.deferred.add(p, "delayed", 0, delayed, nil, "")
			continue
		}
		if p.waits {
			f.deferred.add(p, "parked", 0, parked, nil, "")
			continue
		}
		result := &results[next]
		next++
		switch result.Outcome {
		case sink.Delivered:
			f.delivered.places = append(f.delivered.places, p.place)
			f.delivered.ids = append(f.delivered.ids, p.message.Position)
		case sink.Refused, sink.Failed, sink.Fatal:
			s.refuse(&f, p, result, behind)
		default:
			if p.message.HasKey && behind[p.message.Key] {
				f.deferred.add(p, "parked", 0, parked, nil, "")
			} else if f.left == 0 {
				f.left = p.message.Position
			}
		}
	}
	return f
}

// refuse decides about a message that the receiver did not take.
func (s *Settings) refuse(f *fate, p *pending, result *sink.Result, behind map[string]bool) {
	text, class := storable(result.Err), classOf(result)
	reason, wait := s.verdict(result, p.message.Attempt)
	if reason == "" {
		f.deferred.add(p, "retry", p.message.Attempt, wait, text, class)
	} else {
		f.dead.add(p.place, p.message.Position, reason, p.message.Attempt, text, class)
	}
	if p.message.HasKey && (reason == "" || s.OnDead == Hold) {
		behind[p.message.Key] = true
	}
}

// verdict says why a message that was not taken for the attempt-th time is dead, or, with
// an empty reason, how many milliseconds it waits: by the schedule, and as long as the
// receiver asks.
func (s *Settings) verdict(result *sink.Result, attempt int) (reason string, wait int64) {
	switch {
	case result.Outcome == sink.Fatal:
		return "fatal", 0
	case attempt > s.Retries:
		return "exhausted", 0
	default:
		return "", max(s.Retry.Wait(attempt-1), min(result.RetryAfter, maxRetryAfter)).Milliseconds()
	}
}

// waitingFate is what becomes of messages that waited.
type waitingFate struct {
	delivered []int64
	resumed   []int64
	retried   struct {
		ids      []int64
		attempts []int32
		errors   []*string
		waits    []int64
		classes  []string
	}
	dead burials
	keys []string // whose next message is to be tried
}

func (f *waitingFate) changes() bool {
	return len(f.delivered)+len(f.resumed)+len(f.retried.ids)+len(f.dead.ids) > 0
}

// judgeWaiting decides about messages that waited. Delayed ones were not sent: they join
// the end of the pending ones.
func (s *Settings) judgeWaiting(messages []waiting, results []sink.Result) waitingFate {
	var f waitingFate
	next := 0
	for i := range messages {
		m := &messages[i].message
		if messages[i].state == "delayed" {
			f.resumed = append(f.resumed, m.Position)
			continue
		}
		result := &results[next]
		next++
		switch result.Outcome {
		case sink.Delivered:
			f.delivered = append(f.delivered, m.Position)
		case sink.Refused, sink.Failed, sink.Fatal:
			text, class := storable(result.Err), classOf(result)
			reason, wait := s.verdict(result, m.Attempt)
			if reason != "" {
				f.dead.add(pgtype.TID{}, m.Position, reason, m.Attempt, text, class)
				break
			}
			f.retried.ids = append(f.retried.ids, m.Position)
			f.retried.attempts = append(f.retried.attempts, int32(m.Attempt))
			f.retried.errors = append(f.retried.errors, text)
			f.retried.waits = append(f.retried.waits, wait)
			f.retried.classes = append(f.retried.classes, class)
		default:
			continue
		}
		if m.HasKey {
			f.keys = append(f.keys, m.Key)
		}
	}
	return f
}

// outcomes adds up results for a log line.
func outcomes(batch []sent) string {
	var counts [sink.Unreachable + 1]int
	for _, b := range batch {
		for i := range b.results {
			counts[b.results[i].Outcome]++
		}
	}
	var text []string
	for outcome, n := range counts {
		if n > 0 {
			text = append(text, fmt.Sprintf("%d %s", n, sink.Outcome(outcome)))
		}
	}
	return strings.Join(text, ", ")
}

// pause is how long the receiver wants to be left alone, of a batch's results; and
// whether nobody answered.
func pause(results []sink.Result) (throttled time.Duration, unreachable error) {
	for _, result := range results {
		switch result.Outcome {
		case sink.Throttled:
			throttled = max(throttled, result.RetryAfter, time.Second)
		case sink.Unreachable:
			unreachable = result.Err
		}
	}
	return throttled, unreachable
}

// messages is the number of pending messages that are removed or moved.
func (f *fate) messages() int { return len(f.delivered.ids) + len(f.deferred.ids) + len(f.dead.ids) }
