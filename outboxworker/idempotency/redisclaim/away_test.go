package redisclaim

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/weirproxy/weir/internal/testserver"
	"github.com/weirproxy/weir/outboxworker/idempotency"
)

func fast(o *redis.Options) { o.MaxRetries, o.DialerRetries = -1, 1 }

func TestWithoutRedisNothingIsHandled(t *testing.T) {
	server := testserver.Redis(t)
	store := open(t, connect(t, server.URL(), fast), nil)
	held := started(t, store, "1")
	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	claim, _, err := store.Begin(t.Context(), "g", "2")
	if !errors.Is(err, idempotency.ErrUnavailable) || claim != nil {
		t.Errorf("begin: %v", err)
	}
	for name, call := range map[string]func(context.Context) error{"done": held.Done, "release": held.Release, "extend": held.Extend} {
		if err := call(t.Context()); !errors.Is(err, idempotency.ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := store.Stats(); got != (Stats{}) {
		t.Errorf("counted %+v", got)
	}
	if _, err := store.Check(t.Context()); err == nil || !strings.HasPrefix(err.Error(), "asking Redis: ") {
		t.Errorf("check: %v", err)
	}
}

func TestFailOpen(t *testing.T) {
	server := testserver.Redis(t)
	store := open(t, connect(t, server.URL(), fast), func(s *Settings) { s.FailOpen, s.Lease = true, 30*time.Millisecond })
	guarded := started(t, store, "1")
	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := guarded.Done(t.Context()); err != nil {
		t.Error(err)
	}
	claim := started(t, store, "2")
	if err := errors.Join(claim.Extend(t.Context()), claim.Release(t.Context()), claim.Done(t.Context())); err != nil {
		t.Error(err)
	}
	if got := store.Stats(); got != (Stats{LetThrough: 1, Unmarked: 2}) {
		t.Errorf("counted %+v", got)
	}
	done, cancel := context.WithCancel(t.Context())
	cancel()
	if claim, _, err := store.Begin(done, "g", "3"); !errors.Is(err, context.Canceled) || claim != nil || errors.Is(err, idempotency.ErrUnavailable) {
		t.Errorf("who is stopped begins: %v", err)
	}

	// Redis is back before the message is done: it is marked, and its claim not lost.
	late := started(t, store, "4")
	kept, stop := late.Keep(t.Context())
	defer stop()
	if err := server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "Redis is back", func() bool { return store.client.Ping(t.Context()).Err() == nil })
	if err := errors.Join(late.Extend(t.Context()), kept.Err(), late.Done(t.Context())); err != nil {
		t.Error(err)
	}
	if s := status(t, store, "4"); s.Status != idempotency.AlreadyDone {
		t.Errorf("%v", s)
	}
	if got := store.Stats(); got != (Stats{LetThrough: 2, Unmarked: 2}) {
		t.Errorf("counted %+v", got)
	}
}

// Which answers mean that Redis is away, and which do not pass FailOpen.
func TestRedisThatRefuses(t *testing.T) {
	server := testserver.Redis(t)
	admin := connect(t, server.URL(), nil)
	do := func(args ...any) {
		t.Helper()
		if err := admin.Do(t.Context(), args...).Err(); err != nil {
			t.Fatalf("%v: %v", args, err)
		}
	}
	do("ACL", "SETUSER", "stranger", "on", ">secret", "-@all", "+ping", "+hello", "+client")
	for _, test := range []struct {
		name        string
		before      []any
		user        string
		after       []any
		letsThrough bool
	}{
		{"a replica", []any{"REPLICAOF", "127.0.0.1", "1"}, "", []any{"REPLICAOF", "NO", "ONE"}, true},
		{"no rights", nil, "stranger", nil, false},
		{"no such user", nil, "nobody", nil, false},
	} {
		client := connect(t, server.URL(), func(o *redis.Options) {
			fast(o)
			if test.user != "" {
				o.Username, o.Password = test.user, "secret"
			}
		})
		if test.before != nil {
			do(test.before...)
		}
		closed := open(t, client, nil)
		if _, _, err := closed.Begin(t.Context(), "g", test.name); !errors.Is(err, idempotency.ErrUnavailable) {
			t.Errorf("%s: %v", test.name, err)
		}
		ajar := open(t, client, func(s *Settings) { s.FailOpen = true })
		claim, _, err := ajar.Begin(t.Context(), "g", test.name)
		if (claim != nil) != test.letsThrough || (err == nil) != test.letsThrough || (ajar.Stats().LetThrough == 1) != test.letsThrough {
			t.Errorf("%s, fail_open: %v, counted %+v", test.name, err, ajar.Stats())
		}
		if test.after != nil {
			do(test.after...)
		}
	}
}

// Without memory messages are claimed and marked all the same: else a Redis that is full of
// what is to be handled would stay so.
func TestRedisWithoutMemory(t *testing.T) {
	client := connect(t, testserver.Redis(t).URL(), nil)
	store := open(t, client, nil)
	before := started(t, store, "before")
	if err := client.ConfigSet(t.Context(), "maxmemory", "1").Err(); err != nil {
		t.Fatal(err)
	}
	if err := client.Set(t.Context(), "x", "y", 0).Err(); err == nil || !strings.HasPrefix(err.Error(), "OOM ") {
		t.Fatalf("there is memory: %v", err)
	}
	for _, claim := range []idempotency.Claim{before, started(t, store, "since")} {
		if err := errors.Join(claim.Extend(t.Context()), claim.Done(t.Context())); err != nil {
			t.Error(err)
		}
	}
	for _, id := range []string{"before", "since"} {
		if got := status(t, store, id); got.Status != idempotency.AlreadyDone {
			t.Errorf("%s: %v", id, got.Status)
		}
	}
}

func TestCheck(t *testing.T) {
	server := testserver.Redis(t)
	client := connect(t, server.URL(), nil)
	store := open(t, client, nil)
	for policy, warns := range map[string]bool{
		"noeviction": false, "volatile-ttl": true, "volatile-lru": true, "volatile-random": true, "allkeys-lfu": true,
	} {
		if err := client.ConfigSet(t.Context(), "maxmemory-policy", policy).Err(); err != nil {
			t.Fatal(err)
		}
		warnings, err := store.Check(t.Context())
		if err != nil || (len(warnings) == 1) != warns || warns && !strings.HasPrefix(warnings[0], "maxmemory-policy is "+policy+": ") {
			t.Errorf("%s: %q, %v", policy, warnings, err)
		}
	}
	if err := client.Do(t.Context(), "ACL", "SETUSER", "consumer", "on", ">secret", "~*", "+@all", "-config").Err(); err != nil {
		t.Fatal(err)
	}
	limited := open(t, connect(t, server.URL(), func(o *redis.Options) { o.Username, o.Password = "consumer", "secret" }), nil)
	warnings, err := limited.Check(t.Context())
	if err != nil || len(warnings) != 1 || !strings.HasPrefix(warnings[0], "maxmemory-policy is unknown: NOPERM ") {
		t.Errorf("%q, %v", warnings, err)
	}
}
