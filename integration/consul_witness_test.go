package integration

// consul_witness_test.go watches what is registered with Consul, from outside, while there
// is trouble with Consul.

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/weirproxy/weir/governance/lease"
	"github.com/weirproxy/weir/internal/consulserver"
)

const (
	// webKeys is below which key the instances of web are.
	webKeys = lease.DefaultPrefix + "/web/"
	// witnessEvery is the time between two reads, and what a time measured may be off by.
	witnessEvery = 50 * time.Millisecond
	// witnessWithin bounds one read: a suspended server does not answer.
	witnessWithin = time.Second
)

// witness asks Consul's leader all the time which instances of web are registered.
type witness struct {
	client *api.Client
	want   []string // addresses

	mu       sync.Mutex
	marked   time.Time // reads that began later count
	answered time.Time // when the first of them succeeded
	whole    time.Time // when the first of them told of all that are wanted
	// twice are addresses that two living sessions held at once, with when.
	twice []string
}

// newWitness begins to watch by way of a server until the test ends.
func newWitness(t testing.TB, server *consulserver.Server, want ...string) *witness {
	t.Helper()
	w := &witness{client: server.Client(), want: want, marked: time.Now()}
	ctx, cancel := context.WithCancel(context.Background())
	var watch sync.WaitGroup
	watch.Go(func() {
		tick := time.NewTicker(witnessEvery)
		defer tick.Stop()
		for ctx.Err() == nil {
			w.look(ctx)
			select {
			case <-tick.C:
			case <-ctx.Done():
			}
		}
	})
	t.Cleanup(func() { cancel(); watch.Wait() })
	return w
}

// registered reads from the leader who holds which address. Consul ends the sessions'
// keys with the sessions, so that whoever holds a key lives.
func (w *witness) registered(ctx context.Context) (holders map[string][]string, err error) {
	ctx, cancel := context.WithTimeout(ctx, witnessWithin)
	defer cancel()
	pairs, _, err := w.client.KV().List(webKeys, (&api.QueryOptions{RequireConsistent: true}).WithContext(ctx))
	if err != nil {
		return nil, err
	}
	holders = make(map[string][]string)
	for _, pair := range pairs {
		if i, err := lease.Decode(pair.Value); err == nil && pair.Session != "" {
			holders[i.HostPort()] = append(holders[i.HostPort()], pair.Session)
		}
	}
	return holders, nil
}

func (w *witness) look(ctx context.Context) {
	began := time.Now()
	holders, err := w.registered(ctx)
	if err != nil {
		return
	}
	now := time.Now()
	missing := len(w.want)
	for _, address := range w.want {
		if len(holders[address]) > 0 {
			missing--
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for address, sessions := range holders {
		if len(sessions) > 1 {
			w.twice = append(w.twice, fmt.Sprintf("%s at %s: %v", address, now.Format(time.TimeOnly), sessions))
		}
	}
	if began.Before(w.marked) {
		return
	}
	if w.answered.IsZero() {
		w.answered = now
	}
	if w.whole.IsZero() && missing == 0 {
		w.whole = now
	}
}

// mark has the witness forget what it has seen, but for what must never be.
func (w *witness) mark() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.marked, w.answered, w.whole = time.Now(), time.Time{}, time.Time{}
}

// recovered waits until all are registered again, and returns how long that took from the
// first read on that succeeded since mark.
func (w *witness) recovered(t testing.TB) (took time.Duration) {
	t.Helper()
	ok := Eventually(consulPatience, func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		took = w.whole.Sub(w.answered)
		return !w.whole.IsZero()
	})
	if !ok {
		holders, err := w.registered(context.Background())
		t.Fatalf("not all of %v are registered again: %v, %v", w.want, holders, err)
	}
	return took
}

// check looks at what there is in the end: each of those wanted once, with a session that
// lives, and nobody else.
func (w *witness) check(t testing.TB) {
	t.Helper()
	w.mu.Lock()
	for _, twice := range w.twice {
		t.Errorf("registered twice: %s", twice)
	}
	w.mu.Unlock()
	pairs, _, err := w.client.KV().List(webKeys, &api.QueryOptions{RequireConsistent: true})
	if err != nil {
		t.Fatal(err)
	}
	keys := make(map[string]int)
	for _, pair := range pairs {
		if pair.Key == webKeys { // a folder
			continue
		}
		i, err := lease.Decode(pair.Value)
		if err != nil {
			t.Errorf("key %s: %v", pair.Key, err)
		}
		keys[i.HostPort()]++
		session, _, err := w.client.Session().Info(pair.Session, &api.QueryOptions{RequireConsistent: true})
		if err != nil || session == nil {
			t.Errorf("key %s is held by the session %q, which does not live (%v)", pair.Key, pair.Session, err)
		}
	}
	want := make(map[string]int)
	for _, address := range w.want {
		want[address] = 1
	}
	if !maps.Equal(keys, want) {
		t.Errorf("in the end there are the keys of %v, want one each of %v", keys, w.want)
	}
}
