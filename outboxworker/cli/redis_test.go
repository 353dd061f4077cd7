package cli

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/weirproxy/weir/internal/freeport"
	"github.com/weirproxy/weir/internal/testserver"
	"github.com/weirproxy/weir/outboxworker/config"
)

func TestAProcessHasOneClientOfARedis(t *testing.T) {
	one, same := &config.Redis{URL: "redis://127.0.0.1:1", Timeout: 1}, &config.Redis{URL: "redis://127.0.0.1:1", Timeout: 1}
	other := &config.Redis{URL: "redis://127.0.0.1:1", Timeout: 2}
	var c clients
	open := func(settings *config.Redis) redis.UniversalClient {
		t.Helper()
		client, err := c.of(settings)
		if err != nil {
			t.Fatal(err)
		}
		return client
	}
	first := open(one)
	if open(same) != first {
		t.Error("the same Redis has two clients")
	}
	second := open(other)
	if second == first {
		t.Error("another Redis has the same client")
	}
	if err := c.keep(other); err != nil {
		t.Fatal(err)
	}
	if err := first.Ping(t.Context()).Err(); err != redis.ErrClosed {
		t.Errorf("the client that nobody uses: %v", err)
	}
	if open(other) != second {
		t.Error("a client that is in use was exchanged")
	}
	if err := c.keep(nil); err != nil {
		t.Fatal(err)
	}
	if err := second.Ping(t.Context()).Err(); err != redis.ErrClosed {
		t.Errorf("the last client: %v", err)
	}
}

// A relay has timers where the configuration says, and a reload takes them elsewhere.
func TestRunHasTimersInTheRedisOfItsConfiguration(t *testing.T) {
	f := newFixture(t, nil)
	address := freeport.Address(t)
	content := func(url string) string {
		return fmt.Sprintf("redis: {url: %q}\n", url) + f.configuration(settings{address: address, path: "/a"})
	}
	old, next := testserver.Redis(t), testserver.Redis(t)
	r := start(t, content(old.URL()))
	up := func() bool {
		_, body := get(address, "/metrics")
		return strings.Contains(body, `outbox_timers_up{outbox="first"} 1`)
	}
	eventually(t, "there are timers", up)
	database := f.conn.Config().Database
	for i, url := range []string{old.URL(), next.URL()} {
		if i > 0 {
			r.reload(content(url))
			r.logged("reloaded the configuration", 1)
		}
		options, err := redis.ParseURL(url)
		if err != nil {
			t.Fatal(err)
		}
		client := redis.NewClient(options)
		defer func() { _ = client.Close() }()
		eventually(t, "the queue has its name", func() bool {
			return client.Exists(t.Context(), "retry:{"+database+".first}:epoch").Val() == 1
		})
		eventually(t, "there are timers", up)
		defer eventually(t, "the worker leaves Redis", func() bool {
			return strings.Count(client.ClientList(t.Context()).Val(), "\n") == 1
		})
	}
	r.signals <- syscall.SIGTERM
	if err := r.end(); err != nil {
		t.Error(err)
	}
}
