package relay

// suspicion.go tells a message at which the receiver fails from a receiver that fails. An
// answer such as 500 may mean either. So:
//
//   - Messages that failed count, and wait for their next attempt, as refused ones do.
//     When so many different ones as Settings.BreakerMessages failed in a row, with no
//     other answer between, it is the receiver: the breaker opens.
//   - While it is open, one message at a time is tried, and one that fails then stays
//     where it is and has spent no attempt. Each time it is another message, of
//     another lane, as long as there is one: a few that always fail, or that nobody ever
//     answers, keep no other from being tried, and any other answer closes the breaker.
//   - A message that fails once more though less than BreakerMessages others did, and
//     that was tried because there is no other, is not evidence against the receiver.
//     The breaker closes, so that this message dies by its schedule.
//
// With Settings.BreakerGiveUpAfter there is a fourth: a message that was tried in vain for so
// long spends attempts again. Three that always fail, with nothing else to send, look like a
// receiver that is broken for ever; since only one message at a time is tried, and each time
// another one, of many that wait for such a receiver few die.
//
// A message that fails for the last time and dies remains among those in a row: of a
// receiver that fails for long, and gets messages of one key only, two die and no more.

import (
	"sync"
	"time"

	"github.com/weirproxy/weir/outboxworker/sink"
)

// maxSuspects bounds the messages that are remembered.
const maxSuspects = 1000

// suspicion is shared by the workers of a relay.
type suspicion struct {
	limit int
	// giveUp is Settings.BreakerGiveUpAfter.
	giveUp time.Duration

	mu sync.Mutex
	// failed are the messages in a row.
	failed map[int64]trials
	// tried are messages that were tried while the breaker was open, whatever came of it.
	tried map[int64]trials
	// probed is which time lanes were tried last, of those that were tried while the
	// breaker was open or that opened it: times are counted.
	probed [lanes]uint64
	times  uint64
	// chosen counts what was tried.
	chosen uint64
	// answers counts batches of which some message had another answer.
	answers uint64
	// until is when the breaker lets the next one be tried.
	until time.Time
}

// trials are when a message failed, or was tried, first, and which time it did last.
type trials struct {
	first time.Time
	last  uint64
}

func newSuspicion(limit int, giveUp time.Duration) *suspicion {
	return &suspicion{limit: limit, giveUp: giveUp, failed: make(map[int64]trials), tried: make(map[int64]trials)}
}

// sent is messages and their results.
type sent struct {
	messages []sink.Message
	results  []sink.Result
}

// finding is what the failed messages of a batch mean.
type finding struct {
	// answered tells that there was another answer, and opens that there was none
	// and the breaker is to open, or to stay open; away tells that nobody answered a
	// message.
	answered, opens, away bool
	// alone tells that it is one message which fails again and again, and no other.
	alone bool
	// err is the error of the last one.
	err error
	// spared are those that have spent no attempt.
	spared map[int64]bool
}

// begin returns what weigh needs to know of the time when a batch was sent.
func (s *suspicion) begin() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.answers
}

// weigh notes what a batch of a lane came to. began is from begin.
func (s *suspicion) weigh(lane int16, probing bool, began uint64, batch ...sent) finding {
	run, f := failedInARow(batch)
	s.mu.Lock()
	defer s.mu.Unlock()
	meanwhile := s.answers != began // what another worker's batch came to lies between
	if f.answered {
		s.answers++
	}
	if f.answered || meanwhile {
		clear(s.failed)
		clear(s.tried)
		clear(s.probed[:])
	}
	switch {
	case len(run) == 0:
	case probing:
		s.weighProbe(&f, run)
	case !meanwhile:
		s.weighRun(&f, run)
	}
	if f.opens || f.away {
		s.times++
		s.probed[lane] = s.times
	}
	return f
}

// failedInARow returns the messages that failed after the last one with another answer.
func failedInARow(batch []sent) (run []int64, f finding) {
	for _, b := range batch {
		for i := range b.results {
			switch b.results[i].Outcome {
			case sink.NotSent:
			case sink.Unreachable:
				f.away = true
			case sink.Failed:
				run = append(run, b.messages[i].Position)
				f.err = b.results[i].Err
			default:
				f.answered = true
				run = run[:0]
			}
		}
	}
	return run, f
}

// weighRun counts messages that failed while the breaker was closed. Those after the one
// that opens it were sent in vain.
func (s *suspicion) weighRun(f *finding, run []int64) {
	for _, id := range run {
		if len(s.failed) >= s.limit {
			f.spare(id)
		}
		s.note(s.failed, id)
	}
	f.opens = len(s.failed) >= s.limit
}

// weighProbe judges what was tried while the breaker was open.
func (s *suspicion) weighProbe(f *finding, run []int64) {
	for _, id := range run {
		before, again := s.failed[id]
		f.alone = again && len(s.failed) < s.limit
		if !again || s.giveUp == 0 || time.Since(before.first) < s.giveUp {
			f.spare(id)
		}
		s.note(s.failed, id)
	}
	f.opens = !f.alone
}

func (f *finding) spare(id int64) {
	if f.spared == nil {
		f.spared = make(map[int64]bool)
	}
	f.spared[id] = true
}

// note remembers a message; when there are too many, it forgets the one that was noted
// longest ago.
func (s *suspicion) note(messages map[int64]trials, id int64) {
	s.times++
	t, again := messages[id]
	if !again {
		t.first = time.Now()
	}
	t.last = s.times
	messages[id] = t
	if len(messages) <= maxSuspects {
		return
	}
	oldest := id
	for other, t := range messages {
		if t.last < messages[oldest].last {
			oldest = other
		}
	}
	delete(messages, oldest)
}

// opened notes for how long the breaker is open.
func (s *suspicion) opened(now time.Time, open time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.until = now.Add(open)
}

// turn is for how long a lane is to wait now that one may be tried: those that were tried
// longer ago, or not yet, have their turn first, a step each.
func (s *suspicion) turn(lane int16, now time.Time, step time.Duration) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	rank := time.Duration(0)
	for _, at := range s.probed {
		if at != 0 && at <= s.probed[lane] {
			rank++
		}
	}
	return max(0, s.until.Add(rank*step).Sub(now))
}

// choose returns which of some messages to try, by their ids: one that has not been tried
// in vain, or else was longest ago. Of those that waited and those that are pending it takes
// turns. It returns -1 if there are none.
func (s *suspicion) choose(waiting, pending []int64) (at int, isPending bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.chosen++
	w, waited := s.longestAgo(waiting)
	p, pended := s.longestAgo(pending)
	switch {
	case w < 0 || p < 0:
		isPending = p >= 0
	case waited != pended:
		isPending = pended < waited
	default:
		isPending = s.chosen%2 == 1
	}
	switch {
	case isPending:
		at = p
		s.note(s.tried, pending[p])
	case w >= 0:
		at = w
		s.note(s.tried, waiting[w])
	default:
		at = -1
	}
	return at, isPending
}

func (s *suspicion) longestAgo(ids []int64) (at int, when uint64) {
	at = -1
	for i, id := range ids {
		last := max(s.failed[id].last, s.tried[id].last)
		if last == 0 {
			return i, 0
		}
		if at < 0 || last < when {
			at, when = i, last
		}
	}
	return at, when
}
