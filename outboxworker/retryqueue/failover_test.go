package retryqueue

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/weirproxy/weir/internal/testserver"
	"github.com/weirproxy/weir/outboxworker/localserver"
)

// link is how a replica reaches its master: what the master sends arrives later.
type link struct {
	listener net.Listener
	delay    atomic.Int64
	mu       sync.Mutex
	ends     []io.Closer
}

func newLink(t *testing.T, master *localserver.Redis) *link {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &link{listener: listener, ends: []io.Closer{listener}}
	t.Cleanup(l.cut)
	go func() {
		for {
			replica, err := listener.Accept()
			if err != nil {
				return
			}
			conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", master.Port()))
			if err != nil {
				_ = replica.Close()
				continue
			}
			l.mu.Lock()
			l.ends = append(l.ends, replica, conn)
			l.mu.Unlock()
			go func() { _, _ = io.Copy(conn, replica) }()
			go l.pass(conn, replica)
		}
	}()
	return l
}

// pass passes on what the master sends.
func (l *link) pass(from io.Reader, to io.WriteCloser) {
	type chunk struct {
		bytes []byte
		at    time.Time
	}
	chunks := make(chan chunk, 1<<16)
	go func() {
		defer close(chunks)
		for buffer := make([]byte, 1<<16); ; {
			n, err := from.Read(buffer)
			if err != nil {
				return
			}
			chunks <- chunk{append([]byte(nil), buffer[:n]...), time.Now()}
		}
	}()
	for c := range chunks {
		for time.Since(c.at) < time.Duration(l.delay.Load()) {
			time.Sleep(time.Millisecond)
		}
		if _, err := to.Write(c.bytes); err != nil {
			return
		}
	}
}

// cut ends the link. What is on its way is lost.
func (l *link) cut() {
	l.delay.Store(int64(time.Hour))
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, end := range l.ends {
		_ = end.Close()
	}
	l.ends = nil
}

// pair is a master, and a replica that may become it.
type pair struct {
	master, replica *localserver.Redis
	link            *link
	// second asks the replica, and client whoever is the master.
	second, client *redis.Client
	now            atomic.Pointer[localserver.Redis]
}

// newPair starts both. The replica hears nothing of its master if it is deaf.
func newPair(t *testing.T, deaf bool) *pair {
	t.Helper()
	// Or a master waits five seconds for more replicas before it sends anything.
	atOnce := localserver.RedisOptions{Settings: map[string]string{"repl-diskless-sync-delay": "0"}}
	p := &pair{master: testserver.RedisWith(t, atOnce), replica: testserver.RedisWith(t, atOnce)}
	p.link = newLink(t, p.master)
	if deaf {
		p.link.delay.Store(int64(time.Hour))
	}
	p.second = connect(t, p.replica)
	p.now.Store(p.master)
	p.client = redis.NewClient(&redis.Options{MaxRetries: -1, DialerRetries: 1,
		Dialer: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", p.now.Load().Port()))
		}})
	t.Cleanup(func() { _ = p.client.Close() })
	_, port, err := net.SplitHostPort(p.link.listener.Addr().String())
	if err == nil {
		err = p.second.ReplicaOf(t.Context(), "127.0.0.1", port).Err()
	}
	if err != nil {
		t.Fatal(err)
	}
	if !deaf {
		eventually(t, "the replica has what the master has", func() bool {
			return strings.Contains(p.second.Info(t.Context(), "replication").Val(), "master_link_status:up")
		})
	}
	return p
}

// failOver kills the master and makes the replica the next.
func (p *pair) failOver(t *testing.T) {
	t.Helper()
	if err := p.master.Kill(); err != nil {
		t.Fatal(err)
	}
	p.link.cut()
	if err := p.second.ReplicaOf(t.Context(), "NO", "ONE").Err(); err != nil {
		t.Fatal(err)
	}
	p.now.Store(p.replica)
}

// old returns the ids that the replica has.
func (p *pair) old(t *testing.T, q *Queue) []string {
	t.Helper()
	due, err := p.second.ZRange(t.Context(), q.due, 0, -1).Result()
	leased, leasedErr := p.second.ZRange(t.Context(), q.leased, 0, -1).Result()
	if err := errors.Join(err, leasedErr); err != nil {
		t.Fatal(err)
	}
	return append(due, leased...)
}

// The replica has heard nothing: the relays find that all is lost and rebuild.
func TestFailoverToAnEmptyReplica(t *testing.T) {
	t.Parallel()
	p := newPair(t, true)
	q, _ := openOn(t, p.client)
	rebuilds := 0
	tb := through(t, q, func(tb *table) {
		rebuilds = tb.count(func() int { return tb.rebuilds })
		p.failOver(t)
	})
	if rebuilds == 0 || tb.rebuilds == rebuilds {
		t.Errorf("%d rebuilds of a new queue, and %d after the failover", rebuilds, tb.rebuilds-rebuilds)
	}
}

// The replica is a second behind: the relays go on at once, what was done in that second is
// claimed again and found gone, and what was scheduled in it comes with the sweep.
func TestFailoverToAReplicaBehind(t *testing.T) {
	t.Parallel()
	failOverBehind(t, time.Second)
}

func TestSoakFailoverToAReplicaBehind(t *testing.T) {
	if os.Getenv("WEIR_SOAK") == "" {
		return // the short form is TestFailoverToAReplicaBehind
	}
	for i := range 30 {
		failOverBehind(t, time.Duration(2+i)*100*time.Millisecond)
	}
}

func failOverBehind(t *testing.T, behind time.Duration) {
	t.Helper()
	p := newPair(t, false)
	q, _ := openOn(t, p.client)
	rebuild(t, q)
	eventually(t, "the replica has the epoch", func() bool { return p.second.Exists(t.Context(), q.epoch).Val() == 1 })
	p.link.delay.Store(int64(behind))
	again := 0
	tb := through(t, q, func(tb *table) {
		eventually(t, "the replica has ids that are done with", func() bool { return tb.gone(p.old(t, q)) > 5 })
		again = tb.count(func() int { return tb.again })
		p.failOver(t)
	})
	if tb.again == again {
		t.Error("nothing that was done with came again: the replica was not behind")
	}
	if tb.rebuilds > 0 {
		t.Errorf("%d rebuilds of a queue that was whole", tb.rebuilds)
	}
}

// What exactly a replica that is behind has, of ids to which everything was done.
func TestReplicaBehindHasAnEarlierQueue(t *testing.T) {
	t.Parallel()
	p := newPair(t, false)
	q, _ := openOn(t, p.client)
	rebuild(t, q, Timer{1, -3 * time.Second}, Timer{2, -2 * time.Second}, Timer{3, -time.Second}, Timer{4, time.Hour})
	held := claim(t, q, 1, lease).Claims[0] // 1
	eventually(t, "the replica has all", func() bool {
		return p.second.ZCard(t.Context(), q.due).Val() == 3 && p.second.ZCard(t.Context(), q.leased).Val() == 1
	})
	p.link.delay.Store(int64(time.Hour))
	late := claim(t, q, 2, lease).Claims // 2 and 3
	if lost, err := q.Done(t.Context(), held, late[0]); lost != 0 || err != nil {
		t.Fatalf("lost %d: %v", lost, err)
	}
	schedule(t, q, Timer{4, -time.Second}, Timer{5, -time.Second})
	p.failOver(t)

	// A claim may only fail while connections to the old one are in the pool.
	eventually(t, "the replica answers", func() bool { _, err := q.Stats(t.Context()); return err == nil })
	assertStats(t, q, 3, 1, 0)
	next := claim(t, q, 5, lease)
	assertIDs(t, next, 2, 3) // one is gone in PostgreSQL, the other still held by who claimed it
	if lost, err := q.Done(t.Context(), late[1]); lost != 1 || err != nil {
		t.Errorf("the lease of before is still good: lost %d, %v", lost, err)
	}
	if lost, err := q.Done(t.Context(), held); lost != 0 || err != nil {
		t.Errorf("a lease that the replica knew: lost %d, %v", lost, err)
	}
	if missing, err := q.Reconcile(t.Context(), Timer{3, -time.Second}, Timer{4, -time.Second}, Timer{5, -time.Second}); missing != 1 || err != nil {
		t.Errorf("%d were missing: %v", missing, err)
	}
	got := claim(t, q, 5, lease)
	if lost, err := q.Done(t.Context(), append(got.Claims, next.Claims...)...); len(got.Claims) != 2 || lost != 0 || err != nil {
		t.Errorf("claimed %v, lost %d: %v", ids(got.Claims), lost, err)
	}
	assertStats(t, q, 0, 0, 0)
}
