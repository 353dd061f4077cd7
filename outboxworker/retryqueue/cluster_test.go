package retryqueue

import (
	"context"
	"errors"
	"path"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/weirproxy/weir/internal/freeport"
	"github.com/weirproxy/weir/internal/testserver"
	"github.com/weirproxy/weir/outboxworker/localserver"
)

// calls records the keys of the scripts' calls, by the script's digest.
type calls struct {
	mu   sync.Mutex
	keys map[string][][]string
}

func (c *calls) DialHook(next redis.DialHook) redis.DialHook { return next }

func (c *calls) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func (c *calls) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if args := cmd.Args(); cmd.Name() == "evalsha" {
			keys := make([]string, args[2].(int))
			for i := range keys {
				keys[i] = args[3+i].(string)
			}
			c.mu.Lock()
			c.keys[args[1].(string)] = append(c.keys[args[1].(string)], keys)
			c.mu.Unlock()
		}
		return next(ctx, cmd)
	}
}

// slot is that of a key: the CRC16 (XMODEM) of its hash tag, by the cluster specification.
func slot(key string) uint16 {
	if _, after, ok := strings.Cut(key, "{"); ok {
		if tag, _, ok := strings.Cut(after, "}"); ok && tag != "" {
			key = tag
		}
	}
	var crc uint16
	for _, b := range []byte(key) {
		crc ^= uint16(b) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
	}
	return crc % 16384
}

func TestSlot(t *testing.T) {
	// The first from the specification, the others from CLUSTER KEYSLOT.
	for key, want := range map[string]uint16{"123456789": 0x31c3, "foo": 12182, "a{foo}b": 12182, "{}foo": 9500} {
		if got := slot(key); got != want {
			t.Errorf("%s is in slot %d, want %d", key, got, want)
		}
	}
}

// cluster starts a server that is a cluster of one, and refuses calls over several slots.
func cluster(t *testing.T) *redis.ClusterClient {
	t.Helper()
	server := testserver.RedisWith(t, localserver.RedisOptions{Settings: map[string]string{
		"cluster-enabled": "yes", "cluster-announce-ip": "127.0.0.1", "cluster-port": strconv.Itoa(freeport.Port(t)),
	}})
	node := connect(t, server)
	if err := node.Do(t.Context(), "CLUSTER", "ADDSLOTSRANGE", 0, 16383).Err(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the cluster serves", func() bool {
		info, err := node.ClusterInfo(t.Context()).Result()
		return err == nil && strings.Contains(info, "cluster_state:ok")
	})
	client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{"127.0.0.1:" + strconv.Itoa(server.Port())}})
	t.Cleanup(func() {
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	})
	err := client.Process(t.Context(), redis.NewCmd(t.Context(), "eval", "return 1", 2, "a", "b"))
	if err == nil || !strings.Contains(strings.ToLower(err.Error()), "slot") {
		t.Fatalf("a call over two slots: %v", err)
	}
	return client
}

// The whole of a queue works in a cluster, and every call's keys are in one slot and as
// many as the script's file says.
func TestCluster(t *testing.T) {
	client := cluster(t)
	recorded := &calls{keys: make(map[string][][]string)}
	client.AddHook(recorded)
	q, _ := openOn(t, client)
	listen(t, q)
	assertNotWhole(t, q)
	rebuild(t, q, Timer{1, -time.Second})
	c := claim(t, q, 1, lease)
	assertIDs(t, c, 1)
	hint := q.hint.next()
	if _, err := q.Return(t.Context(), Returned{c.Claims[0], 0}); err != nil {
		t.Fatal(err)
	}
	select {
	case <-hint:
	case <-time.After(20 * time.Second):
		t.Error("no hint")
	}
	if _, err := q.Done(t.Context(), claimEventually(t, q, 1, lease).Claims...); err != nil {
		t.Fatal(err)
	}
	schedule(t, q, Timer{2, time.Hour})
	if err := q.Remove(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	assertStats(t, q, 0, 0, 0)
	if err := errors.Join(client.Del(t.Context(), q.due).Err(), client.Set(t.Context(), q.due, "text", 0).Err()); err != nil {
		t.Fatal(err)
	}
	assertNotWhole(t, q)

	for file, script := range scripts {
		keys := script.keysOf(t, file)
		made := recorded.keys[script.Hash()]
		if len(made) == 0 {
			t.Errorf("%s was not called", file)
		}
		for _, call := range made {
			if len(call) != keys {
				t.Errorf("%s is called with %d keys", file, len(call))
			}
			for _, key := range call {
				if slot(key) != slot(call[0]) || !strings.HasPrefix(key, "retry:{orders}:") {
					t.Errorf("%s is called with %q", file, call)
				}
			}
		}
	}
}

type named struct {
	*redis.Script
	text string
}

var scripts = map[string]named{
	"claim-4.lua": {claimScript, claimText}, "schedule-2.lua": {scheduleScript, scheduleText},
	"settle-2.lua": {settleScript, settleText}, "finish-1.lua": {finishScript, finishText},
	"setaside-3.lua": {setAsideScript, setAsideText}, "stats-4.lua": {statsScript, statsText},
}

// keysOf is the number of keys in the name of a script's file, which must be that of its
// header and of its code.
func (s named) keysOf(t *testing.T, file string) int {
	t.Helper()
	base := strings.TrimSuffix(file, path.Ext(file))
	keys, err := strconv.Atoi(base[strings.LastIndex(base, "-")+1:])
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(s.text, "-- "+base+": ") {
		t.Errorf("%s does not begin with its name", file)
	}
	header, code, _ := strings.Cut(s.text, "\n\n")
	for _, part := range []struct{ name, text string }{{"header", header}, {"code", code}} {
		most := 0
		for _, found := range regexp.MustCompile(`KEYS\[(\d+)\]`).FindAllStringSubmatch(part.text, -1) {
			n, err := strconv.Atoi(found[1])
			if err != nil {
				t.Fatal(err)
			}
			most = max(most, n)
		}
		if most != keys {
			t.Errorf("%s: the %s has %d keys", file, part.name, most)
		}
	}
	return keys
}
