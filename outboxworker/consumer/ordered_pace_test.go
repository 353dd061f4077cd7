package consumer

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirproxy/weir/internal/testserver"
)

// What waited behind a message follows it at once, however much that is.
func TestOrderedFollowersFollowAtOnce(t *testing.T) {
	t.Parallel()
	client := connect(t, testserver.Redis(t))
	s := newSequences()
	var fails atomic.Bool
	fails.Store(true)
	run(t, client, s.handler(func(m *Message) error {
		if m.ID == "a/1" && fails.Load() {
			return After(errRefused, 100*time.Millisecond)
		}
		return nil
	}), ordered())
	const count = 400
	for n := range count {
		post(t, client, "a", n+1)
	}
	lane := streamOf(t, laneOf("a"))
	eventually(t, "all wait", func() bool { return client.ZCard(t.Context(), lane.parked).Val() == count })
	fails.Store(false)
	began := time.Now()
	eventually(t, "all are done", func() bool { return s.of("a") == upTo(count) })
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("%d that waited took %s", count, took)
	}
}

// A message that failed is tried again when it is due, also in a lane at rest.
func TestOrderedRetriesInTime(t *testing.T) {
	client := connect(t, testserver.Redis(t))
	const wait = 100 * time.Millisecond
	tries := make(chan time.Time, 100)
	run(t, client, func(_ context.Context, m *Message) error {
		tries <- time.Now()
		if m.Attempt == 1 {
			return After(errRefused, wait)
		}
		return nil
	}, ordered())
	var late []time.Duration
	for n := range 5 {
		post(t, client, "a", n+1)
		failed := <-tries
		late = append(late, (<-tries).Sub(failed)-wait)
	}
	slices.Sort(late)
	if late[len(late)/2] > 600*time.Millisecond {
		t.Errorf("retries were late by %s", late)
	}
}

// A replay of a message leaves those behind it that failed their time.
func TestOrderedReplayLeavesOthersTheirTime(t *testing.T) {
	t.Parallel()
	client := connect(t, testserver.Redis(t))
	s := newSequences()
	var tries atomic.Int64
	run(t, client, s.handler(func(m *Message) error {
		switch {
		case m.ID == "a/1" && m.Replays == 0:
			return Fatal(errRefused)
		case m.ID == "a/2":
			tries.Add(1)
			return After(errRefused, time.Hour)
		}
		return nil
	}), ordered())
	post(t, client, "a", 1)
	second := post(t, client, "a", 2)
	lane := streamOf(t, laneOf("a"))
	eventually(t, "one waits", func() bool { return client.ZCard(t.Context(), lane.due).Val() == 1 })
	dead := deadOf(t, client, lane.name)
	eventually(t, "one is dead", func() bool { return len(listed(t, dead, Filter{})) == 1 })
	if changed, err := dead.Replay(t.Context(), Filter{}, Change{}); err != nil || changed.Changed != 1 {
		t.Fatal(changed, err)
	}
	eventually(t, "the replay is done", func() bool { return len(listed(t, dead, Filter{})) == 0 })
	eventually(t, "the other waits alone", func() bool { return client.ZCard(t.Context(), lane.parked).Val() == 1 })
	due := client.ZScore(t.Context(), lane.due, second).Val()
	if in := time.Until(time.UnixMilli(int64(due))); tries.Load() != 1 || in < 50*time.Minute {
		t.Errorf("it was tried %d times, and is due in %s", tries.Load(), in)
	}
}

// Where much waits, it is looked through in parts, beside the work.
func TestOrderedMendsInParts(t *testing.T) {
	t.Parallel()
	client := connect(t, testserver.Redis(t))
	held := owned(t, client, laneOf("a"))
	pipe := client.Pipeline()
	const keys = 500
	for n := range keys {
		name := fmt.Sprint(n+1, "-1")
		pipe.HSet(t.Context(), held.lane.entries, name, "")
		pipe.ZAdd(t.Context(), held.lane.parked, zOf(memberOf(fmt.Sprint("k", n), name)))
	}
	if _, err := pipe.Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
	var counts []int64
	for range 3 {
		if err := held.mend(); err != nil {
			t.Fatal(err)
		}
		counts = append(counts, client.ZCard(t.Context(), held.lane.due).Val())
	}
	if want := []int64{200, 400, 500}; !slices.Equal(counts, want) || held.mended != "0" {
		t.Errorf("due after each part: %d, then at %s", counts, held.mended)
	}
}

// At rest a consumer asks for little, also one that has many lanes or none.
func TestOrderedAtRest(t *testing.T) {
	t.Parallel()
	server := testserver.Redis(t)
	client := connect(t, server)
	o := ordered()
	o.Lease = 30 * time.Second
	o.Streams = []string{"a", "b"}
	run(t, connect(t, server), func(context.Context, *Message) error { return nil }, o)
	calls := func() (n int64) {
		for line := range strings.Lines(client.Info(t.Context(), "commandstats").Val()) {
			var calls int64
			if _, rest, ok := strings.Cut(line, "cmdstat_evalsha:calls="); ok {
				_, _ = fmt.Sscanf(rest, "%d", &calls)
			}
			n += calls
		}
		return n
	}
	eventually(t, "all lanes are owned", func() bool {
		return len(client.Keys(t.Context(), "consumer:*:owner").Val()) == 2*Lanes
	})
	first, began := calls(), time.Now()
	eventually(t, "3 seconds are over", func() bool { return time.Since(began) > 3*time.Second })
	if rate := float64(calls()-first) / time.Since(began).Seconds(); rate > 80 {
		t.Errorf("%.0f scripts a second", rate)
	}
}

// Large messages are not read ahead without end.
func TestQueuesOfLargeJobs(t *testing.T) {
	q := newQueues()
	for n := range 3 {
		j := jobOf(fmt.Sprintf("a/%d-0", n+1))
		j.fields["payload"] = strings.Repeat("x", enoughBytes/2)
		q.add(j)
	}
	if q.room(64) != 0 {
		t.Error("there is room for more")
	}
	first := q.ready()
	q.begin(first)
	q.end(first)
	second := q.ready()
	q.begin(second)
	q.end(second)
	if q.room(64) == 0 {
		t.Error("there is no room")
	}
	q.followers(second)
	if q.bytes != 0 {
		t.Errorf("%d bytes are left", q.bytes)
	}
}
