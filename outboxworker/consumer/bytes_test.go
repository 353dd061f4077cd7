package consumer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/weirproxy/weir/internal/testserver"
)

// meter measures the largest answer of a server: what is read of a connection between two
// writes.
type meter struct{ largest atomic.Int64 }

type meteredConn struct {
	net.Conn
	meter *meter
	read  atomic.Int64
}

func (c *meteredConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	read := c.read.Add(int64(n))
	for {
		before := c.meter.largest.Load()
		if read <= before || c.meter.largest.CompareAndSwap(before, read) {
			return n, err
		}
	}
}

func (c *meteredConn) Write(p []byte) (int, error) {
	c.read.Store(0)
	return c.Conn.Write(p)
}

// What Redis answers at once is bounded in bytes, however large entries are and however many
// there are of them: new ones, those of a consumer that vanished, and what is tried again.
func TestAnswersAreBounded(t *testing.T) {
	const count, each, few = 80, 1 << 20, 8
	for _, inOrder := range []bool{false, true} {
		t.Run(fmt.Sprint("ordered=", inOrder), func(t *testing.T) {
			server := testserver.Redis(t)
			parsed, err := redis.ParseURL(server.URL())
			if err != nil {
				t.Fatal(err)
			}
			var m meter
			parsed.Dialer = func(ctx context.Context, network, address string) (net.Conn, error) {
				conn, err := new(net.Dialer).DialContext(ctx, network, address)
				return &meteredConn{Conn: conn, meter: &m}, err
			}
			client, other := redis.NewClient(parsed), connect(t, server)
			t.Cleanup(func() { _ = client.Close() })
			options, stream := quick(), events
			if inOrder {
				options, stream = ordered(), laneOf("")
			}
			options.Lease = 2 * time.Second
			for i := range count {
				size := each
				if i%20 < 8 { // so that large ones surprise
					size = 100
				}
				appended(t, other, stream, "id", i, "topic", "orders", "payload", strings.Repeat("x", size))
			}
			if err := other.XGroupCreate(t.Context(), stream, group, "0").Err(); err != nil {
				t.Fatal(err)
			}
			dead := &redis.XReadGroupArgs{Group: group, Consumer: "owner", Streams: []string{stream, ">"}, Count: count / 4}
			if err := other.XReadGroup(t.Context(), dead).Err(); err != nil {
				t.Fatal(err)
			}
			var got record
			run(t, client, func(_ context.Context, m *Message) error {
				if m.Attempt == 1 {
					return errRefused
				}
				got.add(&Message{ID: m.ID})
				return nil
			}, options)
			eventually(t, "all are done", func() bool { return got.distinct() == count })
			allSettled(t, other, stream)
			if largest := m.largest.Load(); largest > readBytes+(few+1)*each || largest < readBytes/2 {
				t.Errorf("the largest answer had %d bytes", largest)
			}
		})
	}
}

// What an operator or a repair looks through costs Redis the memory of a few entries at once,
// however large they are and however many.
func TestLooksAreBounded(t *testing.T) {
	const count, each, some = 64, 1 << 20, 3
	// all calls a script until it has looked through all there is, each of which is in a set then.
	all := func(f Finder, set string, script *redis.Script, keys []string, cursor int, args ...any) (int, error) {
		for calls := 0; calls < 20; calls++ {
			values, err := f.call(t.Context(), script, keys, args...)
			if err != nil {
				return 0, err
			}
			if args[len(args)-2] = values[cursor]; values[cursor] == "0" {
				n, err := f.client.ZCard(t.Context(), set).Result()
				return int(n) - count + some, err
			}
		}
		return 0, errors.New("no end")
	}
	for name, look := range map[string]func(Finder) (int, error){
		"what waits": func(f Finder) (n int, err error) {
			err = f.waiting(t.Context(), "key", "k", func(Found) bool { n++; return true })
			return n, err
		},
		"dead letters": func(f Finder) (int, error) {
			d := DeadLetters(f)
			found, _, err := d.List(t.Context(), Filter{}, "", count+1, false)
			return len(found) - count + some, err
		},
		"repair": func(f Finder) (int, error) {
			s := f.stream
			return all(f, s.due, repairScript, []string{s.due, s.leased, s.entries}, 0, "0", readBytes)
		},
		"mend": func(f Finder) (int, error) {
			if err := f.client.HSet(t.Context(), f.stream.owner, "owner", "me").Err(); err != nil {
				return 0, err
			}
			return all(f, f.stream.parked, laneMendScript, f.stream.laneKeys(), 1, "me", 60_000, "all", "0", readBytes)
		},
	} {
		t.Run(name, func(t *testing.T) {
			client := connect(t, testserver.Redis(t))
			f := finderOf(t, client, events)
			for i := range count {
				appended(t, client, f.stream.dead, "dead_entry", "1-1", "payload", strings.Repeat("x", each))
				const pack = `redis.call('HSET', KEYS[1], ARGV[1], cmsgpack.pack({'key', ARGV[2], 'payload', ARGV[3]}))`
				err := client.Eval(t.Context(), pack, []string{f.stream.entries}, i, strings.Repeat("k", 1+min(1, i/some)), strings.Repeat("x", each)).Err()
				if err != nil && !errors.Is(err, redis.Nil) {
					t.Fatal(err)
				}
			}
			before := peak(t, client)
			if n, err := look(*f); n != some || err != nil {
				t.Errorf("%d are found, %v", n, err)
			}
			if more := peak(t, client) - before; more > 5*readBytes {
				t.Errorf("Redis takes %d MiB more for that", more>>20)
			}
		})
	}
}

// peak is the most memory that a server has taken, in bytes.
func peak(t *testing.T, client *redis.Client) (bytes int64) {
	t.Helper()
	text, err := client.Info(t.Context(), "memory").Result()
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ = strings.Cut(text, "used_memory_peak:")
	if _, err := fmt.Sscan(text, &bytes); err != nil {
		t.Fatal(err)
	}
	return bytes
}
