package outbox

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/weirproxy/weir/internal/testserver"
	"github.com/weirproxy/weir/outboxworker/localserver"
)

// privatePostgres is a server that a scenario may kill.
func privatePostgres(t *testing.T) *localserver.Postgres {
	t.Helper()
	return testserver.PrivatePostgres(t, nil)
}

// killPostgres kills the database under everybody and starts it again after a while.
func (y *system) killPostgres(down time.Duration) {
	y.t.Helper()
	if err := y.settings.postgres.Kill(); err != nil {
		y.t.Fatal(err)
	}
	y.fault(y.lanes())
	time.Sleep(down)
	if err := y.settings.postgres.Restart(context.Background()); err != nil {
		y.t.Fatal(err)
	}
}

// The database is killed while producers commit and workers deliver. What was
// committed is there afterwards, and ids may go back.
func TestAKilledDatabaseLosesNothing(t *testing.T) {
	t.Parallel()
	killedDatabase(t, 2, settings{})
}

func TestSoakAKilledDatabaseLosesNothing(t *testing.T) {
	soak(t)
	killedDatabase(t, 12, settings{keys: 10_000, producers: 8, pace: time.Millisecond, batch: 500})
}

func killedDatabase(t *testing.T, kills int, s settings) {
	s.postgres = privatePostgres(t)
	s.topics = 1
	y := newSystem(t, newStreams(t, 1), s)
	y.produce()
	y.start("", "")
	for range kills {
		y.flow(100)
		time.Sleep(rand.N(500 * time.Millisecond))
		y.killPostgres(rand.N(500 * time.Millisecond))
	}
	y.flow(200)
	y.settle(time.Minute)
}

// Connections of workers are cut twice a second while the receiver takes two seconds
// for each message: no worker ever learns in time what became of its batch.
func TestCutConnectionsAndASlowReceiverLoseNothing(t *testing.T) {
	t.Parallel()
	cutConnections(t, 8)
}

func TestSoakCutConnectionsAndASlowReceiverLoseNothing(t *testing.T) {
	soak(t)
	cutConnections(t, 120)
}

func cutConnections(t *testing.T, cuts int) {
	r := newReceiver(t, slowness+time.Second)
	y := newSystem(t, r, settings{laneTimeout: 6 * time.Second, pace: 50 * time.Millisecond})
	r.set(slow)
	y.produce()
	y.start("", "")
	y.flow(20)
	cut := 0
	for range cuts {
		time.Sleep(500 * time.Millisecond)
		n, err := y.database.terminate(cut%2 == 1)
		if err != nil {
			t.Fatal(err)
		}
		cut += n
		y.fault(n)
	}
	if cut < cuts {
		t.Errorf("%d connections were cut in %d times", cut, cuts)
	}
	y.flow(20)
	r.set(healthy)
	y.settle(time.Minute)
}

// Redis is killed while batches are appended. It comes back with what it answered for.
func TestAKilledRedisLosesNothing(t *testing.T) {
	t.Parallel()
	killedRedis(t, 3, settings{topics: 3})
}

func TestSoakAKilledRedisLosesNothing(t *testing.T) {
	soak(t)
	killedRedis(t, 20, settings{topics: 3, keys: 10_000, producers: 8, pace: time.Millisecond, batch: 500})
}

func killedRedis(t *testing.T, kills int, s settings) {
	to := newStreams(t, s.topics)
	y := newSystem(t, to, s)
	y.produce()
	y.start("", "")
	for range kills {
		y.flow(100)
		time.Sleep(rand.N(300 * time.Millisecond))
		y.fault(y.lanes())
		to.killAndRestart(rand.N(time.Second))
	}
	y.flow(200)
	e := y.settle(time.Minute)
	if len(e.dead) > 0 {
		t.Errorf("%d messages died of an outage", len(e.dead))
	}
}

// The receiver misbehaves in every way for a while, and is not there at all.
func TestAMisbehavingReceiverLosesNothing(t *testing.T) {
	t.Parallel()
	misbehaving(t, 1, settings{})
}

func TestSoakAMisbehavingReceiverLosesNothing(t *testing.T) {
	soak(t)
	misbehaving(t, 5, settings{keys: 10_000, producers: 8, pace: 5 * time.Millisecond})
}

func misbehaving(t *testing.T, rounds int, s settings) {
	r := newReceiver(t, 700*time.Millisecond)
	y := newSystem(t, r, s)
	y.produce()
	y.start("", "")
	for range rounds {
		for _, bad := range []mode{hanging, resetting, garbage, throttling, unavailable} {
			y.flow(30)
			r.set(bad)
			got := r.got.count()
			y.await("a message to arrive while the receiver is "+bad.String(), 20*time.Second, func() bool { return r.got.count() > got })
			time.Sleep(time.Second)
			r.set(healthy)
			y.recovers(r)
		}
		r.close()
		y.fault(y.lanes())
		time.Sleep(time.Second)
		r.open()
		y.recovers(r)
	}
	y.settle(time.Minute)
}

// recovers waits until the receiver has accepted what is committed by now, so that
// what one misbehaviour refuses does not die of the next.
func (y *system) recovers(r *receiver) {
	y.t.Helper()
	before := y.committed.messages()
	y.await("the receiver to get what was committed", 30*time.Second, func() bool { return len(missing(before, r.journal())) == 0 })
}

// Everything that can go wrong does, at random and at once: workers are killed and
// stopped, the database and its connections are killed, the receiver misbehaves.
func TestEverythingAtOnceLosesNothing(t *testing.T) {
	t.Parallel()
	everything(t, 12, settings{})
}

func TestSoakEverythingAtOnceLosesNothing(t *testing.T) {
	soak(t)
	everything(t, 150, settings{keys: 10_000, producers: 8, pace: 2 * time.Millisecond, batch: 500})
}

func everything(t *testing.T, faults int, s settings) {
	s.postgres = privatePostgres(t)
	s.retries = 30 // so that no message dies of faults that follow one another
	r := newReceiver(t, 700*time.Millisecond)
	y := newSystem(t, r, s)
	y.produce()
	y.start("", "", "", "")
	counted := make(map[string]int)
	for range faults {
		y.flow(20)
		counted[y.disturb(r)]++
		y.mend()
	}
	t.Logf("faults: %v", counted)
	for i := range y.workers {
		y.replace(i, "") // with the failpoints that nobody came by
	}
	y.settle(2 * time.Minute)
}

// mend starts workers in place of those that have died at their failpoints.
func (y *system) mend() {
	y.t.Helper()
	for i, w := range y.workers {
		if !w.runs() {
			y.replace(i, "")
		}
	}
}

// disturb does one thing at random and names it.
func (y *system) disturb(r *receiver) string {
	y.t.Helper()
	i := rand.IntN(len(y.workers))
	switch n := rand.IntN(20); {
	case n < 6:
		y.replace(i, "")
		return "kill"
	case n < 10:
		y.replace(i, numbered(failpoints[rand.IntN(len(failpoints))]+":", 1+rand.IntN(5)))
		return "failpoint"
	case n < 12:
		y.fault(y.settings.lanes)
		y.workers[i].freeze()
		time.Sleep(y.settings.laneTimeout + time.Second)
		y.workers[i].thaw()
		return "stop"
	case n < 13:
		y.killPostgres(rand.N(500 * time.Millisecond))
		return "database"
	case n < 16:
		cut, err := y.database.terminate(true)
		if err != nil {
			y.t.Fatal(err)
		}
		y.fault(cut)
		return "connections"
	default:
		bad := mode(2 + rand.IntN(5))
		r.set(bad)
		time.Sleep(rand.N(time.Second))
		r.set(healthy)
		return bad.String()
	}
}
