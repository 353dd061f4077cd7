package lease

// watch.go reads the own key and waits for its changes: what Consul has there decides
// whether the instance is registered.

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/hashicorp/consul/api"
)

// readWait is how long Consul may hold a read back that has no news. It adds up to a
// sixteenth.
const readWait = time.Minute

// answer is what a read came to.
type answer struct {
	pair   *api.KVPair // nil: there is no key
	index  uint64
	writes uint64 // of the keeper when it began
	err    error
}

// read is one that is under way.
type read struct {
	answers chan answer
	cancel  context.CancelFunc
}

func (r *read) answered() <-chan answer {
	if r == nil {
		return nil
	}
	return r.answers
}

// look begins to read anew: what is there now, not what changes.
func (k *keeper) look() {
	k.stopRead()
	k.index, k.readAt = 0, time.Now()
}

func (k *keeper) stopRead() {
	if k.read != nil {
		k.read.cancel()
		k.read = nil
	}
}

// startRead begins a read, or plans it: two at once, then one a second, whatever makes
// Consul answer at once.
func (k *keeper) startRead(ctx context.Context) {
	now := time.Now()
	if free := k.paced.Add(-time.Second); now.Before(free) {
		k.readAt = free
		return
	}
	k.paced = latest(k.paced, now).Add(time.Second)
	k.readAt = time.Time{}

	options, timeout := &api.QueryOptions{WaitIndex: k.index}, requestTimeout
	if k.index > 0 {
		options.WaitTime = readWait
		timeout += readWait + readWait/16
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	r := &read{answers: make(chan answer, 1), cancel: cancel}
	k.read = r
	kv, key, writes := k.lease.client.KV(), k.lease.key, k.writes
	k.reads.Go(func() {
		defer cancel()
		a := answer{writes: writes}
		pair, meta, err := kv.Get(key, options.WithContext(ctx))
		if a.err = err; err == nil {
			a.pair, a.index = pair, meta.LastIndex
		}
		r.answers <- a
	})
}

// nextIndex returns the index to wait with after an answer with another: from the start
// when it goes backwards, and never 0, which would not wait.
func nextIndex(last, got uint64) uint64 {
	if got < last {
		return 0
	}
	return max(got, 1)
}

var errTaken = errors.New("another session holds the key, of another process with the same id or of one that crashed; it is waited for")

// take draws the consequences of an answer.
func (k *keeper) take(ctx context.Context, a answer) {
	l := k.lease
	k.stopRead()
	if a.err != nil {
		k.failed(ctx, reading, cause("reading the key", a.err))
		// from the start: a Consul that lost its data would keep an index of before waiting
		k.index = 0
		k.readAt = time.Now().Add(k.looks.delay())
		return
	}
	k.looks = retry{}
	l.succeeded(reading)
	l.note(func(s *State) { s.Index = a.index })
	k.index, k.readAt = nextIndex(k.index, a.index), time.Now()

	free := a.pair == nil || a.pair.Session == ""
	ours := !free && a.pair.Session == k.session
	asWritten := ours && bytes.Equal(a.pair.Value, k.value)
	switch {
	case asWritten && k.holds:
	case a.writes != k.writes:
		k.look() // it may be from before the write
	case ours && k.holds:
		k.stray = true
		k.plan()
	case ours || free:
		k.reacquire(ctx)
	case a.pair.Session == k.previous:
		k.endPrevious(ctx)
	default:
		k.lose(KeyTaken)
		l.failed(writing, errTaken)
	}
}

// endPrevious destroys the session of before, of which Consul told that it is gone. A new
// leader may say so of a young session before it has read all of its log.
func (k *keeper) endPrevious(ctx context.Context) {
	options, cancel := request(ctx)
	defer cancel()
	if _, err := k.lease.client.Session().Destroy(k.previous, options); err != nil {
		k.failed(ctx, writing, cause("destroying the session of before", err))
		k.index, k.readAt = 0, time.Now().Add(k.puts.delay())
		return
	}
	k.previous = ""
	k.look()
}

// reacquire takes a key that nobody else holds. Where it was held, and where renewals
// failed of late, the session may be gone as well, which a renewal tells.
func (k *keeper) reacquire(ctx context.Context) {
	if k.holds || k.renews.failures > 0 {
		k.renew(ctx)
		if k.session == "" {
			return
		}
		k.lose(KeyGone)
	}
	k.writeAt = latest(time.Now(), k.noWriteBefore)
}
