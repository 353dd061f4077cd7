package integration

// consul_tap_test.go counts connections, and writes to Consul what no lease would.

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/hashicorp/consul/api"

	"github.com/weirproxy/weir/governance/lease"
)

// tap counts the connections that are made to an address.
type tap struct {
	// Address is host:port.
	Address string

	// accepted counts connections, open those that are there; most is how many there were
	// at once.
	accepted, open, most atomic.Int64
}

// newTap listens at address, with port 0 at any, and passes connections on to target. With
// an empty one it closes them.
func newTap(t testing.TB, address, target string) *tap {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	p := &tap{Address: listener.Addr().String()}
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	t.Cleanup(func() {
		cancel()
		_ = listener.Close()
		all.Wait()
	})
	all.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return // the test is over
			}
			p.accepted.Add(1)
			p.most.Store(max(p.most.Load(), p.open.Add(1)))
			all.Go(func() {
				defer p.open.Add(-1)
				forward(ctx, conn, target)
			})
		}
	})
	return p
}

// forward passes on what comes until one side ends, or ctx does.
func forward(ctx context.Context, conn net.Conn, target string) {
	defer func() { _ = conn.Close() }()
	if target == "" {
		return
	}
	other, err := new(net.Dialer).DialContext(ctx, "tcp", target)
	if err != nil {
		return // the target is not there, which its client is to see
	}
	closeBoth := func() { _, _ = conn.Close(), other.Close() }
	defer context.AfterFunc(ctx, closeBoth)()
	var back sync.WaitGroup
	back.Go(func() {
		defer closeBoth()
		_, _ = io.Copy(conn, other)
	})
	_, _ = io.Copy(other, conn)
	closeBoth()
	back.Wait()
}

// roster is instances of web whose keys one session of the test holds. It has no TTL, so
// that nothing changes but what the test writes.
type roster struct {
	t       testing.TB
	client  *api.Client
	session string
}

func newRoster(t testing.TB, client *api.Client) *roster {
	t.Helper()
	session, _, err := client.Session().CreateNoChecks(&api.SessionEntry{Behavior: api.SessionBehaviorDelete}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return &roster{t, client, session}
}

// put writes what an instance tells about itself. It may be called from any goroutine.
func (r *roster) put(all ...lease.Instance) {
	for _, i := range all {
		value, err := json.Marshal(i)
		if err != nil {
			r.t.Error(err)
		}
		r.write(i.ID, value)
	}
}

// write writes any value to a key, which the session then holds.
func (r *roster) write(id string, value []byte) {
	pair := &api.KVPair{Key: webKeys + id, Value: value, Session: r.session}
	if held, _, err := r.client.KV().Acquire(pair, nil); !held || err != nil {
		r.t.Errorf("acquiring %s: %t, %v", pair.Key, held, err)
	}
}

// remove deletes the key of an instance.
func (r *roster) remove(id string) {
	if _, err := r.client.KV().Delete(webKeys+id, nil); err != nil {
		r.t.Error(err)
	}
}

// instanceAt is an instance at host:port.
func instanceAt(id, address string) lease.Instance {
	host, port, _ := net.SplitHostPort(address)
	n, _ := strconv.Atoi(port)
	return lease.Instance{ID: id, Address: host, Port: n, Weight: 1}
}

// putBackends writes back ends as instances.
func (r *roster) putBackends(backends ...*Backend) {
	for _, b := range backends {
		r.put(instanceAt(b.Name, b.Address))
	}
}
