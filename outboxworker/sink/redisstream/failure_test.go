package redisstream

import (
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/weirproxy/weir/internal/testserver"
	"github.com/weirproxy/weir/outboxworker/localserver"
	"github.com/weirproxy/weir/outboxworker/sink"
)

// A stream of another type takes no message; other streams do, but for the keys of
// which a message failed.
func TestWrongTypeInTheMiddle(t *testing.T) {
	to, client := open(t, testserver.Redis(t), nil)
	if err := client.Set(t.Context(), "events:b", "no stream", 0).Err(); err != nil {
		t.Fatal(err)
	}
	b := deliver(t, to, "a/1", "b/2", "b/3", "a/2", "a/3", "b", "c/1", "a", "b/3")
	if got := outcomes(b); got != "drrnnrddn" {
		t.Errorf("outcomes %s", got)
	}
	if err := b.Results[2].Err; err == nil || !strings.HasPrefix(err.Error(), "appending to stream events:b: WRONGTYPE ") {
		t.Errorf("error %v", err)
	}
	assertPayloads(t, client, "events:a", "0", "7")
	assertPayloads(t, client, "events:c", "6")
}

// Redis refuses the fourth message of a call: the first three are there and delivered.
func TestFailureInsideOfACall(t *testing.T) {
	to, client := open(t, testserver.Redis(t), nil)
	const last = "18446744073709551615"
	if err := client.Do(t.Context(), "XADD", "events:a", last+"-18446744073709551612", "payload", "first").Err(); err != nil {
		t.Fatal(err)
	}
	b := deliver(t, to, "a/1", "a/2", "a/1", "a/3", "a/1", "a/4", "a/3", "b/4", "b/1")
	if got := outcomes(b); got != "dddrrrnnn" {
		t.Errorf("outcomes %s", got)
	}
	if err := b.Results[3].Err; err == nil || !strings.Contains(err.Error(), "exhausted") {
		t.Errorf("error %v", err)
	}
	assertPayloads(t, client, "events:a", "first", "0", "1", "2")
	assertPayloads(t, client, "events:b")
}

func TestOutOfMemory(t *testing.T) {
	to, client := open(t, testserver.Redis(t), nil)
	assertAll(t, deliver(t, to, "a/1"), sink.Delivered)
	if err := client.ConfigSet(t.Context(), "maxmemory", "1").Err(); err != nil {
		t.Fatal(err)
	}
	b := deliver(t, to, "a/1", "a/2", "a/1")
	if got := outcomes(b); got != "tnn" || b.Results[0].RetryAfter != time.Second {
		t.Errorf("outcomes %s, retry after %s: %v", got, b.Results[0].RetryAfter, b.Results[0].Err)
	}
	if err := client.ConfigSet(t.Context(), "maxmemory", "0").Err(); err != nil {
		t.Fatal(err)
	}
	assertAll(t, deliver(t, to, "a/1"), sink.Delivered)
	assertPayloads(t, client, "events:a", "0", "0")
}

// A master that became a replica takes nothing, and no connection to it is kept: a new one
// leads to whom Sentinels, or a name, lead by then.
func TestReplica(t *testing.T) {
	server := testserver.Redis(t)
	to, client := open(t, server, nil)
	assertAll(t, deliver(t, to, "a/1"), sink.Delivered)
	if err := client.Do(t.Context(), "REPLICAOF", "127.0.0.1", "1").Err(); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ words, want string }{
		{"a/1 a/2", "un"},      // a call alone
		{"a/1 b/2 a/1", "uun"}, // and calls together
	} {
		b := deliver(t, to, strings.Fields(test.words)...)
		if got := outcomes(b); got != test.want || !strings.HasPrefix(b.Results[0].Err.Error(), "appending to stream events:a: READONLY ") {
			t.Errorf("outcomes %s: %v", got, b.Results[0].Err)
		}
		if s := to.client.PoolStats(); s.TotalConns+s.PipelineStats.TotalConns != 0 {
			t.Errorf("%s: %d and %d connections are kept", test.words, s.TotalConns, s.PipelineStats.TotalConns)
		}
	}
	if err := client.Do(t.Context(), "REPLICAOF", "NO", "ONE").Err(); err != nil {
		t.Fatal(err)
	}
	assertAll(t, deliver(t, to, "a/1"), sink.Delivered)
	assertPayloads(t, client, "events:a", "0", "0")
}

func TestRights(t *testing.T) {
	server := testserver.Redis(t)
	_, client := open(t, server, nil)
	login := func(s *Settings) { s.URL = strings.Replace(s.URL, "redis://", "redis://relay:secret@", 1) }
	for _, test := range []struct{ rights, words, want, text string }{
		{"~events:a +@all", "b/1 a/1 a/2 b/3 b/1", "rndrn", "NOPERM"},
		{"~* +@all -xadd", "a/1 a/2 b/3", "unu", "can't run this command"},
		{"~* +@all -evalsha", "a/1 a/2 b/3", "unu", "NOPERM"},
		{"~* +@all -hello", "a/1 a/2", "dd", ""},
	} {
		args := []any{"ACL", "SETUSER", "relay", "reset", "on", ">secret"}
		for right := range strings.FieldsSeq(test.rights) {
			args = append(args, right)
		}
		if err := client.Do(t.Context(), args...).Err(); err != nil {
			t.Fatal(err)
		}
		to, _ := open(t, server, login)
		b := deliver(t, to, strings.Fields(test.words)...)
		if got := outcomes(b); got != test.want || test.text != "" && !strings.Contains(b.Results[0].Err.Error(), test.text) {
			t.Errorf("%s: outcomes %s, want %s: %v", test.rights, got, test.want, b.Results[0].Err)
		}
	}
	to, _ := open(t, server, func(s *Settings) { s.URL = strings.Replace(s.URL, "redis://", "redis://relay:wrong-word@", 1) })
	b := deliver(t, to, "a/1", "a/2")
	if err := b.Results[0].Err; b.Results[0].Outcome != sink.Unreachable || !strings.Contains(err.Error(), "WRONGPASS") || strings.Contains(err.Error(), "wrong-word") {
		t.Errorf("a wrong password: %s, %v", b.Results[0].Outcome, err)
	}
}

// A Redis that is killed while messages are on their way: what is delivered is there,
// in order, and what follows once it is back is appended behind it.
func TestKill(t *testing.T) {
	server := testserver.RedisWith(t, localserver.RedisOptions{AppendFsync: "always"})
	to, client := open(t, server, nil)
	var batches atomic.Int64
	killed := make(chan error, 1)
	go func() {
		for batches.Load() < 3 {
			time.Sleep(time.Millisecond)
		}
		killed <- server.Kill()
	}()
	delivered := deliverUntilOutage(t, to, &batches)
	if err := <-killed; err != nil {
		t.Fatal(err)
	}
	b := deliver(t, to, "a/1", "a/2", "b/3")
	if got := outcomes(b); got != "uuu" {
		t.Errorf("while Redis is away: outcomes %s", got)
	}
	if err := server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	assertEventuallyDelivered(t, to)
	assertPayloads(t, client, "events:back", "0")
	entries, err := client.XRange(t.Context(), "events:orders", "-", "+").Result()
	if err != nil {
		t.Fatal(err)
	}
	// What was unreachable may be among the entries, so only the order is compared.
	next := 0
	for _, entry := range entries {
		if next < len(delivered) && entry.Values["id"] == delivered[next] {
			next++
		}
	}
	if next < len(delivered) {
		t.Errorf("of %d delivered messages, number %d is not in the stream", len(delivered), next)
	}
}

// deliverUntilOutage delivers batches until one is not delivered as a whole. It returns
// the ids of the messages that were.
func deliverUntilOutage(t *testing.T, to *Sink, batches *atomic.Int64) (delivered []string) {
	t.Helper()
	for range 10_000 {
		b := many(1000, 7)
		to.Deliver(t.Context(), b)
		batches.Add(1)
		for i, r := range b.Results {
			if r.Outcome == sink.Delivered {
				delivered = append(delivered, b.Messages[i].ID.String())
			}
		}
		if b.Results[999].Outcome != sink.Delivered {
			assertOutage(t, b)
			return delivered
		}
	}
	t.Fatal("Redis is still there")
	return nil
}

// assertOutage checks that a batch was delivered up to a message, unreachable up to
// another, and not sent from there on.
func assertOutage(t *testing.T, b *sink.Batch) {
	t.Helper()
	stages := []sink.Outcome{sink.Delivered, sink.Unreachable, sink.NotSent}
	stage := 0
	for i, r := range b.Results {
		for stage < 3 && r.Outcome != stages[stage] {
			stage++
		}
		if stage == 3 {
			t.Fatalf("message %d is %s: outcomes %s", i, r.Outcome, outcomes(b))
		}
		if stage == 1 && r.Err == nil {
			t.Errorf("message %d is unreachable without a reason", i)
		}
	}
	if !slices.ContainsFunc(b.Results, func(r sink.Result) bool { return r.Outcome == sink.Unreachable }) {
		t.Errorf("nothing is unreachable: outcomes %s", outcomes(b))
	}
}

func assertEventuallyDelivered(t *testing.T, to *Sink) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		b := deliver(t, to, "back/1")
		if b.Results[0].Outcome == sink.Delivered {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("still %s: %v", b.Results[0].Outcome, b.Results[0].Err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// A Redis that hangs costs a call's timeout, and a stop no more than that.
func TestHang(t *testing.T) {
	server := testserver.Redis(t)
	to, _ := open(t, server, func(s *Settings) { s.DialTimeout, s.Timeout = time.Second, time.Second })
	assertAll(t, deliver(t, to, "a/1"), sink.Delivered)
	if err := syscall.Kill(server.PID(), syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := syscall.Kill(server.PID(), syscall.SIGCONT); err != nil {
			t.Error(err)
		}
	}()
	for range 2 { // over the connection that is there, and over a new one
		began := time.Now()
		b := deliver(t, to, "a/1", "b/1", "a/2")
		if got := outcomes(b); got != "unu" {
			t.Errorf("outcomes %s", got)
		}
		if took := time.Since(began); took < 900*time.Millisecond || took > 10*time.Second {
			t.Errorf("took %s, want about the timeout", took)
		}
	}
}

// A Redis that takes a call slowly and then does not answer costs the timeout once,
// not once for each stage.
func TestTimeoutBoundsACallAsAWhole(t *testing.T) {
	server := testserver.Redis(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	const timeout = time.Second
	var slow atomic.Bool
	go forward(listener, server.Port(), &slow, timeout*8/10)
	to, _ := open(t, server, func(s *Settings) {
		s.URL = "redis://" + listener.Addr().String()
		s.DialTimeout, s.Timeout = timeout, timeout
	})
	// A busy machine makes it longer, never shorter.
	shortest := time.Hour
	for range 5 {
		slow.Store(false)
		assertEventuallyDelivered(t, to)
		slow.Store(true)
		b := batchOf("a/1")
		b.Messages[0].Payload = make([]byte, 32<<20) // more than the system takes over
		began := time.Now()
		to.Deliver(t.Context(), b)
		if got := outcomes(b); got != "u" {
			t.Fatalf("outcome %s: %v", got, b.Results[0].Err)
		}
		if shortest = min(shortest, time.Since(began)); shortest < timeout*15/10 {
			return
		}
	}
	t.Errorf("took %s at least, want about %s", shortest, timeout)
}

// forward passes connections on to a port. Once slow is true it takes nothing for a
// while, and from then on passes nothing on.
func forward(listener net.Listener, port int, slow *atomic.Bool, wait time.Duration) {
	for {
		from, err := listener.Accept()
		if err != nil {
			return
		}
		to, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			_ = from.Close()
			return
		}
		go func() { _, _ = io.Copy(from, to) }()
		go func() {
			defer func() { _, _ = from.Close(), to.Close() }()
			buffer := make([]byte, 64<<10)
			for {
				n, err := from.Read(buffer)
				if err != nil {
					return
				}
				if slow.Load() {
					time.Sleep(wait)
					_, _ = io.Copy(io.Discard, from)
					return
				}
				if _, err := to.Write(buffer[:n]); err != nil {
					return
				}
			}
		}()
	}
}
