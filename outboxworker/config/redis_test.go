package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/weirproxy/weir/internal/testserver"
)

// opened returns a client of the section redis, which is closed with the test.
func opened(t *testing.T, section string) redis.UniversalClient {
	t.Helper()
	c := load(t, "database: {url: postgres://worker@localhost/shop}\nredis: "+section+"\noutboxes: [{sink: {stdout: {}}}]\n")
	client, err := c.Redis.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// A client logs in as a user with few rights, whose password is in a file, and repeats
// nothing.
func TestRedisWithAUser(t *testing.T) {
	server := testserver.Redis(t)
	admin := opened(t, fmt.Sprintf("{url: %q}", server.URL()))
	if err := admin.Do(t.Context(), "ACL", "SETUSER", "worker", "on", ">s3cret/word", "~retry:*", "+ping", "+get", "+select").Err(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("s3cret/word\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	client := opened(t, fmt.Sprintf("{url: \"redis://worker:wrong@127.0.0.1:%d/3\", password_file: %q, timeout: 2s}", server.Port(), file))
	if err := client.Get(t.Context(), "retry:{x}:epoch").Err(); err != redis.Nil {
		t.Errorf("a key that the user may read: %v", err)
	}
	if err := client.Get(t.Context(), "other").Err(); err == nil || !strings.Contains(err.Error(), "NOPERM") {
		t.Errorf("a key that the user may not read: %v", err)
	}
	o := client.(*redis.Client).Options()
	if o.DB != 3 || o.MaxRetries != 0 || o.ReadTimeout != 2*time.Second || o.DialTimeout != 2*time.Second || !o.ContextTimeoutEnabled {
		t.Errorf("options %+v", o)
	}
}

// Sentinel tells who is the master, and who is after a failover.
func TestRedisWithSentinel(t *testing.T) {
	master, replica := testserver.Redis(t), testserver.Redis(t)
	second := opened(t, fmt.Sprintf("{url: %q}", replica.URL()))
	if err := second.ReplicaOf(t.Context(), "127.0.0.1", fmt.Sprint(master.Port())).Err(); err != nil {
		t.Fatal(err)
	}
	sentinel := testserver.Sentinel(t, master, "orders", 500*time.Millisecond)
	client := opened(t, fmt.Sprintf("{sentinel: {master: orders, addresses: [%q]}, url: \"redis:///2\", timeout: 1s}", sentinel))
	soon(t, "the master is found", func() bool { return client.Set(t.Context(), "k", "v", 0).Err() == nil })
	asked := redis.NewSentinelClient(&redis.Options{Addr: sentinel})
	defer func() { _ = asked.Close() }()
	soon(t, "the Sentinel knows the replica", func() bool {
		found, err := asked.Replicas(t.Context(), "orders").Result()
		return err == nil && len(found) == 1 && found[0]["master-link-status"] == "ok"
	})
	soon(t, "the replica has the key", func() bool {
		return second.Do(t.Context(), "DBSIZE").Err() == nil && strings.Contains(second.Info(t.Context(), "keyspace").Val(), "db2:keys=1")
	})
	if err := master.Kill(); err != nil {
		t.Fatal(err)
	}
	soon(t, "the replica is the master", func() bool { return client.Set(t.Context(), "k", "after", 0).Err() == nil })
	if got := second.Info(t.Context(), "replication").Val(); !strings.Contains(got, "role:master") {
		t.Errorf("the replica has written, and says %q", got)
	}
}

func soon(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not true within 30s: %s", what)
		}
	}
}

// Databases and schemas have names of their own, whatever characters are in them.
func TestNamesOfQueues(t *testing.T) {
	c := load(t, `
database: {url: "postgres://worker@localhost/shop"}
redis: {url: redis://localhost}
outboxes:
  - {schema: outbox, sink: {stdout: {}}}
  - {schema: second, retry: {queue: "own:name"}, sink: {stdout: {}}}
  - {schema: third, retry: {timers: false}, sink: {stdout: {}}}
`)
	for i, want := range []bool{true, true, false} {
		q, err := c.Outboxes[i].Timers(nil, &pgx.ConnConfig{}, zap.NewNop())
		if err != nil || (q != nil) != want {
			t.Errorf("outbox %d: a queue: %t, %v", i, q != nil, err)
		}
	}
	seen := make(map[string]bool)
	for _, name := range []string{"shop", "sh op", "sh:20op", "sh_op", "shop.a", "größe"} {
		database := new(pgx.ConnConfig)
		database.Database = name
		for _, schema := range []string{"outbox", "a.outbox"} {
			queue := queueName(database, schema)
			if seen[queue] {
				t.Errorf("%s.%s has the name of another: %s", name, schema, queue)
			}
			seen[queue] = true
		}
	}
	database := new(pgx.ConnConfig)
	database.User = "worker"
	if got := queueName(database, "outbox"); got != "worker.outbox" {
		t.Errorf("a database that is not named has the queue %s", got)
	}
}
