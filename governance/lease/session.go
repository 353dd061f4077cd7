package lease

// session.go holds the requests that make, renew and end a session and its key.

import (
	"context"
	"errors"
	"time"

	"github.com/hashicorp/consul/api"
)

// request bounds a request by ctx and requestTimeout.
func request(ctx context.Context) (*api.WriteOptions, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	return new(api.WriteOptions).WithContext(ctx), cancel
}

// create makes a session.
func (k *keeper) create(ctx context.Context) {
	s := k.lease.settings
	entry := &api.SessionEntry{
		Name: "weir lease " + s.Service + "/" + k.lease.instance().ID, TTL: s.TTL.String(),
		Behavior: api.SessionBehaviorDelete, NodeChecks: s.NodeChecks,
		// The client leaves out a delay of 0, and Consul makes that 15 s.
		LockDelay: time.Millisecond,
	}
	create := k.lease.client.Session().Create
	if len(s.NodeChecks) == 0 { // which Create leaves out too: then serfHealth counts
		create = k.lease.client.Session().CreateNoChecks
	}
	options, cancel := request(ctx)
	defer cancel()
	start := time.Now()
	id, _, err := create(entry, options)
	if err == nil && id == "" {
		err = errors.New("the answer has no id")
	}
	if err != nil {
		k.failed(ctx, renewing, cause("making a session", err))
		k.createAt = time.Now().Add(k.renews.delay())
		return
	}
	k.session, k.ttl, k.created, k.createAt = id, s.TTL, start, time.Time{}
	k.planRenewal(start)
	k.paced = time.Time{} // sessions have a pace of their own
	k.look()
}

// renew renews the session, or gives it up when Consul does not know it.
func (k *keeper) renew(ctx context.Context) {
	options, cancel := request(ctx)
	defer cancel()
	start := time.Now()
	entry, _, err := k.lease.client.Session().Renew(k.session, options)
	switch {
	case err != nil:
		k.failed(ctx, renewing, cause("renewing the session", err))
		k.renewAt = time.Now().Add(k.renews.delay())
	case entry == nil:
		k.forget()
	default:
		// A server under load asks for fewer renewals by a larger TTL.
		if ttl, err := time.ParseDuration(entry.TTL); err == nil && ttl >= k.lease.settings.TTL && ttl <= mostTTL {
			k.ttl = ttl
		}
		recovered := k.renews.failures > 0
		k.planRenewal(start)
		k.lease.note(func(s *State) { s.Renewals++ })
		if recovered { // a read from before may wait for an answer that was lost
			k.look()
		}
	}
}

var errNotAcquired = errors.New("acquiring the key: another session holds it, or has just lost it and its lock delay runs")

// write writes the value by acquiring the key, which also works for the session that
// holds it, and for no other: what somebody else has is never overwritten.
func (k *keeper) write(ctx context.Context) {
	k.writeAt = time.Time{}
	wanted := k.lease.instance()
	value, err := wanted.encode()
	ok := false
	if err == nil {
		options, cancel := request(ctx)
		defer cancel()
		k.writes++
		ok, _, err = k.lease.client.KV().Acquire(&api.KVPair{Key: k.lease.key, Value: value, Session: k.session}, options)
	}
	if err == nil && !ok {
		err = errNotAcquired
	} else if err != nil {
		err = cause("writing the key", err)
		// it may be the session that is gone
		k.renewAt = earliest(k.renewAt, time.Now().Add(leastDelay/2))
	}
	if err != nil {
		k.failed(ctx, writing, err)
		k.noWriteBefore = time.Now().Add(k.puts.delay())
		k.writeAt = k.noWriteBefore
		return
	}
	k.written, k.value, k.writtenAt, k.stray = wanted, value, time.Now(), false
	k.puts, k.noWriteBefore = retry{}, time.Time{}
	k.lease.succeeded(writing)
	k.acquired()
	k.plan()
}

// acquired notes that the key is there and ours.
func (k *keeper) acquired() {
	l := k.lease
	if k.holds {
		l.note(func(s *State) { s.Updates++ })
		return
	}
	k.holds = true
	l.enter(Registered, func(s *State) { s.Registrations++ })
	select {
	case <-l.registered:
	default:
		close(l.registered)
	}
}

// destroy ends the session, with which Consul removes the key, and makes sure of that.
func (k *keeper) destroy(ctx context.Context) error {
	if k.session == "" {
		return nil
	}
	options, cancel := request(ctx)
	defer cancel()
	if _, err := k.lease.client.Session().Destroy(k.session, options); err != nil {
		return cause("destroying the session", err)
	}
	kv := k.lease.client.KV()
	pair, _, err := kv.Get(k.lease.key, new(api.QueryOptions).WithContext(options.Context()))
	if err != nil {
		return cause("reading the key", err)
	}
	if pair == nil || pair.Session != "" && pair.Session != k.session {
		return nil
	}
	if left, err := Decode(pair.Value); err != nil || left.ID != k.lease.instance().ID {
		return nil
	}
	// not what a successor may have made of it meanwhile
	if gone, _, err := kv.DeleteCAS(pair, options); err != nil {
		return cause("deleting the key", err)
	} else if !gone {
		return errors.New("deleting the key: it changed meanwhile")
	}
	return nil
}

// failed notes an error, unless it is only that ctx ended.
func (k *keeper) failed(ctx context.Context, a activity, err error) {
	if ctx.Err() == nil {
		k.lease.failed(a, err)
	}
}
