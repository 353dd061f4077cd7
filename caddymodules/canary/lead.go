package canary

// lead.go has a configuration take effect on the release when it leads, and not before, as
// it may yet fail to load; and has the loop of the one that is in force, which lets the
// guard look, and stores what was decided.

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/weirproxy/weir/governance/rollout"
	"github.com/weirproxy/weir/internal/inforce"
)

// storeAgain is the pause after which storage that failed is tried again at the latest.
const storeAgain = 5 * time.Second

// idle is how long the loop waits at most.
const idle = time.Hour

// Lead implements livestate.Leader.
func (h *Handler) Lead() {
	if h.live.lead(time.Now()) {
		inforce.Then(h.ctx, func() { h.live.run(h.ctx) })
	}
}

// lead has the settings take effect, and reports whether it falls to l to run the loop:
// one handler of a configuration does.
func (l *liveCanary) lead(now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	restarted, dropped := l.adopt(now)
	l.leads.Store(true)
	l.push()
	if restarted {
		l.handler.logger.Info("the rollout begins anew: another share, other steps, another seed or another stage are configured",
			zap.String("canary", l.handler.Name), zap.String("stage", l.stage), zap.Float64("share", l.guard.Load().Share()))
	}
	if dropped > 0 {
		l.handler.logger.Info("an operator's shares end: others are configured", zap.String("canary", l.handler.Name), zap.Int("stages", dropped))
	}
	if l.leader != nil {
		return false
	}
	l.leader = l
	return true
}

// run lets the guard look whenever a look is due, and stores what is new, until ctx ends.
// Storage that hangs does not keep the guard from looking.
func (l *liveCanary) run(ctx context.Context) {
	go repeat(ctx, l.dirty, func() time.Duration {
		if !l.store(time.Now()) {
			return storeAgain
		}
		return idle
	})
	repeat(ctx, l.wake, func() time.Duration {
		l.look(time.Now())
		if due := l.guard.Load().Due(); !due.IsZero() {
			return max(time.Until(due), time.Millisecond)
		}
		return idle
	})
}

// repeat calls f, which returns the pause after which it wants to be called again at the
// latest, until ctx ends.
func repeat(ctx context.Context, sooner <-chan struct{}, f func() time.Duration) {
	timer := time.NewTimer(idle)
	defer timer.Stop()
	for ctx.Err() == nil {
		timer.Reset(f())
		select {
		case <-ctx.Done():
		case <-sooner:
		case <-timer.C:
		}
	}
}

// signal tells a loop that there may be something to do.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default: // it knows
	}
}

// look lets the guard look if it is due, and has what it does take effect.
func (l *liveCanary) look(now time.Time) {
	if n, decided := l.advance(now); decided {
		signal(l.dirty)
		l.tell(n)
	}
}

// advance lets the guard look. Nobody is shown what it decides before that runs.
func (l *liveCanary) advance(now time.Time) (n news, decided bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	guard := l.guard.Load()
	before := guard.Share()
	v, looked := guard.Advance(now)
	if !looked || v.Action == rollout.Hold {
		return news{}, false
	}
	n = news{event: eventPromoted, from: before, to: guard.Share(), why: v.Text, verdict: &v}
	l.note(partRollout)
	switch v.Action {
	case rollout.Rollback:
		n.event, n.rule = eventRolledBack, v.Rule
		l.rollbacks[v.Rule]++
	case rollout.Pause:
		n.event, n.rule = eventPaused, v.Rule
	}
	l.push()
	return n, true
}
