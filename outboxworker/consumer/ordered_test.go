package consumer

import (
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/weirproxy/weir/internal/testserver"
)

func ordered() Options {
	o := quick()
	o.Ordered, o.Retries, o.Lease = true, 1000, 2*time.Second
	return o
}

// laneOf is the lane of a key, or of a message without one.
func laneOf(key string) string {
	h := fnv.New32()
	_, _ = h.Write([]byte(key))
	return LaneStreams(events)[h.Sum32()%Lanes]
}

// post appends message n of a key to its lane.
func post(t testing.TB, client redis.UniversalClient, key string, n int) string {
	t.Helper()
	return appended(t, client, laneOf(key), "id", key+"/"+strconv.Itoa(n), "topic", "orders", "key", key,
		"payload", "secret", "created_at", "2026-01-02T03:04:05Z")
}

// sequences records which messages of a key were done, and whether two were at once.
type sequences struct {
	mu     sync.Mutex
	done   map[string][]int
	busy   map[string]bool
	broken []string
}

func newSequences() *sequences {
	return &sequences{done: make(map[string][]int), busy: make(map[string]bool)}
}

// handler calls handle for each message and records those for which that is nil.
func (s *sequences) handler(handle func(m *Message) error) Handler {
	return func(_ context.Context, m *Message) error {
		s.mu.Lock()
		if s.busy[m.Key] && m.HasKey {
			s.broken = append(s.broken, m.ID+" begins while another of its key is handled")
		}
		s.busy[m.Key] = true
		s.mu.Unlock()
		err := handle(m)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.busy[m.Key] = false
		if err == nil {
			_, text, _ := strings.Cut(m.ID, "/")
			n, _ := strconv.Atoi(text)
			s.done[m.Key] = append(s.done[m.Key], n)
		}
		return err
	}
}

func (s *sequences) of(key string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return fmt.Sprint(s.done[key])
}

// upTo is what of says of a key whose messages are all done.
func upTo(n int) string {
	var all []int
	for i := range n {
		all = append(all, i+1)
	}
	return fmt.Sprint(all)
}

// assertEmpty waits until nothing is left in the lanes.
func assertEmpty(t testing.TB, client redis.UniversalClient) {
	t.Helper()
	for _, name := range LaneStreams(events) {
		allSettled(t, client, name)
		lane := streamOf(t, name)
		for _, key := range []string{lane.due, lane.leased, lane.entries, lane.state, lane.parked} {
			eventually(t, key+" is empty", func() bool {
				n, err := client.Exists(context.Background(), key).Result()
				return err == nil && n == 0
			})
		}
	}
}

func TestOrderedKeepsTheOrderOfKeys(t *testing.T) {
	t.Parallel()
	client := connect(t, testserver.Redis(t))
	s := newSequences()
	const keys, each = 24, 25
	for n := range each / 2 {
		for k := range keys {
			post(t, client, fmt.Sprint("k", k), n+1)
		}
	}
	o := ordered()
	o.Batch = 7
	c := run(t, client, s.handler(func(*Message) error {
		if rand.IntN(5) == 0 {
			return errRefused
		}
		return nil
	}), o)
	for n := each / 2; n < each; n++ {
		for k := range keys {
			post(t, client, fmt.Sprint("k", k), n+1)
		}
	}
	for k := range keys {
		key := fmt.Sprint("k", k)
		eventually(t, key+" is done", func() bool { return len(s.of(key)) >= len(upTo(each)) })
		if got := s.of(key); got != upTo(each) {
			t.Errorf("key %s: %s", key, got)
		}
	}
	assertEmpty(t, client)
	c.stop()
	if len(s.broken) > 0 {
		t.Error(s.broken)
	}
	noSecrets(t, c.logs)
}

// A message that fails holds up its key, and no other; nor do those without a key.
func TestOrderedParksAKey(t *testing.T) {
	t.Parallel()
	client := connect(t, testserver.Redis(t))
	s := newSequences()
	var mu sync.Mutex
	broken := true
	o := ordered()
	run(t, client, s.handler(func(m *Message) error {
		mu.Lock()
		defer mu.Unlock()
		if broken && m.Key == "a" && m.ID == "a/2" {
			return errRefused
		}
		return nil
	}), o)
	for n := range 5 {
		post(t, client, "a", n+1)
	}
	eventually(t, "the first is done", func() bool { return s.of("a") == "[1]" })
	lane := streamOf(t, laneOf("a"))
	eventually(t, "four wait", func() bool {
		n, err := client.ZCard(t.Context(), lane.parked).Result()
		return err == nil && n == 4
	})
	if pending, err := client.XPending(t.Context(), lane.name, group).Result(); err != nil || pending.Count != 0 {
		t.Errorf("pending %v, error %v", pending, err)
	}
	// What comes later is parked too, and another key of the lane goes through.
	post(t, client, "a", 6)
	other := "b"
	for i := 0; laneOf(other) != lane.name; i++ {
		other = fmt.Sprint("b", i)
	}
	post(t, client, other, 1)
	appended(t, client, lane.name, "id", "x/1", "topic", "orders", "payload", "p")
	eventually(t, "others are done", func() bool { return s.of(other) == "[1]" && s.of("") == "[1]" })
	eventually(t, "five wait", func() bool {
		n, err := client.ZCard(t.Context(), lane.parked).Result()
		return err == nil && n == 5
	})
	mu.Lock()
	broken = false
	mu.Unlock()
	eventually(t, "all are done", func() bool { return s.of("a") == upTo(6) })
	assertEmpty(t, client)
}

// The death of a message lets its followers go on.
func TestOrderedDeadLetters(t *testing.T) {
	t.Parallel()
	client := connect(t, testserver.Redis(t))
	s := newSequences()
	var mu sync.Mutex
	repaired := false
	o := ordered()
	o.Retries = 2
	run(t, client, s.handler(func(m *Message) error {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case m.ID == "a/2" && !repaired:
			return errRefused
		case m.ID == "a/4" && !repaired:
			return Fatal(errRefused)
		}
		return nil
	}), o)
	for n := range 6 {
		post(t, client, "a", n+1)
	}
	appended(t, client, laneOf("a"), "id", "a/7", "key", "a") // malformed
	post(t, client, "a", 8)
	eventually(t, "the others are done", func() bool { return s.of("a") == "[1 3 5 6 8]" })
	assertEmpty(t, client)
	dead := deadOf(t, client, laneOf("a"))
	var got []string
	for _, d := range listed(t, dead, Filter{}) {
		got = append(got, fmt.Sprint(d.Message.ID, " ", d.Class, " ", d.Attempts))
	}
	if want := []string{"a/2 failed 3", "a/4 fatal 1", "a/7 malformed 1"}; !slices.Equal(got, want) {
		t.Errorf("dead letters %q, want %q", got, want)
	}
	// A replay is handled in the lane, and its dead letter goes with it.
	mu.Lock()
	repaired = true
	mu.Unlock()
	changed, err := dead.Replay(t.Context(), Filter{Class: "failed"}, Change{Actor: "test"})
	if err != nil || changed.Changed != 1 {
		t.Fatalf("replaying: %+v, %v", changed, err)
	}
	eventually(t, "the replay is done", func() bool { return s.of("a") == "[1 3 5 6 8 2]" })
	assertEmpty(t, client)
	if left := listed(t, dead, Filter{}); len(left) != 2 {
		t.Errorf("%d dead letters are left", len(left))
	}
}

// A replay comes before what waits of its key, and dies again without a second letter.
func TestOrderedReplayDiesAgain(t *testing.T) {
	t.Parallel()
	client := connect(t, testserver.Redis(t))
	s := newSequences()
	o := ordered()
	o.Retries = 0
	run(t, client, s.handler(func(m *Message) error {
		if m.ID == "a/1" {
			return errRefused
		}
		return nil
	}), o)
	post(t, client, "a", 1)
	post(t, client, "a", 2)
	eventually(t, "the follower is done", func() bool { return s.of("a") == "[2]" })
	dead := deadOf(t, client, laneOf("a"))
	if changed, err := dead.Replay(t.Context(), Filter{}, Change{}); err != nil || changed.Changed != 1 {
		t.Fatalf("replaying: %+v, %v", changed, err)
	}
	eventually(t, "it is dead again", func() bool {
		found := listed(t, dead, Filter{})
		return len(found) == 1 && found[0].Replays == 1 && !found[0].Replaying && found[0].Attempts == 2
	})
	assertEmpty(t, client)
}
