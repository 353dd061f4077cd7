package consumer

import (
	"context"
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
