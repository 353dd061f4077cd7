package consumer

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/weirproxy/weir/internal/testserver"
	"github.com/weirproxy/weir/outboxworker/localserver"
)

// The stream or its group is removed, or Redis loses everything: what is appended from
// then on, and what is still there, is handled.
func TestGroupIsLost(t *testing.T) {
	t.Parallel()
	client := connect(t, testserver.Redis(t))
	var got record
	options := quick()
	options.Start, options.Lease = "$", 300*time.Millisecond
	c := run(t, client, func(_ context.Context, m *Message) error { got.add(m); return nil }, options)
	eventually(t, "the group is there", func() bool {
		groups, err := client.XInfoGroups(t.Context(), events).Result()
		return err == nil && len(groups) == 1
	})
	n := 0
	for what, lose := range map[string]func() error{
		"FLUSHALL":       func() error { return client.FlushAll(t.Context()).Err() },
		"DEL":            func() error { return client.Del(t.Context(), events).Err() },
		"XGROUP DESTROY": func() error { return client.XGroupDestroy(t.Context(), events, group).Err() },
	} {
		if err := lose(); err != nil {
			t.Fatal(err)
		}
		n++
		id := fmt.Sprint(n)
		publish(t, client, events, id) // perhaps before the group is there again
		eventually(t, "a message is handled after "+what, func() bool { return got.count(id) > 0 })
	}
	allSettled(t, client, events)
	if c.logs.FilterMessageSnippet("made again").Len() == 0 {
		t.Error("it is not reported")
	}
}

// A read that somebody ends, as Redis does when it becomes a replica, is no group that is gone.
func TestReadIsEnded(t *testing.T) {
	t.Parallel()
	client := connect(t, testserver.Redis(t))
	var got record
	c := run(t, client, func(_ context.Context, m *Message) error { got.add(m); return nil }, quick())
	eventually(t, "a read is ended", func() bool {
		list, err := client.ClientList(t.Context()).Result()
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(list) {
			id, _, _ := strings.Cut(strings.TrimPrefix(line, "id="), " ")
			if strings.Contains(line, " cmd=xreadgroup ") && client.Do(t.Context(), "CLIENT", "UNBLOCK", id, "ERROR").Val() == int64(1) {
				return true
			}
		}
		return false
	})
	publish(t, client, events, "1")
	eventually(t, "a message is handled", func() bool { return got.count("1") == 1 })
	if c.logs.FilterMessageSnippet("made again").Len() > 0 {
		t.Error("the group is said to have been gone")
	}
}

// Redis forgets the scripts all the time.
func TestScriptsAreForgotten(t *testing.T) {
	t.Parallel()
	client := connect(t, testserver.Redis(t))
	const count = 300
	for i := range count {
		publish(t, client, events, fmt.Sprint(i))
	}
	var got record
	var over atomic.Bool
	flushed := make(chan int)
	go func() {
		n := 0
		for !over.Load() {
			if client.ScriptFlush(context.Background()).Err() == nil {
				n++
			}
		}
		flushed <- n
	}()
	options := quick()
	options.Concurrency = 4
	run(t, client, func(_ context.Context, m *Message) error {
		if m.Attempt < 3 {
			return errRefused
		}
		got.add(m)
		return nil
	}, options)
	eventually(t, "all are handled", func() bool { return got.distinct() == count })
	over.Store(true)
	t.Logf("the scripts were forgotten %d times", <-flushed)
	allSettled(t, client, events)
	if n := len(got.ids()); n != count {
		t.Errorf("%d were done, want %d", n, count)
	}
}

// Redis is killed and started again, over and over. With appendfsync always nothing is
// lost; with everysec, nothing that it still has.
func TestRedisIsKilled(t *testing.T) {
	t.Parallel()
	for _, fsync := range []string{"always", "everysec"} {
		t.Run(fsync, func(t *testing.T) {
			t.Parallel()
			server := testserver.RedisWith(t, localserver.RedisOptions{AppendFsync: fsync})
			client := connect(t, server)
			var got record
			options := quick()
			options.Lease, options.Concurrency, options.Retries = 500*time.Millisecond, 4, 1000
			run(t, client, func(_ context.Context, m *Message) error {
				if m.Attempt < 2 {
					return errRefused
				}
				got.add(m)
				return nil
			}, options)
			const rounds, each = 3, 200
			for round := range rounds {
				for i := range each {
					id := fmt.Sprint(round*each + i)
					if err := appendOnce(client, id); err != nil {
						t.Fatal(err)
					}
				}
				if fsync == "everysec" {
					// What was appended is on the disk now; what becomes of it need not be.
					eventually(t, "it is written", func() bool { return written(t, client) })
				}
				if err := errors.Join(server.Kill(), server.Restart(t.Context())); err != nil {
					t.Fatal(err)
				}
			}
			eventually(t, "all are handled", func() bool { return got.distinct() == rounds*each })
			allSettled(t, client, events)
			if s := seenOf(t, client, events); s.dead != 0 || s.length != rounds*each {
				t.Errorf("%+v", s)
			}
			t.Logf("%d messages were done %d times", rounds*each, len(got.ids()))
		})
	}
}

// appendOnce appends a message, and again until Redis says that it has it.
func appendOnce(client *redis.Client, id string) error {
	var err error
	for deadline := time.Now().Add(90 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		err = client.XAdd(context.Background(), &redis.XAddArgs{Stream: events, Values: []any{"id", id, "topic", "orders", "payload", ""}}).Err()
		if err == nil {
			return nil
		}
	}
	return err
}

// written tells that everything which was appended so far is on the disk.
func written(t *testing.T, client *redis.Client) bool {
	t.Helper()
	n, err := client.Do(t.Context(), "WAITAOF", 1, 0, 5000).Slice()
	if err != nil { // Redis before 7.2: the next snapshot of the file holds it
		if err := client.BgRewriteAOF(t.Context()).Err(); err != nil {
			return false
		}
		eventually(t, "the file is rewritten", func() bool {
			info, err := client.InfoMap(t.Context(), "persistence").Result()
			return err == nil && info["Persistence"]["aof_rewrite_in_progress"] == "0" && info["Persistence"]["aof_rewrite_scheduled"] == "0"
		})
		return true
	}
	return n[0] == int64(1)
}

// Without memory nothing is half done: what cannot be written down is, once there is
// memory again.
func TestRedisIsOutOfMemory(t *testing.T) {
	t.Parallel()
	client := connect(t, testserver.Redis(t))
	var got record
	begun := make(chan struct{})
	goOn := make(chan struct{})
	run(t, client, func(_ context.Context, m *Message) error {
		got.add(m)
		if m.Attempt == 1 {
			close(begun)
			<-goOn
			return errRefused
		}
		return nil
	}, quick())
	publish(t, client, events, "1")
	<-begun
	if err := client.ConfigSet(t.Context(), "maxmemory", "1").Err(); err != nil {
		t.Fatal(err)
	}
	close(goOn)
	eventually(t, "Redis has refused it", func() bool {
		info, err := client.InfoMap(t.Context(), "errorstats").Result()
		return err == nil && info["Errorstats"]["errorstat_OOM"] != ""
	})
	if s := seenOf(t, client, events); s.pending != 1 || s.waiting != 0 {
		t.Errorf("%+v", s)
	}
	if err := client.ConfigSet(t.Context(), "maxmemory", "0").Err(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is done", func() bool { return len(got.ids()) == 2 })
	allSettled(t, client, events)
}
