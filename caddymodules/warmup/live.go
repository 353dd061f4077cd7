package warmup

// live.go holds what outlives a configuration: the warm-up, its counters, and the
// goroutine that polls the readiness check.

import (
	"context"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2"

	"github.com/weirproxy/weir/governance/ramp"
)

// kind is the registry's name for warm-ups.
const kind = "warmups"

// live is one warm-up. The settings of its oldest holder are in effect: while a
// configuration loads, and may yet fail, that is one of the configuration that runs.
type live struct {
	ramp      *ramp.Ramp
	transport http.RoundTripper // of the readiness check

	admitted, refused, wouldRefuse atomic.Uint64
	noted                          atomic.Int64 // when a dry run was last logged, in Unix nanoseconds

	mu      sync.Mutex
	holders []*Handler
	stop    context.CancelFunc // ends the goroutine; there is one while there are holders
}

// newLive begins a warm-up if the process begins too. What a reload brings may have
// served for long behind other directives, and must not lose its traffic to the word
// warm_up: it begins warm, and can be restarted.
func newLive(s ramp.Settings) *live {
	now := time.Now()
	l := &live{ramp: ramp.New(s, now), transport: newTransport()}
	if serving() {
		l.ramp.Skip(now, "new with a reload of a process that serves already")
	}
	return l
}

// serving reports whether a configuration with servers runs, so that the one which
// is being provisioned is a reload.
func serving() bool {
	active := caddy.ActiveContext()
	if active.Context == nil {
		return false
	}
	app, err := active.AppIfConfigured("http")
	return err == nil && app != nil
}

// hold makes h a holder.
func (l *live) hold(h *Handler) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.holders = append(l.holders, h)
	if len(l.holders) > 1 {
		return
	}
	l.ramp.Configure(time.Now(), h.settings)
	ctx, stop := context.WithCancel(context.Background())
	l.stop = stop
	go l.run(ctx)
}

// release ends what hold began. It does not wait for a poll to end.
func (l *live) release(h *Handler) {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.Index(l.holders, h)
	if i < 0 {
		return
	}
	l.holders = slices.Delete(l.holders, i, i+1)
	switch {
	case len(l.holders) == 0:
		l.stop()
	case i == 0:
		l.ramp.Configure(time.Now(), l.holders[0].settings)
	}
}

// holder returns the oldest holder, or nil.
func (l *live) holder() *Handler {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.holders) == 0 {
		return nil
	}
	return l.holders[0]
}

// run polls the readiness check and tells what happens, until ctx ends.
func (l *live) run(ctx context.Context) {
	client := newClient(l.transport)
	defer client.CloseIdleConnections()
	for {
		h := l.holder()
		if h == nil || ctx.Err() != nil {
			return
		}
		pause := time.Second
		if h.Ready != nil {
			pause = time.Duration(h.Ready.Interval)
			ready := h.Ready.answers(ctx, client)
			// A poll that was aborted, or is of another check than the one that is
			// configured now, says nothing.
			if ctx.Err() != nil || l.holder() != h {
				continue
			}
			l.ramp.Polled(time.Now(), ready)
		}
		l.tell(h)
		// Gateways that started together do not stay in step.
		select {
		case <-ctx.Done():
		case <-time.After(time.Duration((0.9 + 0.2*rand.Float64()) * float64(pause))):
		}
	}
}

// tell logs what has happened since the last time.
func (l *live) tell(h *Handler) {
	for _, e := range l.ramp.Advance(time.Now()) {
		log := h.logger.Info
		if e.Warning {
			log = h.logger.Warn
		}
		log("warm-up: "+e.Text, zap.String("warmup", h.Name), zap.String("phase", string(e.Phase)), zap.Time("at", e.At))
	}
}
