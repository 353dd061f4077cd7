package consumer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/weirproxy/weir/internal/testserver"
)

// vanishedWith appends messages with which consumers have vanished so often that they are
// suspects, and returns once they are pending at one that is gone.
func vanishedWith(t *testing.T, client *redis.Client, stream string, ids ...string) {
	t.Helper()
	for _, id := range ids {
		publish(t, client, stream, id)
	}
	if err := client.XGroupCreate(t.Context(), stream, group, "0").Err(); err != nil {
		t.Fatal(err)
	}
	read := &redis.XReadGroupArgs{Group: group, Consumer: "owner", Streams: []string{stream, ">"}}
	found, err := client.XReadGroup(t.Context(), read).Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range found[0].Messages {
		if err := client.Do(t.Context(), "XCLAIM", stream, group, "owner", 0, entry.ID,
			"IDLE", time.Hour.Milliseconds(), "RETRYCOUNT", suspectFrom, "JUSTID").Err(); err != nil {
			t.Fatal(err)
		}
	}
}

// A suspect whose handler misses something for ever does not keep the others from being tried.
func TestSuspectThatIsNeverAvailable(t *testing.T) {
	for _, inOrder := range []bool{false, true} {
		t.Run(fmt.Sprint("ordered=", inOrder), func(t *testing.T) {
			t.Parallel()
			client := connect(t, testserver.Redis(t))
			options, stream := quick(), events
			if inOrder {
				options, stream = ordered(), laneOf("")
			}
			vanishedWith(t, client, stream, "never", "2", "3", "4")
			var got record
			run(t, client, func(_ context.Context, m *Message) error {
				if m.ID == "never" {
					return Unavailable(errRefused, 10*time.Millisecond)
				}
				got.add(m)
				return nil
			}, options)
			eventually(t, "the others are done", func() bool { return got.distinct() == 3 })
		})
	}
}

// farConn is a connection to a server that is some way off.
type farConn struct{ net.Conn }

func (c *farConn) Write(p []byte) (int, error) {
	time.Sleep(3 * time.Millisecond) // the way
	return c.Conn.Write(p)
}

// A suspect that waits for a retry is not kept by a consumer that may not take it from one
// that may, though that one is further away.
func TestSuspectIsTakenByWhoMay(t *testing.T) {
	server := testserver.Redis(t)
	client := connect(t, server)
	s := streamOf(t, events)
	for _, id := range []string{"1-1", "1-2"} {
		if err := errors.Join(
			client.HSet(t.Context(), s.entries, id, "\x96\xa2id\xa3"+id+"\xa5topic\xa1t\xa7payload\xa1p").Err(),
			client.HSet(t.Context(), s.state, id, fmt.Sprintf(`{"entry":%q,"attempts":0,"takeovers":%d}`, id, suspectFrom)).Err(),
			client.ZAdd(t.Context(), s.due, redis.Z{Member: id}).Err(),
		); err != nil {
			t.Fatal(err)
		}
	}
	release := make(chan struct{})
	var near, far record
	run(t, client, func(_ context.Context, m *Message) error {
		near.add(m)
		<-release
		return nil
	}, quick())
	defer close(release)
	eventually(t, "one is in hand", func() bool { return near.distinct() == 1 })

	parsed, err := redis.ParseURL(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	parsed.Dialer = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		return &farConn{conn}, err
	}
	remote := redis.NewClient(parsed)
	t.Cleanup(func() { _ = remote.Close() })
	began := time.Now()
	run(t, remote, func(_ context.Context, m *Message) error {
		far.add(m)
		return nil
	}, quick())
	for far.distinct() == 0 && time.Since(began) < 5*time.Second {
		time.Sleep(5 * time.Millisecond)
	}
	if far.distinct() != 1 || near.distinct() != 1 {
		t.Errorf("after %s the one has %d, the other %d", time.Since(began), near.distinct(), far.distinct())
	}
}
