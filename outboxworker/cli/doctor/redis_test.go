package doctor

import (
	"context"
	"errors"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/weirproxy/weir/internal/testserver"
	"github.com/weirproxy/weir/outboxworker/localserver"
	"github.com/weirproxy/weir/outboxworker/retryqueue"
)

func client(t *testing.T, server *localserver.Redis) *redis.Client {
	t.Helper()
	c := redis.NewClient(&redis.Options{Addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(server.Port())), MaxRetries: -1})
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func timers(t *testing.T, c redis.UniversalClient) *retryqueue.Queue {
	t.Helper()
	q, err := retryqueue.New(c, "orders.outbox", zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func TestAHealthyRedis(t *testing.T) {
	p := newPatient(t, testserver.Database(t))
	c := client(t, testserver.RedisWith(t, localserver.RedisOptions{AppendFsync: "everysec"}))
	target := p.target(t)
	target.Redis = &Redis{Client: c, Keeps: true}
	target.Outboxes[0].Timers = timers(t, c)
	all := Examine(t.Context(), target)
	expect(t, all, "redis", OK, "answers")
	expect(t, all, "redis clock", OK, "differ by less than 1s")
	expect(t, all, "redis policy", OK, "noeviction")
	expect(t, all, "redis persistence", OK, "append-only")
	expect(t, all, "timers", OK, "a worker sets them up")
	for _, f := range all {
		if f.Level != OK {
			t.Errorf("%+v", f)
		}
	}

	target.Redis.Keeps = false
	target.Outboxes[0].Timers = nil
	all = Examine(t.Context(), target)
	expect(t, all, "redis persistence", OK, "rebuilt from PostgreSQL")
	expect(t, all, "timers", OK, "polling")
}

// What Redis can be told is told while it runs; a doctor looks again each time.
func TestRedisSettings(t *testing.T) {
	c := client(t, testserver.RedisWith(t, localserver.RedisOptions{AppendFsync: "everysec"}))
	examine := func(keeps bool) []Finding {
		d := &doctor{target: Target{Redis: &Redis{Client: c, Keeps: keeps}}}
		d.redis(t.Context())
		return d.findings
	}
	set := func(name, value string) {
		t.Helper()
		if err := c.ConfigSet(t.Context(), name, value).Err(); err != nil {
			t.Fatal(err)
		}
	}
	set("maxmemory-policy", "allkeys-lru")
	expect(t, examine(true), "redis policy", Warning, "maxmemory-policy is allkeys-lru")
	set("appendfsync", "no")
	expect(t, examine(true), "redis persistence", Warning, "appendfsync is no")
	set("appendonly", "no")
	expect(t, examine(true), "redis persistence", Warning, "appendonly is no")
	expect(t, examine(false), "redis persistence", OK, "timers need none")

	// a user with the rights that timers need and no more
	err := c.Do(t.Context(), "ACL", "SETUSER", "relay", "reset", "on", ">secret", "~retry:*", "+time").Err()
	if err != nil {
		t.Fatal(err)
	}
	options := *c.Options()
	options.Username, options.Password = "relay", "secret"
	limited := redis.NewClient(&options)
	t.Cleanup(func() { _ = limited.Close() })
	c = limited
	expect(t, examine(false), "redis", Warning, "not to INFO")
}

func TestNoRedis(t *testing.T) {
	c := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1", MaxRetries: -1, DialerRetries: 1})
	t.Cleanup(func() { _ = c.Close() })
	d := &doctor{target: Target{Redis: &Redis{Client: c}}}
	d.redis(t.Context())
	d.timers(t.Context(), Outbox{Schema: "outbox", Timers: timers(t, c)})
	expect(t, d.findings, "redis", Error, "does not answer")
	expect(t, d.findings, "timers", Error, "connection refused")
}

func TestWhatRedisTells(t *testing.T) {
	for text, want := range map[string]struct {
		check string
		level Level
		text  string
	}{
		"redis_version:6.2.14\nrole:master":                        {"redis", Warning, "Redis 6.2.14; it is tested with 7"},
		"redis_version:7.2.4\nvalkey_version:8.0.1\nrole:master":   {"redis", OK, "Valkey 8.0.1"},
		"redis_version:7.0.15\nrole:slave":                         {"redis", Error, "is a replica"},
		"role:master":                                              {"redis", Warning, "does not tell its version"},
		"maxmemory_policy:volatile-ttl":                            {"redis policy", Warning, "volatile-ttl"},
		"redis_version:7.0.15\n":                                   {"redis policy", Warning, "does not tell its maxmemory-policy"},
		"aof_enabled:1\naof_last_write_status:err":                 {"redis persistence", Warning, "could not write"},
		"rdb_last_bgsave_status:err\naof_last_write_status:ok\n\n": {"redis persistence", Warning, "could not write"},
	} {
		c := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1", MaxRetries: -1, DialerRetries: 1})
		d := &doctor{target: Target{Redis: &Redis{Client: c}}}
		info := infoFields(strings.ReplaceAll(text, "\n", "\r\n"))
		d.redisVersion(info)
		d.redisMemory(info)
		d.redisPersistence(t.Context(), info)
		expect(t, d.findings, want.check, want.level, want.text)
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}

// The three clocks are compared by pairs; what the questions took is never taken for a
// difference.
func TestRedisClocks(t *testing.T) {
	now := time.Now()
	for name, c := range map[string]struct {
		postgres, redis time.Duration // ahead of this machine
		took            time.Duration
		want            []string
	}{
		"equal":         {0, 0, time.Millisecond, nil},
		"slow answers":  {1500 * time.Millisecond, 0, 2 * time.Second, nil},
		"redis ahead":   {0, 3 * time.Second, 0, []string{"of this machine and of Redis differ by 3s", "of PostgreSQL and of Redis differ by 3s"}},
		"machine ahead": {-2 * time.Second, -2 * time.Second, 0, []string{"of this machine and of Redis differ by 2s"}},
		"opposite":      {800 * time.Millisecond, -800 * time.Millisecond, 0, []string{"of PostgreSQL and of Redis differ by 1.6s"}},
	} {
		d := &doctor{serverClock: now.Add(c.postgres), serverAsked: now, serverAnswered: now.Add(c.took)}
		d.redisClock(now.Add(c.redis), now, now.Add(c.took))
		got := findings(d.findings, "redis clock")
		if len(c.want) == 0 {
			expect(t, d.findings, "redis clock", OK, "less than")
			continue
		}
		for _, want := range c.want {
			expect(t, d.findings, "redis clock", Warning, want)
		}
		if len(got) != len(c.want) {
			t.Errorf("%s: %q", name, got)
		}
	}
	d := new(doctor) // PostgreSQL was not asked
	d.redisClock(now, now, now)
	expect(t, d.findings, "redis clock", OK, "less than")
}

func TestTimers(t *testing.T) {
	c := client(t, testserver.Redis(t))
	q := timers(t, c)
	o := Outbox{Schema: "outbox", Timers: q}
	examine := func() []Finding {
		d := new(doctor)
		d.timers(t.Context(), o)
		return d.findings
	}
	nothing := func(context.Context) ([]retryqueue.Timer, error) { return nil, nil }
	if _, err := q.Rebuild(t.Context(), nothing); err != nil {
		t.Fatal(err)
	}
	if err := q.Schedule(t.Context(), retryqueue.Timer{ID: 1, In: time.Hour}, retryqueue.Timer{ID: 2, In: -10 * time.Second}); err != nil {
		t.Fatal(err)
	}
	expect(t, examine(), "timers", OK, "2 are set, 0 are being worked on")

	err := errors.Join(
		q.Schedule(t.Context(), retryqueue.Timer{ID: 3, In: -time.Minute}),
		c.ZAdd(t.Context(), "retry:{orders.outbox}:due", redis.Z{Score: 1, Member: "not an id"}).Err(),
	)
	if err != nil {
		t.Fatal(err)
	}
	claimed, err := q.Claim(t.Context(), 2, time.Minute) // sets the foreign member aside
	if err != nil || claimed.Foreign != 1 {
		t.Fatalf("%+v, %v", claimed, err)
	}
	if _, err := q.Return(t.Context(), retryqueue.Returned{Claim: claimed.Claims[0], In: -time.Minute}); err != nil {
		t.Fatal(err)
	}
	expect(t, examine(), "timers", Warning, "1 members of the queue")
	expect(t, examine(), "timers", Warning, "has been due for 1m")

	d := new(doctor)
	d.timersState(o, retryqueue.Stats{Timers: 7, Epoch: "half"})
	expect(t, d.findings, "timers", OK, "being rebuilt; there are 7")
}
