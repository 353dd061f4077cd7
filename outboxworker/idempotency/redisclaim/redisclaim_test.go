package redisclaim

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/weirproxy/weir/internal/testserver"
	"github.com/weirproxy/weir/outboxworker/idempotency"
	"github.com/weirproxy/weir/outboxworker/localserver"
)

func TestTwoPhases(t *testing.T) {
	client := connect(t, testserver.Redis(t).URL(), nil)
	store := open(t, client, nil)
	first := started(t, store, "1")
	if s := status(t, store, "1"); s.Status != idempotency.Busy || s.Left <= 25*time.Second || s.Left > 30*time.Second {
		t.Errorf("while it is handled: %v", s)
	}
	started(t, store, "2")
	if claim, s, err := store.Begin(t.Context(), "another", "1"); err != nil || claim == nil {
		t.Errorf("for another group: %v, %v", s, err)
	}
	for range 2 { // the second time as after an answer that was lost
		if err := first.Done(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if s := status(t, store, "1"); s != (idempotency.State{Status: idempotency.AlreadyDone}) {
		t.Errorf("after it is done: %v", s)
	}
	ttl, err := client.PTTL(t.Context(), "idempotent:{1}:g").Result()
	if day := 24 * time.Hour; err != nil || ttl <= 7*day-time.Minute || ttl > 7*day {
		t.Errorf("the marker is kept for %s, %v", ttl, err)
	}
	if err := first.Extend(t.Context()); err != idempotency.ErrLost {
		t.Errorf("extending what is done: %v", err)
	}
	if err := first.Release(t.Context()); err != nil {
		t.Error(err)
	}
	if s := status(t, store, "1"); s.Status != idempotency.AlreadyDone {
		t.Errorf("after what is done was released: %v", s)
	}
}

func TestRelease(t *testing.T) {
	store := open(t, connect(t, testserver.Redis(t).URL(), nil), nil)
	if err := started(t, store, "1").Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	second := started(t, store, "1")
	if err := second.Done(t.Context()); err != nil {
		t.Error(err)
	}
}

// A claim that has run out is neither extended nor given back: it may be another's.
func TestLeaseRunsOut(t *testing.T) {
	client := connect(t, testserver.Redis(t).URL(), nil)
	brief := open(t, client, func(s *Settings) { s.Lease = 30 * time.Millisecond })
	store := open(t, client, nil)
	late := started(t, brief, "1")
	gone(t, client, "1")
	if err := late.Extend(t.Context()); err != idempotency.ErrLost {
		t.Errorf("extending after the lease: %v", err)
	}
	second := started(t, store, "1")
	if err := late.Extend(t.Context()); err != idempotency.ErrLost {
		t.Errorf("extending another's claim: %v", err)
	}
	if err := late.Release(t.Context()); err != nil {
		t.Error(err)
	}
	if s := status(t, store, "1"); s.Status != idempotency.Busy {
		t.Errorf("another's claim was released: %v", s)
	}
	if err := late.Done(t.Context()); !errors.Is(err, idempotency.ErrOverran) || !strings.HasSuffix(err.Error(), "another handler has it") {
		t.Errorf("done while another has it: %v", err)
	}
	// The effect has happened: the second can still be spared.
	if err := second.Extend(t.Context()); err != idempotency.ErrLost {
		t.Errorf("extending what another has done: %v", err)
	}
	if s := status(t, store, "1"); s.Status != idempotency.AlreadyDone {
		t.Errorf("after the late handler was done: %v", s)
	}
	if err := second.Done(t.Context()); !errors.Is(err, idempotency.ErrOverran) || !strings.HasSuffix(err.Error(), "another handler was done") {
		t.Errorf("done after another: %v", err)
	}

	alone := started(t, brief, "2")
	gone(t, client, "2")
	if err := alone.Done(t.Context()); !errors.Is(err, idempotency.ErrOverran) || !strings.HasSuffix(err.Error(), "nobody had it") {
		t.Errorf("done after the lease: %v", err)
	}
	if s := status(t, store, "2"); s.Status != idempotency.AlreadyDone {
		t.Errorf("after it was done late: %v", s)
	}
}

// Of many who begin at once one gets the message.
func TestBeginAtOnce(t *testing.T) {
	store := open(t, connect(t, testserver.Redis(t).URL(), nil), nil)
	for i := range 50 {
		states := make(chan idempotency.Status)
		for range 8 {
			go func() {
				_, state, err := store.Begin(t.Context(), "g", fmt.Sprint(i))
				if err != nil {
					t.Error(err)
				}
				states <- state.Status
			}()
		}
		count := make(map[idempotency.Status]int)
		for range 8 {
			count[<-states]++
		}
		if count[idempotency.Started] != 1 || count[idempotency.Busy] != 7 {
			t.Fatalf("message %d: %v", i, count)
		}
	}
}

// A client that repeats a call whose answer was lost gets what it had got.
func TestBeginRepeated(t *testing.T) {
	client := connect(t, testserver.Redis(t).URL(), nil)
	store := open(t, client, nil)
	c := &claim{store: store, keys: []string{key("g", "1")}, token: "mine"}
	for range 2 {
		if state, err := store.begin(t.Context(), c); err != nil || state.Status != idempotency.Started {
			t.Fatalf("%v, %v", state, err)
		}
		if err := client.PExpire(t.Context(), c.keys[0], time.Second).Err(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := store.begin(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if left := status(t, store, "1").Left; left <= 25*time.Second {
		t.Errorf("repeating it has left %s", left)
	}
}

// What somebody else has put there is reported, and neither taken for a marker nor
// overwritten.
func TestForeignValues(t *testing.T) {
	client := connect(t, testserver.Redis(t).URL(), nil)
	store := open(t, client, nil)
	for name, put := range map[string]func(key string) error{
		"text": func(key string) error { return client.Set(t.Context(), key, "1", 0).Err() },
		"list": func(key string) error { return client.LPush(t.Context(), key, "P:").Err() },
	} {
		claim := started(t, store, name)
		if err := client.Del(t.Context(), key("g", name)).Err(); err != nil {
			t.Fatal(err)
		}
		if err := put(key("g", name)); err != nil {
			t.Fatal(err)
		}
		none, _, err := store.Begin(t.Context(), "g", name)
		if !errors.Is(err, idempotency.ErrForeign) || errors.Is(err, idempotency.ErrUnavailable) || none != nil {
			t.Errorf("%s: begin: %v", name, err)
		}
		if err := claim.Done(t.Context()); !errors.Is(err, idempotency.ErrForeign) {
			t.Errorf("%s: done: %v", name, err)
		}
	}
	// Somebody takes the expiry of a claim away.
	started(t, store, "1")
	if err := client.Persist(t.Context(), key("g", "1")).Err(); err != nil {
		t.Fatal(err)
	}
	if s := status(t, store, "1"); s != (idempotency.State{Status: idempotency.Busy, Left: 30 * time.Second}) {
		t.Errorf("a claim for ever: %v", s)
	}
	if ttl := client.PTTL(t.Context(), key("g", "1")).Val(); ttl <= 0 {
		t.Errorf("it still is one: %s", ttl)
	}
}

func TestMessagesThatCannotBeClaimed(t *testing.T) {
	store := open(t, connect(t, testserver.Redis(t).URL(), nil), func(s *Settings) { s.FailOpen = true })
	for _, id := range []string{"", strings.Repeat("a", 256), "\xff"} {
		if claim, _, err := store.Begin(t.Context(), "g", id); !errors.Is(err, idempotency.ErrInvalid) || claim != nil {
			t.Errorf("%q: %v", id, err)
		}
	}
}

func TestKey(t *testing.T) {
	for _, test := range []struct{ group, id, key string }{
		{"billing", "0198c2f0-1111-7222-8333-444455556666", "idempotent:{0198c2f0-1111-7222-8333-444455556666}:billing"},
		{"b:c", "a", "idempotent:{a}:b:c"},
		{"c", "a:b", "idempotent:{a:b}:c"},
		{"b}:c", "a", "idempotent:{a}:b}:c"},
		{"c", "a}:b", "idempotent:{a%7D:b}:c"},
		{"c", "a%7D:b", "idempotent:{a%257D:b}:c"},
		{"c", "}{", "idempotent:{%7D{}:c"},
	} {
		if got := key(test.group, test.id); got != test.key {
			t.Errorf("%q of %q has the key %s, want %s", test.id, test.group, got, test.key)
		}
	}
}

func TestSettings(t *testing.T) {
	for reason, change := range map[string]func(*Settings){
		"lease: 0s is less than 10ms":                func(s *Settings) { s.Lease = 0 },
		"lease: 10.5ms is not in whole milliseconds": func(s *Settings) { s.Lease = 10500 * time.Microsecond },
		"done_ttl: 1s is less than the lease, 30s":   func(s *Settings) { s.DoneTTL = time.Second },
	} {
		settings := DefaultSettings()
		change(&settings)
		if store, err := New(nil, settings); err == nil || err.Error() != reason || store != nil {
			t.Errorf("%v, want %s", err, reason)
		}
	}
}

// A cluster refuses keys of several slots in a call, and keys that a script has not
// declared. All keys of a message are in one slot.
func TestCluster(t *testing.T) {
	server := testserver.RedisWith(t, localserver.RedisOptions{Settings: map[string]string{"cluster-enabled": "yes"}})
	node := connect(t, server.URL(), nil)
	if err := node.ClusterAddSlotsRange(t.Context(), 0, 16383).Err(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the cluster is up", func() bool {
		info, err := node.ClusterInfo(t.Context()).Result()
		return err == nil && strings.Contains(info, "cluster_state:ok")
	})
	cluster := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{node.Options().Addr}})
	t.Cleanup(func() { _ = cluster.Close() })
	store := open(t, cluster, nil)
	for _, id := range []string{"1", "{a}", "}", "a{b}c"} {
		claim := started(t, store, id)
		if err := errors.Join(claim.Extend(t.Context()), claim.Release(t.Context())); err != nil {
			t.Error(err)
		}
		if err := started(t, store, id).Done(t.Context()); err != nil {
			t.Error(err)
		}
		slots := make(map[int64]bool)
		for _, group := range []string{"g", "{h}", "i:j"} {
			slots[node.ClusterKeySlot(t.Context(), key(group, id)).Val()] = true
		}
		if len(slots) != 1 {
			t.Errorf("the keys of %s are in the slots %v", id, slots)
		}
	}
	// What the cluster does to those who do not care.
	if err := cluster.Eval(t.Context(), "return 1", []string{"a", "b"}).Err(); err == nil || !strings.Contains(err.Error(), "slot") {
		t.Errorf("two slots in a call: %v", err)
	}
}

// The user of the package comment, and no more.
func TestRights(t *testing.T) {
	server := testserver.Redis(t)
	admin := connect(t, server.URL(), nil)
	rights := "~idempotent:* +evalsha +eval +get +set +pttl +pexpire +del +ping +config|get"
	args := []any{"ACL", "SETUSER", "consumer", "on", ">secret", "-@all"}
	for _, right := range strings.Fields(rights) {
		args = append(args, right)
	}
	if err := admin.Do(t.Context(), args...).Err(); err != nil {
		t.Fatal(err)
	}
	store := open(t, connect(t, server.URL(), func(o *redis.Options) { o.Username, o.Password = "consumer", "secret" }), nil)
	claim := started(t, store, "1")
	if err := errors.Join(claim.Extend(t.Context()), claim.Release(t.Context()), started(t, store, "1").Done(t.Context())); err != nil {
		t.Error(err)
	}
	if warnings, err := store.Check(t.Context()); err != nil || len(warnings) != 0 {
		t.Errorf("%q, %v", warnings, err)
	}
	if s := status(t, store, "1"); s.Status != idempotency.AlreadyDone {
		t.Errorf("%v", s)
	}
}

func TestScriptsAreLoadedAgain(t *testing.T) {
	client := connect(t, testserver.Redis(t).URL(), nil)
	store := open(t, client, nil)
	flush := func() {
		if err := client.ScriptFlush(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
	}
	claim := started(t, store, "1")
	for _, call := range []func(context.Context) error{claim.Extend, claim.Release, claim.Done} {
		flush()
		if err := call(t.Context()); err != nil && !errors.Is(err, idempotency.ErrOverran) {
			t.Error(err)
		}
	}
	flush()
	started(t, store, "2")
}
