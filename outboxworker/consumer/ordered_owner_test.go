package consumer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/weirproxy/weir/internal/testserver"
)

// owned acquires a lane for a consumer that does not run.
func owned(t *testing.T, client redis.UniversalClient, name string) *tenure {
	t.Helper()
	o := ordered()
	o.Lease = time.Minute // which nobody extends
	c, err := New(client, group, func(context.Context, *Message) error { return nil }, o)
	if err != nil {
		t.Fatal(err)
	}
	c.hard = t.Context()
	for _, lane := range c.streams {
		if lane.name == name {
			held, err := c.acquire(t.Context(), lane)
			if err != nil {
				t.Fatal(err)
			}
			return held
		}
	}
	t.Fatalf("there is no lane %s", name)
	return nil
}

// Whoever is not the owner any more changes nothing.
func TestOrderedFencing(t *testing.T) {
	t.Parallel()
	client := connect(t, testserver.Redis(t))
	for n := range 3 {
		post(t, client, "a", n+1)
	}
	name := laneOf("a")
	before := owned(t, client, name)
	before.from = ""
	found, err := before.take(2)
	if err != nil || len(found.jobs) != 2 {
		t.Fatalf("%+v, %v", found, err)
	}
	if _, err := before.c.acquire(t.Context(), before.lane); !errors.Is(err, errOwned) {
		t.Errorf("a second owner: %v", err)
	}
	if err := client.Del(t.Context(), before.lane.owner).Err(); err != nil { // as if the lease ran out
		t.Fatal(err)
	}
	dump := func() string {
		var all []string
		for _, key := range append(before.lane.laneKeys(), before.lane.parked) {
			text, err := client.Dump(t.Context(), key).Result()
			if err != nil && !errors.Is(err, redis.Nil) {
				t.Fatal(err)
			}
			ttl := ""
			if key == before.lane.owner {
				ttl = client.HGet(t.Context(), key, "owner").Val()
			}
			all = append(all, text+ttl)
		}
		return strings.Join(all, "|")
	}
	attempts := func(when string) {
		unchanged := dump()
		_, taking := before.take(1)
		_, extending := before.callWithin(time.Minute, 1000)
		_, leaving := before.callWithin(time.Minute, "")
		for what, err := range map[string]error{
			"take": taking, "extend": extending, "leave": leaving, "mend": before.mend(),
			"settle": before.settle([]settled{{job: found.jobs[0], what: "done"}, {job: found.jobs[1], what: "dead"}}),
		} {
			if !errors.Is(err, ErrLost) {
				t.Errorf("%s: %s ends with %v", when, what, err)
			}
		}
		if dump() != unchanged {
			t.Errorf("%s: something has changed", when)
		}
	}
	attempts("without an owner")
	next := owned(t, client, name)
	attempts("with another owner")

	// The next one gets what was pending first, in order, then what is new.
	var got []string
	for range 3 {
		found, err := next.take(1)
		if err != nil {
			t.Fatal(err)
		}
		for _, j := range found.jobs {
			got = append(got, fmt.Sprint(j.message.ID, " ", j.delivered))
		}
	}
	found, err = next.take(5)
	if err != nil {
		t.Fatal(err)
	}
	for _, j := range found.jobs {
		got = append(got, fmt.Sprint(j.message.ID, " ", j.delivered))
	}
	if want := []string{"a/1 2", "a/2 2", "a/3 1"}; !slices.Equal(got, want) {
		t.Errorf("took %q, want %q", got, want)
	}
}

// A call that a client makes twice takes nothing the second time.
func TestOrderedTakesOnce(t *testing.T) {
	t.Parallel()
	client := connect(t, testserver.Redis(t))
	for n := range 3 {
		post(t, client, "a", n+1)
	}
	held := owned(t, client, laneOf("a"))
	held.from = ""
	if found, err := held.take(1); err != nil || len(found.jobs) != 1 {
		t.Fatalf("%+v, %v", found, err)
	}
	held.turn--
	if _, err := held.take(1); !errors.Is(err, errAnew) {
		t.Errorf("the same call again: %v", err)
	}
	if pending, err := client.XPending(t.Context(), held.lane.name, group).Result(); err != nil || pending.Count != 1 {
		t.Errorf("pending %v, error %v", pending, err)
	}
}

// A consumer that stops gives up its lanes at once, and those that are left share them.
func TestOrderedShares(t *testing.T) {
	t.Parallel()
	client := connect(t, testserver.Redis(t))
	o := ordered()
	o.Lease = 30 * time.Second
	owners := func() map[string]int {
		count := make(map[string]int)
		for _, name := range LaneStreams(events) {
			token, err := client.HGet(context.Background(), streamOf(t, name).owner, "owner").Result()
			if err != nil && !errors.Is(err, redis.Nil) {
				t.Fatal(err)
			}
			consumer, _, _ := strings.Cut(token, " ")
			count[consumer]++
		}
		return count
	}
	begin := func(name string) *running {
		o.Consumer = name
		return run(t, client, func(context.Context, *Message) error { return nil }, o)
	}
	shared := func(want string) time.Duration {
		began := time.Now()
		eventually(t, want, func() bool { return fmt.Sprint(owners()) == want })
		return time.Since(began)
	}
	a := begin("a")
	shared("map[a:8]")
	begin("b")
	shared("map[a:4 b:4]")
	c := begin("c")
	eventually(t, "nobody has more than three", func() bool {
		count := owners()
		return len(count) == 3 && count[""] == 0 && count["a"] <= 3 && count["b"] <= 3 && count["c"] <= 3
	})
	c.stop()
	shared("map[a:4 b:4]")
	a.stop()
	if took := shared("map[b:8]"); took > o.Lease/3 {
		t.Errorf("taking over what was given up took %s", took)
	}
}

func TestOrderedNames(t *testing.T) {
	for _, name := range []string{"a{b", "a}b", "{a}"} {
		o := ordered()
		o.Streams = []string{name}
		if _, err := New(redis.NewClient(&redis.Options{}), group, func(context.Context, *Message) error { return nil }, o); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
	if got := LaneStreams("s")[7]; got != "s:{7}" {
		t.Errorf("the last lane is %s", got)
	}
	lane, err := newStream("s:{7}", group, zap.NewNop())
	if err != nil || !strings.HasPrefix(lane.owner, "consumer:{7}:") {
		t.Errorf("the owner's key is %s, error %v", lane.owner, err)
	}
}
