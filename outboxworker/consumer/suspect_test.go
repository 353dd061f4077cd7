package consumer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/weirproxy/weir/internal/testserver"
)

// pendingWith has the entries of a stream pending at a consumer that is gone, and delivered
// so many times each.
func pendingWith(t *testing.T, client *redis.Client, stream string, delivered ...int) {
	t.Helper()
	if err := client.XGroupCreate(t.Context(), stream, group, "0").Err(); err != nil {
		t.Fatal(err)
	}
	read := &redis.XReadGroupArgs{Group: group, Consumer: "owner", Streams: []string{stream, ">"}}
	found, err := client.XReadGroup(t.Context(), read).Result()
	if err != nil {
		t.Fatal(err)
	}
	for i, entry := range found[0].Messages {
		if err := client.Do(t.Context(), "XCLAIM", stream, group, "owner", 0, entry.ID,
			"IDLE", time.Hour.Milliseconds(), "RETRYCOUNT", delivered[i], "JUSTID").Err(); err != nil {
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
			for _, id := range []string{"never", "2", "3", "4"} {
				publish(t, client, stream, id)
			}
			pendingWith(t, client, stream, suspectFrom, suspectFrom, suspectFrom, suspectFrom)
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

// Consumers of two groups, in one process, together have one suspect in hand at a time.
func TestSuspectsOfTwoGroups(t *testing.T) {
	t.Parallel()
	client := connect(t, testserver.Redis(t))
	const each = 10
	var got record
	var at, most atomic.Int32
	handler := func(_ context.Context, m *Message) error {
		most.Store(max(most.Load(), at.Add(1)))
		defer at.Add(-1)
		time.Sleep(10 * time.Millisecond) // the work
		got.add(m)
		return nil
	}
	options := quick()
	options.Suspects = NewSuspects()
	inOrder := ordered()
	inOrder.Suspects = options.Suspects
	delivered := slices.Repeat([]int{suspectFrom}, each)
	for i := range each {
		publish(t, client, events, fmt.Sprint("plain", i))
		publish(t, client, laneOf(""), fmt.Sprint("ordered", i))
	}
	pendingWith(t, client, events, delivered...)
	pendingWith(t, client, laneOf(""), delivered...)
	run(t, client, handler, options)
	run(t, client, handler, inOrder)
	eventually(t, "all are done", func() bool { return got.distinct() == 2*each })
	if most.Load() != 1 {
		t.Errorf("%d were in hand at once", most.Load())
	}
}

// waitingSuspect has a suspect wait that is due then, in ms.
func waitingSuspect(t *testing.T, client *redis.Client, s *stream, id string, due float64) {
	t.Helper()
	if err := errors.Join(
		client.HSet(t.Context(), s.entries, id, "\x96\xa2id\xa3"+id+"\xa5topic\xa1t\xa7payload\xa1p").Err(),
		client.HSet(t.Context(), s.state, id, fmt.Sprintf(`{"entry":%q,"attempts":0,"takeovers":%d}`, id, suspectFrom)).Err(),
		client.ZAdd(t.Context(), s.due, redis.Z{Member: id, Score: due}).Err(),
	); err != nil {
		t.Fatal(err)
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
	waitingSuspect(t, client, s, "1-1", 0)
	waitingSuspect(t, client, s, "1-2", 0)
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

// A suspect that was not postponed is not begun before its time.
func TestSuspectIsNotTakenEarly(t *testing.T) {
	client := connect(t, testserver.Redis(t))
	c, err := New(client, group, func(context.Context, *Message) error { return nil }, quick())
	if err != nil {
		t.Fatal(err)
	}
	due := client.Time(t.Context()).Val().Add(90 * time.Millisecond)
	waitingSuspect(t, client, c.streams[0], "1-1", float64(due.UnixMilli()))
	eventually(t, "it is claimed", func() bool {
		found, err := c.claim(t.Context(), c.streams[0])
		return err == nil && len(found.jobs) == 1
	})
	if at := client.Time(t.Context()).Val(); at.Before(due.Truncate(time.Millisecond)) {
		t.Errorf("it was claimed %s early", due.Sub(at))
	}
}

// A lane that is lost while its suspect waits for a handler that does not end gives the
// suspects of other lanes their turn.
func TestSuspectOfALaneThatIsLost(t *testing.T) {
	client := connect(t, testserver.Redis(t))
	lost, other := LaneStreams(events)[0], streamOf(t, LaneStreams(events)[1])
	for _, id := range []string{"slow", "suspect"} {
		appended(t, client, lost, "id", id, "topic", "orders", "key", "k", "payload", "p")
	}
	pendingWith(t, client, lost, 1, suspectFrom)
	release, begun := make(chan struct{}), make(chan struct{}, 10)
	var got record
	run(t, client, func(_ context.Context, m *Message) error {
		if m.ID == "slow" {
			begun <- struct{}{}
			<-release // it does not look at its context
		}
		got.add(m)
		return nil
	}, ordered())
	defer close(release)
	<-begun
	waitingSuspect(t, client, other, "1-1", 0)
	if err := client.HSet(t.Context(), streamOf(t, lost).owner, "owner", "another").Err(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the suspect of the other lane is done", func() bool { return got.count("1-1") == 1 })
}
