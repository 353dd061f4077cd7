package sink

// keyed.go holds the sink that delivers messages one by one, many at a time.

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weirproxy/weir/internal/failpoint"
)

// Keyed makes a sink of what delivers one message at a time. It delivers at most
// concurrency messages at once, over all calls of its Deliver together, of each key
// at most one, and those of a key in their order. A concurrency below 1 counts as 1.
//
// A message that is not delivered leaves the later ones of its key NotSent. Once a
// message of a batch is throttled or unreachable, when the batch's Until has passed
// and when ctx is done, nothing more of the batch is begun; what is under way is
// waited for, so how soon Deliver returns then is up to d.
func Keyed(d Deliverer, concurrency int) Sink {
	return &keyed{to: d, slots: make(chan struct{}, max(concurrency, 1))}
}

type keyed struct {
	to Deliverer
	// slots holds one element for each delivery under way.
	slots chan struct{}
}

// Close closes the deliverer.
func (k *keyed) Close() error { return k.to.Close() }

// Deliver fills in the results of the batch.
func (k *keyed) Deliver(ctx context.Context, batch *Batch) {
	begin, stop := beginning(ctx, batch.Until)
	defer stop()
	d := delivery{keyed: k, ctx: ctx, begin: begin, stop: stop, batch: batch}
	d.chain()

	var others sync.WaitGroup
	for range min(cap(k.slots), len(d.heads)) - 1 {
		others.Go(d.work)
	}
	d.work()
	others.Wait()
}

// beginning returns a context that is done when nothing more of a batch is to be
// begun. What is under way then goes on.
func beginning(ctx context.Context, until time.Time) (context.Context, context.CancelFunc) {
	if until.IsZero() {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, until)
}

// delivery is one call of Deliver.
type delivery struct {
	*keyed
	ctx   context.Context
	begin context.Context
	stop  context.CancelFunc
	batch *Batch

	// heads are the first message of each key and all without a key; next is the
	// first of them that no goroutine has taken.
	heads []int32
	next  atomic.Int32
	// follower is the next message of the same key, or -1.
	follower []int32
}

func (d *delivery) chain() {
	messages := d.batch.Messages
	d.heads = make([]int32, 0, len(messages))
	d.follower = make([]int32, len(messages))
	last := make(map[string]int32)
	for i := range messages {
		d.follower[i] = -1
		if messages[i].HasKey {
			before, follows := last[messages[i].Key]
			last[messages[i].Key] = int32(i)
			if follows {
				d.follower[before] = int32(i)
				continue
			}
		}
		d.heads = append(d.heads, int32(i))
	}
}

// work delivers a head, then its followers, then the next head. A goroutine that
// stays with a key needs no lock for its order, and the longest key, which decides
// when the batch is done, is never kept waiting once it has begun.
func (d *delivery) work() {
	for {
		at := int(d.next.Add(1)) - 1
		if at >= len(d.heads) {
			return
		}
		for i := d.heads[at]; i >= 0; i = d.follower[i] {
			if !d.acquire() {
				return
			}
			result := d.to.Deliver(d.ctx, &d.batch.Messages[i])
			<-d.slots
			d.batch.Results[i] = result
			failpoint.Hit("mid_publish")
			if result.Outcome == Throttled || result.Outcome == Unreachable {
				d.stop()
			}
			if result.Outcome != Delivered {
				break
			}
		}
	}
}

// acquire waits for a slot. It returns false once nothing more is to be begun.
func (d *delivery) acquire() bool {
	select {
	case d.slots <- struct{}{}:
	case <-d.begin.Done():
		return false
	}
	// Of two cases that are ready select takes either.
	if d.begin.Err() != nil {
		<-d.slots
		return false
	}
	return true
}
