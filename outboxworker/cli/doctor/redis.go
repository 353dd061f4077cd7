package doctor

// redis.go holds the checks of the Redis in which retries have their timers and consumers
// what they are at.

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/weirproxy/weir/outboxworker/retryqueue"
)

const (
	// oldestRedis is the first major version that everything is tested with.
	oldestRedis = 7
	// overdue is how late a timer may be. It is a limit of the design, and an alert.
	overdue = 30 * time.Second
)

// Redis is the server of the configuration's section redis.
type Redis struct {
	Client redis.UniversalClient
	// Keeps tells that consumers have their messages there, and not only retries
	// their timers, which are rebuilt when they are lost.
	Keeps bool
}

// redis makes the checks of the server.
func (d *doctor) redis(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	client := d.target.Redis.Client
	asked := time.Now()
	clock, err := client.Time(ctx).Result()
	answered := time.Now()
	if err != nil {
		d.note("", "redis", Error, "check the section redis: its address, user, password and certificates, that the server runs, "+
			"and that its user may call TIME; until then retries are found by polling, and consumers wait", "Redis does not answer: %v", err)
		return
	}
	d.redisClock(clock, asked, answered)
	text, err := client.Info(ctx).Result()
	if err != nil {
		d.note("", "redis", Warning, "let its user call INFO, or ask whoever runs it for the version, maxmemory-policy and persistence",
			"Redis answers, but not to INFO: %v", err)
		return
	}
	info := infoFields(text)
	d.redisVersion(info)
	d.redisMemory(info)
	d.redisPersistence(ctx, info)
}

// infoFields are the fields of what INFO answers.
func infoFields(text string) map[string]string {
	fields := make(map[string]string)
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			fields[name] = value
		}
	}
	return fields
}

// redisClock compares Redis' clock with that of this machine, and through it with that of
// PostgreSQL.
func (d *doctor) redisClock(clock, asked, answered time.Time) {
	const fix = "synchronise the machines with NTP"
	sound := true
	if off := apart(clock, asked, answered); off > skewed {
		sound = false
		d.note("", "redis clock", Warning, fix, "the clocks of this machine and of Redis differ by %s: ages in metrics and logs are wrong by that",
			off.Round(time.Millisecond))
	}
	if !d.serverAsked.IsZero() {
		// What the servers' clocks are ahead of this machine's at most and at least.
		least := clock.Sub(answered) - d.serverClock.Sub(d.serverAsked)
		most := clock.Sub(asked) - d.serverClock.Sub(d.serverAnswered)
		if off := max(least, -most); off > skewed {
			sound = false
			d.note("", "redis clock", Warning, fix, "the clocks of PostgreSQL and of Redis differ by %s: timers are not wrong by that, as they are "+
				"set by how long they wait, but times in the ids of entries are", off.Round(time.Millisecond))
		}
	}
	if sound {
		d.note("", "redis clock", OK, "", "the clocks of this machine, of PostgreSQL and of Redis differ by less than %s", skewed)
	}
}

func (d *doctor) redisVersion(info map[string]string) {
	name, version := "Redis", info["redis_version"]
	if valkey := info["valkey_version"]; valkey != "" {
		name, version = "Valkey", valkey
	}
	major, _, _ := strings.Cut(version, ".")
	number, err := strconv.Atoi(major)
	switch {
	case err != nil:
		d.note("", "redis", Warning, "ask whoever runs it; Redis 7 or later, or Valkey, is needed", "the server does not tell its version")
	case number < oldestRedis:
		d.note("", "redis", Warning, "update the server", "%s %s; it is tested with %d or later, and with Valkey", name, version, oldestRedis)
	case info["role"] == "slave":
		d.note("", "redis", Error, "connect to the master; with redis.sentinel it is found", "%s %s is a replica, on which nothing can be written", name, version)
	default:
		d.note("", "redis", OK, "", "%s %s answers", name, version)
	}
}

func (d *doctor) redisMemory(info map[string]string) {
	policy := info["maxmemory_policy"]
	switch policy {
	case "noeviction":
		d.note("", "redis policy", OK, "", "maxmemory-policy is noeviction")
	case "":
		d.note("", "redis policy", Warning, "ask whoever runs it; it should be noeviction", "the server does not tell its maxmemory-policy")
	default:
		d.note("", "redis policy", Warning, "set maxmemory-policy noeviction, or give retries and consumers a Redis of their own",
			"maxmemory-policy is %s: when memory runs out, Redis may delete timers, markers of handled messages, and streams", policy)
	}
}

// redisPersistence looks at what is on disk. For timers alone that is of no weight.
func (d *doctor) redisPersistence(ctx context.Context, info map[string]string) {
	const check = "redis persistence"
	sound := true
	warn := func(fix, format string, args ...any) {
		sound = false
		d.note("", check, Warning, fix, format, args...)
	}
	if info["rdb_last_bgsave_status"] == "err" || info["aof_last_write_status"] == "err" {
		warn("see its log; mostly the disk is full, or memory too small to fork", "Redis could not write to disk lately, and may refuse writes because of that")
	}
	fsync := ""
	if answer, err := d.target.Redis.Client.ConfigGet(ctx, "appendfsync").Result(); err == nil {
		fsync = answer["appendfsync"]
	}
	switch {
	case !d.target.Redis.Keeps:
	case info["aof_enabled"] == "0":
		warn("set appendonly yes", "appendonly is no: when Redis dies, consumers lose messages, retries and dead letters since the last snapshot")
	case fsync == "no":
		warn("set appendfsync everysec, to lose a second's at most, or always", "appendfsync is no: when the machine dies, what consumers have noted is lost")
	}
	if !sound {
		return
	}
	if d.target.Redis.Keeps {
		d.note("", check, OK, "", "there is an append-only file")
	} else {
		d.note("", check, OK, "", "timers need none: they are rebuilt from PostgreSQL")
	}
}

// timers looks at an outbox's queue of timers.
func (d *doctor) timers(ctx context.Context, o Outbox) {
	if o.Timers == nil {
		d.note(o.Schema, "timers", OK, "", "retries are found by polling")
		return
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	s, err := o.Timers.Stats(ctx)
	if err != nil {
		d.note(o.Schema, "timers", Error, "see the error; if a permission is missing, grant the user what package retryqueue names: "+
			"~retry:* &retry:* and its commands", "%v", err)
		return
	}
	d.timersState(o, s)
}

func (d *doctor) timersState(o Outbox, s retryqueue.Stats) {
	sound := true
	warn := func(fix, format string, args ...any) {
		sound = false
		d.note(o.Schema, "timers", Warning, fix, format, args...)
	}
	if s.Foreign > 0 {
		warn("find out who else writes to retry:*, and give the worker a user of Redis and a prefix that nobody else has; "+
			"what was set aside may be deleted: it is in the key that ends in :aside",
			"%d members of the queue of timers were no ids and were set aside", s.Foreign)
	}
	if s.Late > overdue {
		warn("see that a worker runs with this configuration, and its log; messages are also found by polling",
			"the first timer has been due for %s: no worker claims it", s.Late.Round(time.Second))
	}
	switch {
	case !sound:
	case s.Epoch == "":
		d.note(o.Schema, "timers", OK, "", "Redis has no timers of this outbox; a worker sets them up within seconds of its start")
	case !s.Whole:
		d.note(o.Schema, "timers", OK, "", "timers are being rebuilt; there are %d already", s.Timers)
	default:
		d.note(o.Schema, "timers", OK, "", "%d are set, %d are being worked on", s.Timers, s.Leased)
	}
}
