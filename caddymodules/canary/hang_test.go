package canary

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
)

// hanging is storage that takes what is stored when it is freed, and does not answer before.
type hanging struct {
	*memory
	freed chan struct{}
}

func (s hanging) Store(ctx context.Context, key string, value []byte) error {
	<-s.freed // like a file system whose server is away: it knows no ctx
	return s.memory.Store(ctx, key, value)
}

// While storage hangs the guard looks, and an operator's decisions take effect.
func TestStorageThatHangs(t *testing.T) {
	guard := steps(0.05, 1)
	guard.Interval = caddy.Duration(100 * time.Millisecond)
	f := newFixture(new(memory))
	h := f.leading(t, release(0.05, 0, guard))
	freed := make(chan struct{})
	h.storage = hanging{f.storage, freed}
	ctx, stop := context.WithCancel(t.Context())
	var under sync.WaitGroup
	under.Go(func() { h.live.run(ctx) })
	command := func(command string) {
		under.Go(func() {
			if _, err := h.Control(nil, []byte(command)); err != nil {
				t.Errorf("%s: %v", command, err)
			}
		})
	}
	command(`{"share":{"preview":1}}`)
	if !eventually(func() bool { return h.snapshot().Stages[2].Percent == 1 }) {
		t.Error("a share waits for storage")
	}
	for range 1000 {
		h.live.start(drawn(h.stable), h).End(time.Millisecond, false)
		h.live.start(drawn(h.guarded), h).End(time.Millisecond, true)
	}
	if !eventually(func() bool { return h.snapshot().Stages[1].Percent == 0 }) {
		t.Error("a canary that fails is not rolled back while storage hangs")
	}
	command(`{"kill":true}`)
	if !eventually(h.live.killed.Load) {
		t.Error("the kill switch waits for storage")
	}
	close(freed)
	if !eventually(func() bool { return f.storage.stored(t).Killed }) {
		t.Errorf("stored is %+v", f.storage.stored(t))
	}
	stop()
	under.Wait()
	if s := f.storage.stored(t); s.Rollout.Share != 0 || s.Shares["preview"].Share != 0.01 {
		t.Errorf("stored is %+v", s)
	}
}
