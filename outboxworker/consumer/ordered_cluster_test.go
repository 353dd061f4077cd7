package consumer

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/weirproxy/weir/internal/rediscluster"
	"github.com/weirproxy/weir/internal/testserver"
)

// laneScripts are those of lanes, by their files without the ending.
var laneScripts = map[string]struct {
	*redis.Script
	text string
}{
	"lane_acquire-10": {laneAcquireScript, laneAcquireText}, "lane_extend-10": {laneExtendScript, laneExtendText},
	"lane_take-10": {laneTakeScript, laneTakeText}, "lane_settle-10": {laneSettleScript, laneSettleText},
	"lane_mend-10": {laneMendScript, laneMendText}, "lane_beat-1": {laneBeatScript, laneBeatText},
}

// operatorScripts are those that take the keys of a lane and serve streams without lanes too.
var operatorScripts = map[string]struct {
	*redis.Script
	text string
}{
	"waiting_list-10": {waitingListScript, waitingListText}, "waiting_run-11": {waitingRunScript, waitingRunText},
	"waiting_find-10": {waitingFindScript, waitingFindText}, "pending_find-10": {pendingFindScript, pendingFindText},
	"entry_find-10": {entryFindScript, entryFindText},
}

// operate has an operator look for what waits, and make it due.
func operate(t *testing.T, client redis.UniversalClient, stream string) {
	t.Helper()
	r, f := retriesOf(t, client, stream), finderOf(t, client, stream)
	_, _, err := r.List(t.Context(), Filter{State: StateParked}, "", 100)
	_, counting := r.Counts(t.Context())
	_, finding := f.Find(t.Context(), Search{ID: appended(t, client, stream, "id", "sought", "topic", "orders", "payload", "")}, 100)
	if err := errors.Join(err, counting, finding); err != nil {
		t.Error(err)
	}
	s := r.stream
	if err := errors.Join(client.HSet(t.Context(), s.entries, "far", "\x92\xa3key\xa1a").Err(), client.ZAdd(t.Context(), s.due, redis.Z{Score: 4e12, Member: "far"}).Err()); err != nil {
		t.Fatal(err)
	}
	if changed, err := r.RunNow(t.Context(), Filter{IDs: []string{"far"}}, Change{}); err != nil || changed.Changed != 1 {
		t.Errorf("%+v, %v", changed, err)
	}
}

// In a cluster, whose server refuses calls over several slots, order is kept, and every
// call of a script has its keys in one slot, as many as the script's file says.
func TestOrderedInACluster(t *testing.T) {
	t.Parallel()
	client := rediscluster.Start(t)
	recorded := new(rediscluster.Calls)
	client.AddHook(recorded)

	s := newSequences()
	o := ordered()
	o.Retries = 3
	var mu sync.Mutex
	tries := make(map[string]int)
	c := run(t, client, s.handler(func(m *Message) error {
		mu.Lock()
		defer mu.Unlock()
		if tries[m.ID]++; strings.HasSuffix(m.ID, "/3") && tries[m.ID] < 3 || m.ID == "k1/4" {
			return errRefused
		}
		return nil
	}), o)
	for n := range 8 {
		for k := range 10 {
			post(t, client, fmt.Sprint("k", k), n+1)
		}
	}
	for k := range 10 {
		key, want := fmt.Sprint("k", k), upTo(8)
		if k == 1 {
			want = "[1 2 3 5 6 7 8]"
		}
		eventually(t, key+" is done", func() bool { return s.of(key) == want })
	}
	assertEmpty(t, client)
	c.stop()
	for _, name := range LaneStreams(events) {
		operate(t, client, name)
	}

	all := maps.Clone(laneScripts)
	maps.Copy(all, operatorScripts)
	for file, script := range all {
		_, count, _ := strings.Cut(file, "-")
		keys, err := strconv.Atoi(count)
		if err := errors.Join(err, recorded.Check(script.Script, keys)); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}

// A script's file begins with its name, which says how many keys it has. Those of lanes
// have the keys that the text before them says.
func TestLaneScriptsSayWhatTheyTake(t *testing.T) {
	if keys := regexp.MustCompile(`(?m)^-- KEYS\[(\d+)\]`).FindAllString(laneText, -1); len(keys) != 10 {
		t.Errorf("the text before the scripts of a lane describes %d keys", len(keys))
	}
	if n := len(new(stream).laneKeys()); n != 10 {
		t.Errorf("they are called with %d", n)
	}
	all := maps.Clone(laneScripts)
	maps.Copy(all, operatorScripts)
	for file, script := range all {
		if !strings.HasPrefix(script.text, "-- "+file+": ") {
			t.Errorf("%s does not begin with its name", file)
		}
	}
}

// Without memory for more, what is there is still handled, and waits if it fails.
func TestOrderedWithoutMemory(t *testing.T) {
	t.Parallel()
	client := connect(t, testserver.Redis(t))
	for n := range 4 {
		post(t, client, "a", n+1)
	}
	o := ordered()
	o.Retries = 2
	if err := errors.Join(client.XGroupCreate(t.Context(), laneOf("a"), group, "0").Err(),
		client.ConfigSet(t.Context(), "maxmemory", "1").Err()); err != nil {
		t.Fatal(err)
	}
	if err := client.Set(t.Context(), "x", "y", 0).Err(); err == nil || !strings.Contains(err.Error(), "OOM") {
		t.Fatalf("there is memory: %v", err)
	}
	s := newSequences()
	var mu sync.Mutex
	tries := make(map[string]int)
	run(t, client, s.handler(func(m *Message) error {
		mu.Lock()
		defer mu.Unlock()
		if tries[m.ID]++; m.ID == "a/2" && tries[m.ID] < 3 || m.ID == "a/3" {
			return errRefused
		}
		return nil
	}), o)
	eventually(t, "all are done but the dead one", func() bool { return s.of("a") == "[1 2 4]" })
	if dead := listed(t, deadOf(t, client, laneOf("a")), Filter{}); len(dead) != 1 || dead[0].Message.ID != "a/3" {
		t.Errorf("dead letters %v", dead)
	}
}

// A key whose handler takes long, with many messages behind it, holds up no other key, however
// few are read at once.
func TestOrderedSlowKey(t *testing.T) {
	for batch, behind := range map[int]int{4: 50, 1: 10} {
		t.Run(fmt.Sprint("batch=", batch), func(t *testing.T) {
			t.Parallel()
			slowKey(t, batch, behind)
		})
	}
}

func slowKey(t *testing.T, batch, behind int) {
	client := connect(t, testserver.Redis(t))
	s := newSequences()
	release := make(chan struct{})
	defer close(release)
	o := ordered()
	o.Batch = batch
	run(t, client, s.handler(func(m *Message) error {
		if m.Key == "a" {
			<-release
		}
		return nil
	}), o)
	for n := range behind {
		post(t, client, "a", n+1)
	}
	other := "b"
	for i := 0; laneOf(other) != laneOf("a"); i++ {
		other = fmt.Sprint("b", i)
	}
	post(t, client, other, 1)
	eventually(t, "the other key is done", func() bool { return s.of(other) == "[1]" })
	if got := s.of("a"); got != "[]" {
		t.Errorf("of the slow key %s are done", got)
	}
}
