package outbox

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// Where nothing may be delivered twice, a machine that stops for some seconds must not look
// as a fault: what was sent and not answered in time is sent again.
const (
	patience    = 5 * time.Second // of calls
	patientLane = 10 * time.Second
)

// Without faults nothing is delivered twice.
func TestWithoutFaultsEverythingArrivesOnce(t *testing.T) {
	t.Parallel()
	calm(t, 1000, settings{topics: 3, pace: time.Millisecond})
}

func TestSoakWithoutFaultsEverythingArrivesOnce(t *testing.T) {
	soak(t)
	calm(t, 12_000, settings{topics: 3, keys: 10_000, producers: 8, pace: time.Microsecond, batch: 2000})
}

// calm has four workers deliver to Redis while producers work.
func calm(t *testing.T, messages int, s settings) {
	to := newStreams(t, s.topics)
	to.timeout, s.laneTimeout = patience, patientLane
	y := newSystem(t, to, s)
	y.produce()
	y.start("", "", "", "")
	y.flow(messages)
	y.settle(time.Minute)
}

// doomed is a receiver that refuses some of the first messages of each key, for good or
// for a while. Only the first, as keys that many write would never catch up.
func doomed(m message, attempt int) int {
	switch {
	case m.seq > 40:
		return 0
	case m.seq%17 == 5:
		return 410 // dead at once
	case m.seq%29 == 7:
		return 409 // dead after all attempts; 500 at all keys at once would mean the receiver
	case m.seq%11 == 3 && attempt <= 2:
		return 500 // accepted at the third
	}
	return 0
}

// died tells whether a death is one that doomed causes.
func died(d dead) bool {
	fatal := d.reason == "fatal" && d.seq%17 == 5 && strings.Contains(d.lastError, "status 410")
	exhausted := d.reason == "exhausted" && d.seq%29 == 7 && strings.Contains(d.lastError, "status 409")
	return fatal || exhausted
}

// The k-th message of a key fails in the middle of a batch: for good, for a while, and
// until its attempts are spent. Its key waits, and only its key.
func TestAFailingMessageKeepsTheOrderOfItsKey(t *testing.T) {
	t.Parallel()
	failing(t, 40, 20, settings{keys: 20})
}

func TestSoakAFailingMessageKeepsTheOrderOfItsKey(t *testing.T) {
	soak(t)
	failing(t, 400, 100, settings{keys: 10_000, producers: 8})
}

// failing fills the outbox before workers start, so that batches hold many messages of
// a key, and more while they work.
func failing(t *testing.T, keys, perKey int, s settings) {
	r := newReceiver(t, patience)
	r.refuse = doomed
	s.retries, s.retryCap, s.laneTimeout = 3, 400*time.Millisecond, patientLane
	y := newSystem(t, r, s)
	y.mayDie = died
	var messages []message
	for seq := range perKey {
		for key := range keys {
			messages = append(messages, message{key: numbered("before", key), seq: seq + 1})
		}
	}
	for part := range slices.Chunk(messages, 1000) {
		y.producers.enqueueAll(part)
	}
	y.produce()
	y.start("", "", "", "")
	y.flow(keys * 20)
	e := y.settle(2 * time.Minute)
	reasons := make(map[string]int)
	for _, d := range e.dead {
		reasons[d.reason]++
	}
	if reasons["fatal"] < keys || perKey >= 7 && reasons["exhausted"] < keys {
		t.Errorf("dead messages by reason: %v, want %d of each at least", reasons, keys)
	}
}
