// Package lease registers a process of a service with Consul for as long as it lives.
//
// A lease is a Consul session with a TTL and the behavior delete, and the key
// <prefix>/<service>/<instance id> acquired with it, whose value tells the address,
// weight and more of the instance. The lease renews the session at a third of its TTL
// and watches its key; when either is lost, it makes them anew. When the process is gone
// without a word, Consul removes the key between one and two TTLs after the last
// renewal. Keys of Consul have no TTL of their own: the parameter of that name that a
// write takes is ignored.
//
// Consul may be down, slow, without a leader or emptied at any time, also at the start:
// the lease tries on, at least every 1.5 s, so that an instance is registered again soon
// after Consul is well. An instance never holds two keys, and a key that the living
// session of somebody else holds is waited for and reported, not taken.
//
// The package depends on the official client of Consul, github.com/hashicorp/consul/api,
// which callers configure (addresses, TLS, token) and pass to Hold.
package lease

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/consul/api"
)

// Lease is the registration of one instance. Its methods may be called concurrently.
type Lease struct {
	client     *api.Client
	settings   Settings
	key        string
	registered chan struct{} // closed by the first registration
	changed    chan struct{} // Update has changed what is wanted
	release    chan struct{} // closed by Release
	done       chan struct{} // closed when nothing is at work any more
	cancel     context.CancelFunc
	err        error // of giving the lease up; to be read after done

	updates sync.Mutex // held by Update while it asks what to change

	mu         sync.Mutex
	wanted     Instance
	state      State // but for Instance, and with Losses that are its own
	failing    [activities]error
	releaseCtx context.Context // of the first Release; nil before
}

// Hold begins to register the instance and returns; from then on it works in the
// background and does not give up. It fails only if settings or instance make no sense.
//
// The token of the client needs session:write on the node of its agent, and key:write and
// key:read on the key. A datacenter, namespace or partition is the client's as well. If
// its HTTP client has a timeout, that must be more than 70 s: reads wait for changes. A
// client whose address begins with https:// speaks HTTP/2 by default, and goes on using a
// connection that died without a word for a quarter of an hour: set the Protocols of its
// Transport to HTTP/1.
//
// The lease ends with Release. When ctx ends before, it is given up at once: its session
// is destroyed, with one attempt, and nothing drains.
func Hold(ctx context.Context, client *api.Client, settings Settings, instance Instance) (*Lease, error) {
	if client == nil {
		return nil, errors.New("lease: a client of Consul is needed")
	}
	if err := settings.Validate(); err != nil {
		return nil, fmt.Errorf("lease: %w", err)
	}
	if instance.Weight == 0 {
		instance.Weight = 1
	}
	if instance.StartedAt.IsZero() {
		instance.StartedAt = time.Now()
	}
	instance.normalize()
	if err := instance.Validate(); err != nil {
		return nil, fmt.Errorf("lease: %w", err)
	}
	settings = settings.withDefaults()
	settings.NodeChecks = slices.Clone(settings.NodeChecks)
	ctx, cancel := context.WithCancel(ctx)
	l := &Lease{
		client: client, settings: settings, wanted: instance, cancel: cancel,
		key:        settings.Prefix + "/" + settings.Service + "/" + instance.ID,
		registered: make(chan struct{}), release: make(chan struct{}), done: make(chan struct{}),
		changed: make(chan struct{}, 1),
	}
	l.state = State{Since: time.Now(), Key: l.key, Losses: make(map[string]uint64)}
	go newKeeper(l).run(ctx)
	return l, nil
}

// Update changes what the instance tells about itself. It is written to Consul if the
// weight or load changed by more than 10 % since the last write (a load also by 0.01 at
// least) or anything else did, and at most every Settings.UpdateEvery; Update does not
// wait for that. It fails, and changes nothing, if the instance makes no sense then or
// has another ID. change is called once and must not call Update.
func (l *Lease) Update(change func(*Instance)) error {
	l.updates.Lock()
	defer l.updates.Unlock()
	before := l.instance()
	next := before
	change(&next)
	next.normalize()
	if next.ID != before.ID {
		return fmt.Errorf("lease: the id of an instance cannot change from %s to %s", quoted(before.ID), quoted(next.ID))
	}
	if err := next.Validate(); err != nil {
		return fmt.Errorf("lease: %w", err)
	}
	l.mu.Lock()
	next.Draining = next.Draining || l.releaseCtx != nil
	l.wanted = next
	l.mu.Unlock()
	l.wake()
	return nil
}

// wake makes the keeper look at what is wanted.
func (l *Lease) wake() {
	select {
	case l.changed <- struct{}{}:
	default: // it has yet to look
	}
}

// Registered returns a channel that is closed when the instance is registered for the
// first time.
func (l *Lease) Registered() <-chan struct{} { return l.registered }

// Release ends the lease. It marks the instance as draining, waits Settings.Drain, so
// that nobody sends new requests any more, and destroys the session, which removes the
// key; a key that is there nonetheless is deleted. An instance that is not registered
// has nothing to wait for.
//
// When Consul cannot be reached it tries for a TTL and fails; the session then ends
// by itself, at the latest two TTLs after its last renewal. ctx bounds all of it: the wait
// leaves its last second to the rest, and when it ends first, its error is returned while
// one more attempt is made in the background. Calls after the first wait for the first
// and return the same.
func (l *Lease) Release(ctx context.Context) error {
	l.mu.Lock()
	first := l.releaseCtx == nil
	if first {
		l.releaseCtx = ctx
		l.wanted.Draining = true
		close(l.release)
	}
	l.mu.Unlock()
	select {
	case <-l.done:
		return l.err
	case <-ctx.Done():
		if first {
			l.cancel()
		}
		return fmt.Errorf("lease: releasing %s: %w", l.key, ctx.Err())
	}
}
