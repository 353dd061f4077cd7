// Package rollout decides whether a canary gets more of the traffic, keeps what it has,
// or is taken back. It compares the canary with the stable stage over the same
// window: the requests that began since the share was set.
//
// Two tests can take a canary back, each at a level of Settings.Alpha a look, and
// both ask whether the canary is worse than stable by more than the margin that
// the operator grants:
//
//   - errors: its rate is more than MaxErrorIncrease above stable's. The exact binomial
//     test, at half of Alpha, against an upper bound on stable's rate that holds but for the
//     other half (Berger and Boos, "P Values Maximized Over a Confidence Set for the
//     Nuisance Parameter", 1994). The normal approximation would be wrong where it
//     matters here, at few errors.
//   - latency: more of its requests than chance explains are slower than MaxLatencyRatio
//     times stable's Quantile. The exact rank test of how many of one sample are above one
//     of another, the same for every shape of the latencies, if the canary's are stable's
//     times that ratio. A canary that does not answer at all is slow when its clients have
//     waited that long and left.
//
// The margins are why looking often does no harm: a canary as good as stable is away from
// them, and the more requests there are, the surer it is.
//
// Requests count as independent. Where they are not, as when one user's broken
// request is sent again and again, the tests are surer than they ought to be, and take
// back a canary that is no worse. The other way round a mistake is harder: nothing is
// promoted for time alone.
//
// Between two looks for a reason to take back there is a fifth of Settings.Interval, and a
// promotion is due at its end at the earliest. A step that lasts is compared afresh
// after 40 intervals with ten times MinRequests on both sides, so that a long good
// past does not hide what begins to fail now.
//
// At a share of 1 there is nothing to compare with, and at the last step nothing to be
// promoted to: a rollout is done there, and below 1 the canary is still watched.
//
// Time is an argument. The package depends on the standard library alone.
package rollout

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Errors of an operator's commands.
var (
	ErrNoStep     = errors.New("there is no step above the present share")
	ErrRolledBack = errors.New("the canary is rolled back: set a share or promote it to begin again")
	ErrShare      = errors.New("a share is from 0 to 1")
)

// Guard is one rollout. Its methods can be called concurrently.
type Guard struct {
	window atomic.Pointer[window] // of the step under way

	mu       sync.Mutex
	settings Settings
	state    State
	looked   time.Time // when the last look was, or the window began
	decided  time.Time // when a promotion was last considered, or the window began
	last     *Verdict  // of the step under way, or the one that began it
}

// New begins a rollout at a share, which is what the configuration gives the canary.
// The settings must be valid. Those of the zero value judge nothing: then the
// operator alone changes the share.
func New(s Settings, share float64, now time.Time) *Guard {
	g := &Guard{settings: s}
	g.restart(share, now)
	return g
}

// Start notes that a request goes to a stage; Call.End says what became of it. It
// takes no lock and allocates nothing.
func (g *Guard) Start(stage Stage) Call {
	s := &g.window.Load().sides[stage&1]
	s.started.Add(1)
	return Call{s}
}

// Share is the canary's share, from 0 to 1.
func (g *Guard) Share() float64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.state.Share
}

// Due is when Advance has something to do next; it is zero while there is nothing, as
// after a rollback.
func (g *Guard) Due() time.Time {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.watches() {
		return time.Time{}
	}
	return g.looked.Add(g.settings.lookEvery())
}

// Advance looks at the canary if a look is due, and does what follows from it. looked
// is whether one was; then Verdict.Action is what was done, and whatever is not Hold
// has changed the state, which is to be stored. It can be called at any time, and
// should be at Due.
func (g *Guard) Advance(now time.Time) (v Verdict, looked bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.watches() || now.Sub(g.looked) < g.settings.lookEvery() {
		return Verdict{}, false
	}
	g.looked = now
	v = g.judge(now)
	switch v.Action {
	case Rollback:
		g.fail(&v, now)
	case Promote:
		next, _ := g.settings.next(g.state.Share)
		g.setShare(next, now)
	default:
		if now.Sub(g.decided) >= g.settings.Interval {
			g.decided = now
		}
		if now.Sub(g.window.Load().begun) >= freshAfter*g.settings.Interval && enoughToForget(&v, g.settings) {
			g.begin(now)
		}
	}
	g.last = &v
	return v, true
}

// A step that lasts is compared afresh after freshAfter intervals if both stages had
// freshRequests times MinRequests: else the first look after it would know too little.
const (
	freshAfter    = 40
	freshRequests = 10
)

func enoughToForget(v *Verdict, s Settings) bool {
	return min(v.Canary.Requests, v.Stable.Requests) >= freshRequests*s.MinRequests
}

// judge is what a look now says, given what can be done. It is called with mu held.
func (g *Guard) judge(now time.Time) Verdict {
	w := g.window.Load()
	v := judge(g.settings, w.sides[Canary].sample(), w.sides[Stable].sample())
	v.Share, v.Since, v.Until = g.state.Share, w.begun, now
	_, more := g.settings.next(g.state.Share)
	switch {
	case v.Action == Rollback && g.state.Phase == Paused && g.settings.OnFail == Pause:
		v.hold(v.Rule, "failed, and is paused: "+v.Text)
	case v.Action != Promote:
	case g.state.Phase == Paused:
		v.hold(RulePaused, "fit for the next step, but paused")
	case !more:
		v.hold(RuleDone, "as good as stable; there is no next step")
	case now.Sub(g.decided) < g.settings.Interval:
		v.hold(RuleInterval, "fit for the next step, when the interval ends")
	}
	return v
}

// fail does what the settings say about a canary that failed. It is called with mu held.
func (g *Guard) fail(v *Verdict, now time.Time) {
	failure := &Failure{At: now, Rule: v.Rule, Share: g.state.Share, Verdict: v}
	if g.settings.OnFail == Pause {
		v.Action = Pause
		g.state.Phase, g.state.Failure = Paused, failure
		return
	}
	g.setShare(0, now)
	g.state.Phase, g.state.Failure = RolledBack, failure
}

// watches is whether looks are of any use. It is called with mu held.
func (g *Guard) watches() bool {
	return g.settings.Interval > 0 && g.state.Phase != RolledBack && g.state.Share > 0 && g.state.Share < 1
}

// setShare begins a step. It is called with mu held.
func (g *Guard) setShare(share float64, now time.Time) {
	g.state.Share, g.state.Since = share, now
	g.begin(now)
}

// begin begins a window. It is called with mu held.
func (g *Guard) begin(now time.Time) {
	g.window.Store(&window{begun: now})
	g.looked, g.decided, g.last = now, now, nil
}

// SetShare gives the canary a share. It takes back a rollback; a pause stays.
func (g *Guard) SetShare(share float64, now time.Time) error {
	if !(share >= 0 && share <= 1) {
		return fmt.Errorf("%w, not %v", ErrShare, share)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.unfail()
	g.setShare(share, now)
	return nil
}

// Promote goes to the next step at once; from a rollback, to the first one.
func (g *Guard) Promote(now time.Time) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	next, ok := g.settings.next(g.state.Share)
	if !ok {
		return ErrNoStep
	}
	g.unfail()
	g.setShare(next, now)
	return nil
}

// Rollback takes the canary's share back to 0, until SetShare or Promote.
func (g *Guard) Rollback(now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.state.Phase == RolledBack {
		return
	}
	failure := &Failure{At: now, Rule: RuleOperator, Share: g.state.Share}
	g.setShare(0, now)
	g.state.Phase, g.state.Failure = RolledBack, failure
}

// Pause holds the share until Resume. A canary that fails is taken back all the same.
func (g *Guard) Pause() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.state.Phase == RolledBack {
		return ErrRolledBack
	}
	g.state.Phase = Paused
	return nil
}

// Resume ends a pause. The step is compared afresh.
func (g *Guard) Resume(now time.Time) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch g.state.Phase {
	case RolledBack:
		return ErrRolledBack
	case Paused:
		g.state.Phase, g.state.Failure = Running, nil
		g.begin(now)
	}
	return nil
}

// unfail forgets a failure. It is called with mu held.
func (g *Guard) unfail() {
	if g.state.Phase == RolledBack {
		g.state.Phase = Running
	}
	g.state.Failure = nil
}
