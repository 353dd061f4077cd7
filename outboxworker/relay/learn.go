package relay

// learn.go holds what the relay takes from the results of a batch about the receiver, and
// which message it tries to find out whether the receiver is well again.

import (
	"slices"
	"time"

	"github.com/weirproxy/weir/governance/circuit"
	"github.com/weirproxy/weir/outboxworker/sink"
)

// turnStep is which part of PollMax a lane waits for each lane whose turn it is to be tried
// before.
const turnStep = 4

// learn takes from the results whether the receiver wants a pause, is away or fails, and
// tells the breaker. A worker that gave up by itself, to keep its lane or because it is
// told to stop, learns nothing from not having got an answer.
func (r *Relay) learn(call *circuit.Call, gaveUp bool, f finding, batch ...sent) progress {
	var p progress
	for _, b := range batch {
		throttled, unreachable := pause(b.results)
		if throttled > 0 {
			r.throttle(throttled)
			p.sleep = max(p.sleep, throttled)
		}
		if unreachable != nil && gaveUp {
			call.End(circuit.Neutral, 0)
			return p
		}
		if unreachable != nil {
			call.End(circuit.Failure, 0)
			r.opened()
			r.away("the receiver cannot be reached; messages stay where they are", unreachable, batch)
			return progress{sleep: r.settings.PollMax}
		}
	}
	switch {
	case f.opens:
		call.End(circuit.Failure, 0)
		r.opened()
		r.away("the receiver fails at one message after another; they stay where they are", f.err, batch)
		return progress{sleep: r.settings.PollMax}
	case f.answered || f.alone:
		call.End(circuit.Success, 0)
		r.back()
	default:
		call.End(circuit.Neutral, 0)
	}
	return p
}

// opened has the lanes take turns once the breaker, which opened, lets one be tried.
func (r *Relay) opened() {
	_, open := r.outage.State()
	r.suspicion.opened(time.Now(), open)
}

// turn is for how long a lane is to wait until it may be tried whether the receiver is well
// again.
func (r *Relay) turn(l *lane) time.Duration {
	if state, _ := r.outage.State(); state == circuit.Closed {
		return 0
	}
	return r.suspicion.turn(l.number, time.Now(), r.settings.PollMax/turnStep)
}

// probe leaves one message to send, to find out whether the receiver is well again. It is
// the first of its key. Delayed ones join the pending all the same, and may then be the one.
// If there is none to send, what was read is settled as always: it asks nobody.
func (r *read) probe(s *suspicion) {
	r.probing = true
	seen := make(map[string]bool)
	isFirst := func(m *sink.Message) bool {
		first := !m.HasKey || !seen[m.Key]
		seen[m.Key] = seen[m.Key] || m.HasKey
		return first
	}
	var placesOf [2][]int
	var idsOf [2][]int64
	add := func(which, place int, m *sink.Message) {
		placesOf[which] = append(placesOf[which], place)
		idsOf[which] = append(idsOf[which], m.Position)
	}
	for i := range r.waiting {
		if w := &r.waiting[i]; w.state != "delayed" && isFirst(&w.message) {
			add(0, i, &w.message)
		}
	}
	for i := range r.pending {
		if p := &r.pending[i]; !p.waits && !p.delayed && isFirst(&p.message) {
			add(1, i, &p.message)
		}
	}
	delayed := slices.DeleteFunc(slices.Clone(r.waiting), func(w waiting) bool { return w.state != "delayed" })
	switch at, isPending := s.choose(idsOf[0], idsOf[1]); {
	case at < 0:
		r.probing = false
	case isPending:
		place := placesOf[1][at]
		r.waiting, r.pending = delayed, r.pending[place:place+1]
	default:
		place := placesOf[0][at]
		r.waiting, r.pending = append(delayed, r.waiting[place]), nil
	}
}

// without returns results as they are to be judged: of a message that is spared, the
// attempt has not been.
func (f *finding) without(b sent) []sink.Result {
	if len(f.spared) == 0 {
		return b.results
	}
	results := slices.Clone(b.results)
	for i := range b.messages {
		if f.spared[b.messages[i].Position] {
			results[i] = sink.Result{}
		}
	}
	return results
}
