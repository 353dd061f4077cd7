package outbox

// evidence.go decides from the journals and the tables whether the outbox kept its
// promises.

import (
	"fmt"
	"maps"
	"slices"
)

// evidence is what is known when everything is at rest: producers have ended, faults
// are over, the longest backoff has passed and workers have stopped.
type evidence struct {
	committed []message
	arrived   []arrival // in the order in which the receiver got them
	// What the tables hold.
	pending, deferred []message
	dead              []dead

	// attempts is how often a message is tried before it is dead.
	attempts int
	// mayDie tells whether the test caused a death; nil means that it caused none.
	mayDie func(dead) bool
	// duplicates is the most that may have been accepted twice.
	duplicates int
}

// dead is a message in outbox.dead.
type dead struct {
	message
	reason    string
	attempts  int
	lastError string
}

// shown is how many problems of a kind are told.
const shown = 5

// problems says what is wrong, in sentences.
func (e *evidence) problems() []string {
	return slices.Concat(e.lost(), e.phantoms(), e.disorder(), e.misplaced(), e.deaths(), e.repeated())
}

// few shortens what is told of one kind.
func few(problems []string) []string {
	if len(problems) <= shown {
		return problems
	}
	return append(problems[:shown:shown], fmt.Sprintf("... and %d more like this", len(problems)-shown))
}

// lost are messages that were committed and are nowhere.
func (e *evidence) lost() (problems []string) {
	found := make(map[message]bool)
	for _, a := range e.arrived {
		found[a.message] = found[a.message] || a.accepted
	}
	for _, d := range e.dead {
		found[d.message] = true
	}
	for _, m := range e.committed {
		if !found[m] {
			problems = append(problems, fmt.Sprintf("message %s was committed and is lost: neither accepted by the receiver nor dead", m))
		}
	}
	return few(problems)
}

// phantoms are messages that nobody committed.
func (e *evidence) phantoms() (problems []string) {
	committed := make(map[message]bool)
	for _, m := range e.committed {
		committed[m] = true
	}
	for _, a := range e.arrived {
		if !committed[a.message] {
			problems = append(problems, fmt.Sprintf("message %s arrived and was never committed", a.message))
		}
	}
	for _, d := range e.dead {
		if !committed[d.message] {
			problems = append(problems, fmt.Sprintf("message %s is dead and was never committed", d.message))
		}
	}
	return few(problems)
}

// disorder is first deliveries of a key that are not in its order. Both count: what
// the receiver saw for the first time, and what it accepted for the first time.
func (e *evidence) disorder() (problems []string) {
	for _, what := range []string{"arrived", "accepted"} {
		seen := make(map[message]bool)
		last := make(map[string]int)
		for _, a := range e.arrived {
			if !a.ordered() || seen[a.message] || what == "accepted" && !a.accepted {
				continue
			}
			seen[a.message] = true
			if a.seq < last[a.key] {
				problems = append(problems, fmt.Sprintf("message %s was first %s after %d of its key", a.message, what, last[a.key]))
			}
			last[a.key] = max(last[a.key], a.seq)
		}
	}
	return few(problems)
}

// misplaced are messages that still are where nothing should be, or in two places.
func (e *evidence) misplaced() (problems []string) {
	places := make(map[message][]string)
	for _, m := range e.pending {
		places[m] = append(places[m], "pending")
	}
	for _, m := range e.deferred {
		places[m] = append(places[m], "deferred")
	}
	for _, d := range e.dead {
		places[d.message] = append(places[d.message], "dead")
	}
	for _, m := range slices.SortedFunc(maps.Keys(places), compare) {
		switch where := places[m]; {
		case len(where) > 1:
			problems = append(problems, fmt.Sprintf("message %s is in several places: %v", m, where))
		case where[0] != "dead":
			problems = append(problems, fmt.Sprintf("message %s is still %s", m, where[0]))
		}
	}
	return few(problems)
}

func compare(a, b message) int {
	if a.key != b.key {
		if a.key < b.key {
			return -1
		}
		return 1
	}
	return a.seq - b.seq
}

// deaths are dead messages that had no reason to die, or died too early.
func (e *evidence) deaths() (problems []string) {
	for _, d := range e.dead {
		switch {
		case e.mayDie == nil || !e.mayDie(d):
			problems = append(problems, fmt.Sprintf("message %s is dead (%s after %d attempts) and the test caused no such death: %.200q",
				d.message, d.reason, d.attempts, d.lastError))
		case d.reason == "exhausted" && d.attempts != e.attempts:
			problems = append(problems, fmt.Sprintf("message %s is dead after %d attempts, want %d", d.message, d.attempts, e.attempts))
		}
	}
	return few(problems)
}

// repeats is how often a message was accepted once more, or is dead though it was
// accepted.
func (e *evidence) repeats() int {
	accepted := make(map[message]bool)
	n := 0
	for _, a := range e.arrived {
		if a.accepted && accepted[a.message] {
			n++
		}
		accepted[a.message] = accepted[a.message] || a.accepted
	}
	for _, d := range e.dead {
		if accepted[d.message] {
			n++
		}
	}
	return n
}

func (e *evidence) repeated() []string {
	if n := e.repeats(); n > e.duplicates {
		return []string{fmt.Sprintf("%d messages were delivered once more, at most %d may be", n, e.duplicates)}
	}
	return nil
}
