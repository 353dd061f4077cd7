package consumer

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/weirproxy/weir/internal/testserver"
	"github.com/weirproxy/weir/outboxworker/localserver"
)

// The test binary is run as a consumer on this Redis, of this name.
const (
	orderedRedis = "CONSUMER_TEST_ORDERED_REDIS"
	orderedName  = "CONSUMER_TEST_ORDERED_NAME"
)

// chaosLease is longer than a busy machine keeps a process from running.
const chaosLease = 2 * time.Second

// diary is a list of what handlers did, in the order in which Redis was told.
const diary = "diary"

// TestOrderedChild is a consumer that TestSoakOrderedConsumersDie runs, until it is told to
// stop, or killed.
func TestOrderedChild(t *testing.T) {
	url, name := os.Getenv(orderedRedis), os.Getenv(orderedName)
	if url == "" {
		return
	}
	options, err := redis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	options.PoolSize = 50
	client := redis.NewClient(options)
	ctx, stop := signal.NotifyContext(t.Context(), syscall.SIGTERM)
	defer stop()
	if err := client.SAdd(ctx, "listening", name).Err(); err != nil {
		t.Fatal(err)
	}
	o := ordered()
	o.Consumer, o.Lease = name, chaosLease
	c, err := New(client, group, func(ctx context.Context, m *Message) error {
		tell := func(what string) error {
			return client.RPush(context.WithoutCancel(ctx), diary, strings.Join([]string{what, name, m.Stream, m.ID}, " ")).Err()
		}
		if err := tell("begin"); err != nil {
			return err
		}
		time.Sleep(rand.N(30 * time.Millisecond)) // the work
		if rand.IntN(10) == 0 {
			return errors.Join(errRefused, tell("fail"))
		}
		return tell("done")
	}, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Run(ctx); err != nil {
		t.Fatal(err)
	}
}

// children are consumers that run as processes.
type children struct {
	t      *testing.T
	url    string
	client *redis.Client
	number int
	live   []*exec.Cmd
	names  map[*exec.Cmd]string
	// harmed are those that were killed, or stopped for longer than their lease.
	harmed map[string]bool
}

func (c *children) begin() {
	c.t.Helper()
	c.number++
	name := fmt.Sprint("c", c.number)
	child := exec.Command(os.Args[0], "-test.run=^TestOrderedChild$")
	child.Env = append(os.Environ(), orderedRedis+"="+c.url, orderedName+"="+name)
	child.Stderr = os.Stderr
	if err := child.Start(); err != nil {
		c.t.Fatal(err)
	}
	c.live = append(c.live, child)
	c.names[child] = name
}

// end sends a signal to a child and waits for its end.
func (c *children) end(child *exec.Cmd, with os.Signal) {
	c.t.Helper()
	c.live = slices.DeleteFunc(c.live, func(other *exec.Cmd) bool { return other == child })
	eventually(c.t, c.names[child]+" listens to signals", func() bool {
		return c.client.SIsMember(context.Background(), "listening", c.names[child]).Val()
	})
	if err := child.Process.Signal(with); err != nil {
		c.t.Fatal(err)
	}
	err := child.Wait()
	if with == syscall.SIGTERM && err != nil {
		c.t.Errorf("%s was told to stop and ends with %v", c.names[child], err)
	}
}

// harm does something to a child at random.
func (c *children) harm() {
	child := c.live[rand.IntN(len(c.live))]
	switch rand.IntN(4) {
	case 0:
		c.harmed[c.names[child]] = true
		c.end(child, syscall.SIGKILL)
		c.begin()
	case 1:
		c.harmed[c.names[child]] = true
		if err := child.Process.Signal(syscall.SIGSTOP); err != nil {
			c.t.Fatal(err)
		}
		time.Sleep(chaosLease + rand.N(time.Second)) // beyond the lease
		if err := child.Process.Signal(syscall.SIGCONT); err != nil {
			c.t.Fatal(err)
		}
	case 2:
		c.end(child, syscall.SIGTERM)
		c.begin()
	case 3:
		if len(c.live) < 4 {
			c.begin()
		} else {
			c.end(child, syscall.SIGTERM)
		}
	}
}

// Consumers come, go, are killed, and are stopped for longer than their lease: the
// messages of a key are done in order, and none is lost.
func TestSoakOrderedConsumersDie(t *testing.T) {
	t.Parallel()
	messages, harming := 1500, 8*time.Second
	if os.Getenv("WEIR_SOAK") != "" {
		messages, harming = 30_000, 3*time.Minute
	}
	const keys = 40
	server := testserver.RedisWith(t, localserver.RedisOptions{})
	client := connect(t, server)
	c := &children{t: t, url: server.URL(), client: client, names: make(map[*exec.Cmd]string), harmed: make(map[string]bool)}
	t.Cleanup(func() {
		for _, child := range c.live {
			_ = child.Process.Kill()
			_ = child.Wait()
		}
	})
	for range 3 {
		c.begin()
	}
	posted := make(chan struct{})
	go func() {
		defer close(posted)
		for i := range messages {
			post(t, client, fmt.Sprint("k", i%keys), i/keys+1)
			time.Sleep(harming / time.Duration(messages))
		}
	}()
	for end := time.Now().Add(harming); time.Now().Before(end); {
		c.harm()
		time.Sleep(rand.N(300 * time.Millisecond))
	}
	<-posted
	assertEmpty(t, client)
	for len(c.live) > 0 {
		c.end(c.live[0], syscall.SIGTERM)
	}
	entries, err := client.LRange(t.Context(), diary, 0, -1).Result()
	if err != nil {
		t.Fatal(err)
	}
	c.assertOrder(entries, messages)
	c.assertOwners(entries)
}

// assertOrder checks that of each key all messages were done, in order but for repeats.
func (c *children) assertOrder(entries []string, messages int) {
	c.t.Helper()
	last, done, repeats := make(map[string]int), make(map[string]bool), 0
	for _, entry := range entries {
		words := strings.Fields(entry)
		if words[0] != "done" {
			continue
		}
		id := words[3]
		if done[id] {
			repeats++
			continue
		}
		done[id] = true
		key, text, _ := strings.Cut(id, "/")
		n, err := strconv.Atoi(text)
		if err != nil || n <= last[key] {
			c.t.Errorf("message %s is done after %d", id, last[key])
		}
		last[key] = n
	}
	if len(done) != messages {
		c.t.Errorf("%d of %d messages are done", len(done), messages)
	}
	c.t.Logf("%d consumers, of which %d were harmed; %d messages were done again", c.number, len(c.harmed), repeats)
	if len(c.harmed) == 0 {
		c.t.Error("no consumer was harmed")
	}
}

// assertOwners checks that no two consumers handled messages of one lane at once, unless
// one of them had been killed or stopped for longer than its lease, and that no consumer
// handled two of a key at once.
func (c *children) assertOwners(entries []string) {
	c.t.Helper()
	busy := make(map[string]map[string]int) // lane, consumer: how many it handles
	keys := make(map[string]string)
	for _, entry := range entries {
		words := strings.Fields(entry)
		what, name, lane, id := words[0], words[1], words[2], words[3]
		key, _, _ := strings.Cut(id, "/")
		if busy[lane] == nil {
			busy[lane] = make(map[string]int)
		}
		if what != "begin" {
			busy[lane][name]--
			delete(keys, name+" "+key)
			continue
		}
		busy[lane][name]++
		if before := keys[name+" "+key]; before != "" {
			c.t.Errorf("%s begins %s while it handles %s", name, id, before)
		}
		keys[name+" "+key] = id
		for other, n := range busy[lane] {
			if other != name && n > 0 && !c.harmed[other] && !c.harmed[name] {
				c.t.Errorf("%s begins %s while %s handles %d in %s", name, id, other, n, lane)
			}
		}
	}
}
