package relay

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirproxy/weir/outboxworker/sink"
)

// batchOf makes messages with results: D delivered, R refused, X fatal, T throttled,
// U unreachable, - not sent, and F failed. Ids begin at first.
func batchOf(first int64, results string) sent {
	var b sent
	for i, c := range results {
		outcome := map[rune]sink.Outcome{
			'D': sink.Delivered, 'R': sink.Refused, 'X': sink.Fatal, 'T': sink.Throttled,
			'U': sink.Unreachable, '-': sink.NotSent, 'F': sink.Failed,
		}[c]
		b.messages = append(b.messages, sink.Message{Position: first + int64(i)})
		b.results = append(b.results, sink.Result{Outcome: outcome, Err: errors.New("no")})
	}
	return b
}

func (f finding) String() string {
	text := ""
	for _, is := range []struct {
		what string
		is   bool
	}{{"answered", f.answered}, {"opens", f.opens}, {"alone", f.alone}} {
		if is.is {
			text += is.what + " "
		}
	}
	spared := make([]int64, 0, len(f.spared))
	for id := range f.spared {
		spared = append(spared, id)
	}
	slices.Sort(spared)
	return text + fmt.Sprint(spared)
}

func TestSuspicion(t *testing.T) {
	type step struct {
		batch sent
		probe bool
		want  string
	}
	closed := func(first int64, results, want string) step { return step{batchOf(first, results), false, want} }
	probe := func(first int64, results, want string) step { return step{batchOf(first, results), true, want} }
	for name, steps := range map[string][]step{
		"one message, again and again": {
			closed(1, "F", "[]"), closed(1, "F", "[]"), closed(1, "F", "[]"), closed(1, "F", "[]"),
		},
		"two, again and again": {
			closed(1, "FF", "[]"), closed(2, "F", "[]"), closed(1, "F", "[]"), closed(1, "FF", "[]"),
		},
		"three in a batch": {closed(1, "FFF", "opens []")},
		"three in three batches, with those that were not sent between": {
			closed(1, "F-", "[]"), closed(5, "-F", "[]"), closed(8, "F", "opens []"),
		},
		"any other answer begins anew": {
			closed(1, "FF", "[]"), closed(3, "D", "answered []"), closed(4, "FF", "[]"), closed(6, "RFF", "answered []"),
			closed(9, "XF", "answered []"), closed(11, "TF", "answered []"), closed(13, "F", "[]"), closed(14, "F", "opens []"),
		},
		"an answer after them in the batch": {closed(1, "FFFFFD", "answered []")},
		"a receiver that breaks during the batch": {
			closed(1, "DDDFFFFF", "answered opens [7 8]"),
		},
		"what was sent in vain counts nothing": {
			closed(1, "F", "[]"), closed(2, "FFFF", "opens [4 5]"),
		},
		"nobody answering is no answer": {
			closed(1, "FU", "[]"), closed(3, "FFU", "opens []"),
		},
		"while it is open": {
			closed(1, "FFF", "opens []"),
			probe(1, "F", "opens [1]"), probe(2, "F", "opens [2]"), probe(3, "F", "opens [3]"), probe(1, "F", "opens [1]"),
			probe(4, "D", "answered []"), closed(1, "FF", "[]"), closed(3, "F", "opens []"),
		},
		"one alone after nobody answered": {
			probe(1, "U", "[]"), probe(1, "F", "opens [1]"), probe(1, "F", "alone [1]"), closed(1, "F", "[]"),
		},
		"two alone after nobody answered": {
			probe(1, "F", "opens [1]"), probe(2, "F", "opens [2]"), probe(1, "F", "alone [1]"), closed(1, "FF", "[]"),
		},
		"a worker that was late": {
			closed(1, "FFF", "opens []"), closed(4, "FF", "opens [4 5]"), closed(1, "F", "opens [1]"),
		},
		"nothing sent": {closed(1, "---", "[]"), probe(1, "-", "[]")},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSuspicion(3, 0)
			for i, step := range steps {
				if got := s.weigh(0, step.probe, s.begin(), step.batch).String(); got != step.want {
					t.Fatalf("step %d: %s, want %s", i, got, step.want)
				}
			}
		})
	}
}

// What waited is sent before what is pending: they are one row.
func TestSuspicionSeesWhatWaitedFirst(t *testing.T) {
	if got := newSuspicion(3, 0).weigh(0, false, 0, batchOf(1, "FFF"), batchOf(7, "D")).String(); got != "answered []" {
		t.Errorf("three that fail again before one that is taken: %s", got)
	}
	if got := newSuspicion(3, 0).weigh(0, false, 0, batchOf(1, "D"), batchOf(7, "FFFF")).String(); got != "answered opens [10]" {
		t.Errorf("one that is taken before four that fail: %s", got)
	}
}

// A worker whose lane has nothing else must not take the receiver for broken while
// others have answers.
func TestAnotherWorkersAnswerLiesBetween(t *testing.T) {
	s := newSuspicion(3, 0)
	since := s.begin()
	s.weigh(1, false, s.begin(), batchOf(10, "D"))
	if got := s.weigh(0, false, since, batchOf(1, "FFF")).String(); got != "[]" {
		t.Errorf("three failed while another worker had an answer: %s", got)
	}
	if got := s.weigh(0, false, s.begin(), batchOf(1, "FFF")).String(); got != "opens []" {
		t.Errorf("three failed, and since then nobody had an answer: %s", got)
	}
}

// After so long in vain attempts of a message count again, and no sooner.
func TestGivingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSuspicion(3, time.Hour)
		probe := func(after time.Duration, id int64, result, want string) {
			t.Helper()
			time.Sleep(after)
			if got := s.weigh(0, true, s.begin(), batchOf(id, result)).String(); got != want {
				t.Errorf("message %d is %s, want %s", id, got, want)
			}
		}
		s.weigh(0, false, s.begin(), batchOf(1, "FFF"))
		probe(time.Hour-1, 1, "F", "opens [1]")
		probe(0, 4, "F", "opens [4]")
		probe(1, 1, "F", "opens []")
		probe(0, 2, "U", "[]")
		probe(0, 4, "F", "opens [4]")
		probe(time.Hour, 4, "F", "opens []")
		probe(0, 5, "F", "opens [5]")
		probe(0, 5, "D", "answered []")
		s.weigh(0, false, s.begin(), batchOf(1, "FFF"))
		probe(time.Hour-1, 1, "F", "opens [1]")
		probe(1, 1, "F", "opens []")
	})
}

func TestSpareTakesTheAttemptBack(t *testing.T) {
	f := finding{spared: map[int64]bool{2: true}}
	b := batchOf(1, "FFD")
	got := f.without(b)
	if got[0].Outcome != sink.Failed || got[1].Outcome != sink.NotSent || got[2].Outcome != sink.Delivered || b.results[1].Outcome != sink.Failed {
		t.Errorf("results are %v, of %v", got, b.results)
	}
}

func TestChoose(t *testing.T) {
	s := newSuspicion(3, 0)
	s.weigh(0, false, 0, batchOf(1, "FFF"))
	for _, test := range []struct {
		name             string
		waiting, pending []int64
		at               int
		isPending        bool
	}{
		{"none", nil, nil, -1, false},
		{"a new one of those that wait", []int64{1, 9, 8}, []int64{2}, 1, false},
		{"a new one that is pending", []int64{1, 2}, []int64{3, 7}, 1, true},
		{"the one that failed longest ago", []int64{3, 2}, []int64{1}, 0, true},
		{"the next one, as that was tried since", []int64{3, 2, 1}, nil, 1, false},
	} {
		if at, isPending := s.choose(test.waiting, test.pending); at != test.at || isPending != test.isPending {
			t.Errorf("%s: %d, pending %t", test.name, at, isPending)
		}
	}
	turns := ""
	for id := range int64(4) {
		_, isPending := s.choose([]int64{100}, []int64{101})
		turns += fmt.Sprint(isPending, " ")
		s.weigh(1, true, s.begin(), batchOf(50+id, "F"))
	}
	if turns != "false true false true " && turns != "true false true false " {
		t.Errorf("those that wait and those that are pending take no turns: %s", turns)
	}
}

func TestLanesTakeTurns(t *testing.T) {
	s := newSuspicion(3, 0)
	now := time.Unix(1000, 0)
	s.weigh(2, false, 0, batchOf(1, "FFF"))
	s.weigh(5, true, s.begin(), batchOf(4, "F"))
	s.opened(now, time.Second)
	at := now.Add(time.Second)
	for lane, want := range map[int16]time.Duration{0: 0, 2: 10, 5: 20} {
		if got := s.turn(lane, at, 10); got != want {
			t.Errorf("lane %d waits %d steps of 10, want %d", lane, got, want)
		}
	}
	s.weigh(2, true, s.begin(), batchOf(1, "F"))
	if s.turn(2, at, 10) != 20 || s.turn(5, at, 10) != 10 || s.turn(2, at.Add(20), 10) != 0 {
		t.Error("the lane that was tried last is not the last")
	}
	s.weigh(0, true, s.begin(), batchOf(9, "D"))
	if s.turn(2, at, 10) != 0 {
		t.Error("after an answer a lane still waits")
	}
	s.weigh(2, true, s.begin(), batchOf(1, "U"))
	if s.turn(2, at, 10) != 10 || s.turn(0, at, 10) != 0 {
		t.Error("a lane of which nobody answered a message does not wait for the others")
	}
}

// However many fail, what is remembered has a bound.
func TestSuspectsAreBounded(t *testing.T) {
	s := newSuspicion(3, 0)
	for id := range int64(3 * maxSuspects) {
		s.weigh(0, true, s.begin(), batchOf(id, "F"))
	}
	if len(s.failed) != maxSuspects || s.failed[3*maxSuspects-1].last == 0 || s.failed[0].last != 0 {
		t.Errorf("%d are remembered", len(s.failed))
	}
}

func TestProbesAreTheFirstOfTheirKeys(t *testing.T) {
	key := func(id int64, key string) sink.Message {
		return sink.Message{Position: id, Key: key, HasKey: key != ""}
	}
	all := func() *read {
		return &read{
			waiting: []waiting{{message: key(1, "a"), state: "retry"}, {message: key(2, "a"), state: "parked"},
				{message: key(3, ""), state: "delayed"}, {message: key(4, "b"), state: "retry"}},
			pending: []pending{{message: key(5, "c")}, {message: key(6, "c")}, {message: key(7, "a"), waits: true}, {message: key(8, ""), delayed: true}, {message: key(9, "")}},
		}
	}
	s := newSuspicion(3, 0)
	tried := make(map[int64]int)
	for range 8 {
		r := all()
		r.probe(s)
		if len(r.waiting)+len(r.pending) != 2 || r.waiting[0].state != "delayed" || !r.probing {
			t.Fatalf("a probe has %d and %d messages, not one and the delayed one", len(r.waiting), len(r.pending))
		}
		id := append(waitingMessages(r.waiting), pendingMessages(r.pending)...)[0].Position
		tried[id]++
		s.weigh(0, true, s.begin(), batchOf(id, "F"))
	}
	if want := "map[1:2 4:2 5:2 9:2]"; fmt.Sprint(tried) != want {
		t.Errorf("tried %v, want %s", tried, want)
	}
	r := &read{waiting: []waiting{{message: key(3, ""), state: "delayed"}}, pending: []pending{{message: key(7, "a"), waits: true}}}
	if r.probe(s); len(r.waiting) != 1 || len(r.pending) != 1 || r.probing {
		t.Error("what is not sent is not settled while nothing can be tried")
	}
}
