package canary

// live.go holds what outlives a configuration: the running shares, the guard and the kill
// switch, and what each handler has of it.

import (
	"encoding/json"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/weirproxy/weir/governance/cohort"
	"github.com/weirproxy/weir/governance/livestate"
	"github.com/weirproxy/weir/governance/rollout"
)

// kind is the registry's name for canaries.
const kind = "canaries"

// shared is what all handlers of a name have in common.
type shared struct {
	killed atomic.Bool
	guard  atomic.Pointer[rollout.Guard]

	// mu guards what follows, and that the layouts of the holders are those of the shares
	// that run. It is never held while storage is asked.
	mu        sync.Mutex
	stage     string           // that the guard is about, empty if there is none
	seed      string           // of the cohorts that it has compared
	shares    map[string]share // that an operator gave to other stages
	holders   []*liveCanary    // the oldest first
	leader    *liveCanary      // that runs the loop, nil if none does
	rollbacks map[rollout.Rule]uint64
	requests  map[string]*atomic.Uint64 // by stage
	changes   uint64                    // how often there was something new to store
	decided   map[string]bool           // parts of it, since the process started

	// storing is held while what is stored is read or written, perhaps for as long as
	// storage hangs: neither the guard nor an operator waits for it. It is taken before mu.
	storing  sync.Mutex
	restored bool   // whether what was stored before is known
	saved    uint64 // the changes that are stored
	trouble  string // of storage, as it was logged
}

// share is an operator's share of a stage. It holds while the configured one is that of when
// it was given.
type share struct {
	Share      float64 `json:"share"`
	Configured float64 `json:"configured"`
}

// liveCanary is a handler's hold of what is shared.
type liveCanary struct {
	*shared
	handler *Handler
	base    *cohort.Layout   // as configured
	subject int              // the stage that the rollout is about, -1 if there is none
	counts  []*atomic.Uint64 // of requests, by stage
	leads   atomic.Bool      // whether the handler's settings are in effect
	wake    chan struct{}    // tells the loop that there may be something to look at
	dirty   chan struct{}    // tells the loop that there may be something to store
	emit    func(event string, data map[string]any)
}

// acquire takes up the live state, as the last step of the handler's provisioning: its
// layout must be the configured one before, and is what runs after.
func (h *Handler) acquire(ctx caddy.Context) error {
	emit, err := emitter(ctx)
	if err != nil {
		return err
	}
	claim, err := h.claim(ctx.GetMetricsRegistry())
	if err != nil {
		return err
	}
	l := newLive(h, emit)
	l.shared, h.handle, err = livestate.Acquire(livestate.Default, claim, func() (*shared, error) {
		return newShared(l, time.Now()), nil
	})
	if err != nil {
		return err
	}
	h.live = l
	l.hold()
	l.restore(time.Now())
	h.handle.Show(h)
	return nil
}

// leave gives the live state up, if acquire took it; requests that are under way go on.
func (h *Handler) leave() {
	if h.live != nil {
		h.live.release()
	}
	h.handle.Release()
}

// claim is what the handlers of a name in one configuration must have in common: whatever
// decides, but for the rules. These and the handlers of the stages may differ, so that two
// routes can be part of one release. People are shown neither the keys of the cookie nor
// anything that could hold them.
func (h *Handler) claim(configuration any) (livestate.Claim, error) {
	type stage struct {
		Name  string   `json:"name"`
		Share *float64 `json:"share,omitempty"`
	}
	type cookie struct {
		Name   string         `json:"name"`
		Keys   string         `json:"keys"`
		MaxAge caddy.Duration `json:"max_age"`
	}
	shown := struct {
		Name   string   `json:"name"`
		Header *Header  `json:"header,omitempty"`
		Key    []string `json:"key,omitempty"`
		Cookie *cookie  `json:"cookie,omitempty"`
		Seed   string   `json:"seed,omitempty"`
		Guard  *Guard   `json:"guard,omitempty"`
		Stages []stage  `json:"stages"`
	}{Name: h.Name, Header: h.Header, Key: h.Key, Seed: h.Seed, Guard: h.Guard}
	for _, s := range h.Stages {
		shown.Stages = append(shown.Stages, stage{s.Name, s.Share})
	}
	if h.Cookie != nil {
		shown.Cookie = &cookie{h.Cookie.Name, "not shown", h.Cookie.MaxAge}
	}
	place, err := json.Marshal(shown)
	if err != nil {
		return livestate.Claim{}, err
	}
	effective, err := json.Marshal([]any{h.header, h.trust, h.Header, h.Key, h.Cookie, h.Seed, h.guarded, h.settings, shown.Stages})
	if err != nil {
		return livestate.Claim{}, err
	}
	return livestate.Claim{
		Key:           livestate.Key{Kind: kind, Name: h.Name},
		Configuration: configuration,
		Settings:      string(effective),
		Place:         "the canary_route with " + string(place),
	}, nil
}

// newLive returns a handler's hold, which holds nothing yet.
func newLive(h *Handler, emit func(string, map[string]any)) *liveCanary {
	l := &liveCanary{handler: h, base: h.layout.Load(), subject: h.guarded, emit: emit, wake: make(chan struct{}, 1), dirty: make(chan struct{}, 1)}
	if l.subject < 0 { // then the operator alone promotes it and takes it back
		l.subject = h.stageNamed(canaryName)
	}
	return l
}

// newShared begins a release with what the first handler says.
func newShared(l *liveCanary, now time.Time) *shared {
	s := &shared{
		stage:     l.subjectName(),
		seed:      l.handler.Seed,
		shares:    make(map[string]share),
		rollbacks: make(map[rollout.Rule]uint64),
		requests:  make(map[string]*atomic.Uint64),
		decided:   make(map[string]bool),
	}
	s.guard.Store(rollout.New(l.handler.settings, l.configured(l.subject), now))
	return s
}

// hold makes l a holder.
func (l *liveCanary) hold() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, stage := range l.handler.Stages {
		n := l.requests[stage.Name]
		if n == nil {
			n = new(atomic.Uint64)
			l.requests[stage.Name] = n
		}
		l.counts = append(l.counts, n)
	}
	l.holders = append(l.holders, l)
	l.push()
}

// release ends what hold began.
func (l *liveCanary) release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.leads.Store(false)
	if i := slices.Index(l.holders, l); i >= 0 {
		l.holders = slices.Delete(l.holders, i, i+1)
	}
	if l.leader == l {
		l.leader = nil
	}
}

// start notes that a request goes to its stage; the call is that of the guard, or of
// nobody. The guard compares what chance has dealt out: what a rule, a header or a pin
// sends to one stage may be slower or fail more often there for what it is. Requests of a
// configuration that does not lead, because it may yet fail to load, say nothing about
// the rollout, which is another configuration's.
func (l *liveCanary) start(d *decision, h *Handler) rollout.Call {
	l.counts[d.stage].Add(1)
	switch {
	case h.guarded < 0 || !d.hasPoint || !l.leads.Load():
		return rollout.Call{}
	case d.stage == h.guarded:
		return l.guard.Load().Start(rollout.Canary)
	case d.stage == h.stable:
		return l.guard.Load().Start(rollout.Stable)
	}
	return rollout.Call{}
}

// subjectName is the name of the stage that the rollout is about, empty if there is none.
func (l *liveCanary) subjectName() string {
	if l.subject < 0 {
		return ""
	}
	return l.handler.Stages[l.subject].Name
}

// configured is the configured share of a stage that has one, else 0.
func (l *liveCanary) configured(stage int) float64 {
	if stage < 0 || l.handler.Stages[stage].Share == nil {
		return 0
	}
	return *l.handler.Stages[stage].Share
}
