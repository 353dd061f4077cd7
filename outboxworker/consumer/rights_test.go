package consumer

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/weirproxy/weir/internal/testserver"
	"github.com/weirproxy/weir/outboxworker/idempotency/redisclaim"
	"github.com/weirproxy/weir/outboxworker/localserver"
)

// restricted makes a user as a line ACL SETUSER says, whose password is "password", and
// returns a client of that user. When the test ends nothing may have been refused.
func restricted(t *testing.T, server *localserver.Redis, line string) *redis.Client {
	t.Helper()
	admin := connect(t, server)
	var args []any
	for word := range strings.FieldsSeq(line) {
		args = append(args, word)
	}
	if err := admin.Do(t.Context(), args...).Err(); err != nil {
		t.Fatal(err)
	}
	parsed, err := redis.ParseURL(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	parsed.Username, parsed.Password, parsed.PoolSize = args[2].(string), "password", 100
	client := redis.NewClient(parsed)
	t.Cleanup(func() {
		_ = client.Close()
		log, err := admin.ACLLog(context.Background(), 20).Result()
		if err != nil {
			t.Error(err)
		}
		for _, refused := range log {
			t.Errorf("refused: %+v", *refused)
		}
	})
	return client
}

var rightsLine = "ACL SETUSER consumer on >password resetkeys ~events:* ~consumer:* -@all " + Rights

// all has a consumer and an operator do all that they do.
func all(t *testing.T, client *redis.Client, options Options, stream string) {
	t.Helper()
	options.Retries = 1
	c := run(t, client, func(_ context.Context, m *Message) error {
		if m.ID == "dead" && m.Replays == 0 || m.Attempt == 1 {
			return errRefused
		}
		return nil
	}, options)
	publish(t, client, stream, "fine")
	publish(t, client, stream, "dead")
	d := deadOf(t, client, stream)
	eventually(t, "one is dead", func() bool { return len(listed(t, d, Filter{})) == 1 })
	if changed, err := d.Replay(t.Context(), Filter{}, Change{}); err != nil || changed.Changed != 1 {
		t.Fatal(changed, err)
	}
	eventually(t, "none is dead", func() bool { return len(listed(t, d, Filter{})) == 0 })
	allSettled(t, client, stream)
	s := streamOf(t, stream)
	if err := errors.Join(client.ZAdd(t.Context(), s.audit+"2", redis.Z{Member: "x"}).Err(), client.Rename(t.Context(), s.audit+"2", s.replaying).Err()); err != nil {
		t.Fatal(err)
	}
	if _, err := setAside(t.Context(), client, c.logger, s); err != nil {
		t.Error(err)
	}
	if err := errors.Join(c.trim(t.Context(), s), c.forget(t.Context(), s)); err != nil {
		t.Error(err)
	}
	if lines, err := d.Audit(t.Context(), "", 10); err != nil || len(lines) != 1 {
		t.Error(lines, err)
	}
	c.stop()
	operate(t, client, stream)
}

// A user of Redis needs no more than the package says.
func TestRights(t *testing.T) {
	t.Parallel()
	client := restricted(t, testserver.Redis(t), rightsLine)
	all(t, client, quick(), events)
	c, err := New(client, group, func(context.Context, *Message) error { return nil }, quick())
	if err != nil {
		t.Fatal(err)
	}
	if err := client.HSet(t.Context(), c.streams[0].entries, "x", "y").Err(); err != nil {
		t.Fatal(err)
	}
	if err := c.repair(t.Context(), c.streams[0]); err != nil {
		t.Error(err)
	}
}

func TestOrderedRights(t *testing.T) {
	t.Parallel()
	all(t, restricted(t, testserver.Redis(t), rightsLine), ordered(), laneOf("kfine"))
}

// The rights on the page are enough for a consumer with claims.
func TestRightsOfThePage(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/outbox-consumers.md")
	if err != nil {
		t.Fatal(err)
	}
	_, line, found := strings.Cut(string(page), "\nACL SETUSER ")
	line, _, _ = strings.Cut(line, "\n")
	if !found {
		t.Fatal("the page has no such line")
	}
	for stream, options := range map[string]Options{events: quick(), laneOf("kfine"): ordered()} {
		client := restricted(t, testserver.Redis(t), "ACL SETUSER "+line)
		store, err := redisclaim.New(client, redisclaim.DefaultSettings())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := store.Check(t.Context()); err != nil {
			t.Error(err)
		}
		options.Idempotency = store
		all(t, client, options, stream)
	}
}
