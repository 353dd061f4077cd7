package consumer

import (
	"bytes"
	"context"
	"net"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/weirproxy/weir/internal/testserver"
)

// cutting are connections that lose answers to one script: it has run, and its caller does
// not learn what it did.
type cutting struct {
	sha   string
	loses func(n int64) bool // whether the n-th answer is lost, from 1
	calls atomic.Int64
	lost  atomic.Int64
}

type cutConn struct {
	net.Conn
	cutting *cutting
	cut     bool
}

func (c *cutConn) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte(c.cutting.sha)) {
		c.cut = c.cutting.loses(c.cutting.calls.Add(1))
	}
	return c.Conn.Write(p)
}

func (c *cutConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if c.cut && n > 0 {
		c.cutting.lost.Add(1)
		_ = c.Close()
		return 0, syscall.ECONNRESET
	}
	return n, err
}

// An extension of leases that Redis made, and whose answer was lost, costs nothing: the next
// one finds that it is the consumer's, and so does the end of the message.
func TestAnswerToAnExtensionIsLost(t *testing.T) {
	// An extension comes after a third of it. What is left then is more than a busy machine
	// stalls.
	const lease = 4 * time.Second
	for name, test := range map[string]struct {
		loses func(n int64) bool
		work  func(lost int64, took time.Duration) (isDone bool)
	}{
		"every second": {func(n int64) bool { return n%2 == 1 }, func(_ int64, took time.Duration) bool { return took > lease*5/4 }},
		"all":          {func(int64) bool { return true }, func(lost int64, _ time.Duration) bool { return lost > 0 }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := testserver.Redis(t)
			parsed, err := redis.ParseURL(server.URL())
			if err != nil {
				t.Fatal(err)
			}
			lossy := &cutting{sha: extendScript.Hash(), loses: test.loses}
			parsed.Dialer = func(ctx context.Context, network, address string) (net.Conn, error) {
				conn, err := new(net.Dialer).DialContext(ctx, network, address)
				return &cutConn{Conn: conn, cutting: lossy}, err
			}
			client := redis.NewClient(parsed)
			t.Cleanup(func() { _ = client.Close() })
			if err := extendScript.Load(t.Context(), client).Err(); err != nil {
				t.Fatal(err)
			}
			options := quick()
			options.Lease = lease
			var begun atomic.Int64
			publish(t, client, events, "1")
			c := run(t, client, func(ctx context.Context, m *Message) error {
				begun.Add(1)
				if m.Attempt == 1 {
					return errRefused
				}
				for began := time.Now(); !test.work(lossy.lost.Load(), time.Since(began)); {
					select {
					case <-time.After(10 * time.Millisecond):
					case <-ctx.Done():
						t.Errorf("the handler is told: %v", context.Cause(ctx))
						return nil
					}
				}
				return nil
			}, options)
			eventually(t, "it is done", func() bool { return c.logs.FilterMessage("a message is done").Len() > 0 })
			allSettled(t, client, events)
			if begun.Load() != 2 || lossy.lost.Load() == 0 {
				t.Errorf("it was begun %d times, and %d answers were lost", begun.Load(), lossy.lost.Load())
			}
		})
	}
}

// A lease that was given to another after it had ended is not taken for one's own.
func TestLeaseOfAnother(t *testing.T) {
	client := connect(t, testserver.Redis(t))
	options := quick()
	options.Lease = 100 * time.Millisecond
	c, err := New(client, group, func(context.Context, *Message) error { return nil }, options)
	if err != nil {
		t.Fatal(err)
	}
	c.hard = t.Context()
	s := c.streams[0]
	appended(t, client, s.dead, "dead_entry", "1-1")
	if err := client.HSet(t.Context(), s.entries, "1-1", "\x92\xa2id\xa11").Err(); err != nil {
		t.Fatal(err)
	}
	if err := client.ZAdd(t.Context(), s.due, redis.Z{Member: "1-1"}).Err(); err != nil {
		t.Fatal(err)
	}
	var claims [2]*job
	for i := range claims {
		eventually(t, "it is claimed", func() bool {
			found, err := c.claim(t.Context(), s)
			if err == nil && len(found.jobs) == 1 {
				claims[i] = found.jobs[0]
			}
			return claims[i] != nil
		})
	}
	before, now := claims[0], claims[1]
	before.ctx, before.cancel = context.WithCancelCause(t.Context())
	c.held.jobs[before.place()] = before
	if err := c.extendLeases(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if !before.isLost() {
		t.Error("the lease of another was extended")
	}
	if own, err := c.settleRetry(t.Context(), before, "done", fate{}); err != nil || own {
		t.Error("who had it before has settled it:", own, err)
	}
	if own, err := c.settleRetry(t.Context(), now, "done", fate{}); err != nil || !own {
		t.Error("who has it has not settled it:", own, err)
	}
}

// What has ended a lease early, and whose answer was lost, is repeated: by then the message
// may be another's, whose lease it leaves alone.
func TestLeaseThatWasEndedEarly(t *testing.T) {
	client := connect(t, testserver.Redis(t))
	var both [2]*Consumer
	for i := range both {
		options := quick()
		options.Consumer = string(rune('a' + i))
		c, err := New(client, group, func(context.Context, *Message) error { return nil }, options)
		if err != nil {
			t.Fatal(err)
		}
		c.hard = t.Context()
		both[i] = c
	}
	before, now := both[0], both[1]
	s := before.streams[0]
	if err := client.HSet(t.Context(), s.entries, "1-1", "\x92\xa2id\xa11").Err(); err != nil {
		t.Fatal(err)
	}
	if err := client.ZAdd(t.Context(), s.due, redis.Z{Member: "1-1"}).Err(); err != nil {
		t.Fatal(err)
	}
	claim := func(c *Consumer) (j *job) {
		eventually(t, "it is claimed", func() bool {
			found, err := c.claim(t.Context(), c.streams[0])
			if err == nil && len(found.jobs) == 1 {
				j = found.jobs[0]
			}
			return j != nil
		})
		return j
	}
	first := claim(before)
	if own, err := before.settleRetry(t.Context(), first, "again", fate{attempts: 1}); err != nil || !own {
		t.Fatal("its owner has not settled it:", own, err)
	}
	second := claim(now)
	first.ctx, first.cancel = context.WithCancelCause(t.Context())
	before.held.jobs[first.place()] = first
	if err := before.extendLeases(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if !first.isLost() {
		t.Error("the lease of another was extended")
	}
	for _, outcome := range []string{"again", "back", "done"} {
		if own, err := before.settleRetry(t.Context(), first, outcome, fate{attempts: 1}); err != nil || own {
			t.Errorf("who had it before has settled it as %s: %t, %v", outcome, own, err)
		}
	}
	if own, err := now.settleRetry(t.Context(), second, "done", fate{}); err != nil || !own {
		t.Error("who has it has not settled it:", own, err)
	}
}
