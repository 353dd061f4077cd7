package retryqueue

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/weirproxy/weir/internal/redisclient"
	"github.com/weirproxy/weir/internal/testserver"
	"github.com/weirproxy/weir/outboxworker/localserver"
)

// A Sentinel makes the replica the master when the master is killed, and relays follow by
// themselves.
func TestSentinelFailover(t *testing.T) {
	t.Parallel()
	sentinelFailover(t, (*localserver.Redis).Kill, func(*localserver.Redis) {})
}

// The same for a master that stops, and goes on when there is another: it takes itself for
// the master until the Sentinel tells it otherwise.
func TestSoakSentinelFailoverOfAStoppedMaster(t *testing.T) {
	if os.Getenv("WEIR_SOAK") == "" {
		return // the short form is TestSentinelFailover
	}
	stop := func(master *localserver.Redis) error { return syscall.Kill(master.PID(), syscall.SIGSTOP) }
	for range 5 {
		sentinelFailover(t, stop, func(master *localserver.Redis) {
			if err := syscall.Kill(master.PID(), syscall.SIGCONT); err != nil {
				t.Fatal(err)
			}
			client := connect(t, master)
			eventually(t, "the old master is a replica", func() bool {
				return strings.Contains(client.Info(t.Context(), "replication").Val(), "role:slave")
			})
		})
	}
}

// sentinelFailover has the master fail under load, and afterwards is called when there is
// another.
func sentinelFailover(t *testing.T, fail func(*localserver.Redis) error, afterwards func(*localserver.Redis)) {
	t.Helper()
	p := newPair(t, false)
	// The Sentinel asks the master where its replica is: it must reach it without the link.
	if err := p.second.ReplicaOf(t.Context(), "127.0.0.1", fmt.Sprint(p.master.Port())).Err(); err != nil {
		t.Fatal(err)
	}
	address := testserver.Sentinel(t, p.master, "retries", time.Second)
	client, err := redisclient.New(redisclient.Options{
		Sentinel: &redisclient.Sentinel{Master: "retries", Addresses: []string{address}}, DialTimeout: 5 * time.Second, Timeout: 5 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	asked := redis.NewSentinelClient(&redis.Options{Addr: address})
	defer func() { _ = asked.Close() }()
	eventually(t, "the Sentinel knows the replica", func() bool {
		found, err := asked.Replicas(t.Context(), "retries").Result()
		return err == nil && len(found) == 1 && found[0]["master-link-status"] == "ok" && found[0]["flags"] == "slave"
	})
	q, _ := openOn(t, client)
	var took time.Duration
	through(t, q, func(*table) {
		began := time.Now()
		if err := fail(p.master); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the replica is the master", func() bool {
			return strings.Contains(p.second.Info(t.Context(), "replication").Val(), "role:master")
		})
		took = time.Since(began)
		afterwards(p.master)
	})
	t.Logf("the replica was the master after %s", took)
}
