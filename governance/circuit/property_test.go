package circuit

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"
)

// player plays a random sequence of everything that can happen to a breaker.
type player struct {
	*fixture
	*rand.Rand
	settings Settings
	open     []*Call // not ended
	counted  int     // of them and of those that never end
}

func randomSettings(r *rand.Rand) Settings {
	s := Settings{
		Window: time.Duration(1+r.IntN(2)) * 5 * time.Second, MinCalls: 1 + r.IntN(10), Consecutive: r.IntN(4),
		FailureRatio: []float64{0.1, 0.5, 1}[r.IntN(3)],
		OpenFor:      time.Duration(1+r.IntN(3)) * time.Second, OpenForMax: time.Duration(3+r.IntN(20)) * time.Second,
		Probes: 1 + r.IntN(4), ProbeTimeout: time.Duration(1+r.IntN(5)) * time.Second,
		RecoverOver: time.Duration(r.IntN(3)) * 2 * time.Second, DryRun: r.IntN(8) == 0,
	}
	if r.IntN(2) == 0 {
		s.SlowCall, s.SlowRatio = time.Duration(1+r.IntN(20))*100*time.Millisecond, 0.5
	}
	if r.IntN(3) == 0 {
		s.MaxConcurrent = 1 + r.IntN(10)
	}
	return s
}

func (p *player) inside() (Settings, State, *Breaker) {
	p.history.mu.Lock()
	defer p.history.mu.Unlock()
	return p.history.settings, p.history.state, p.history.adopted
}

func (p *player) outcome() Outcome { return Outcome(p.IntN(3)) }

func (p *player) keep(c Call) {
	if c.standing != nil {
		p.counted++
	}
	if p.IntN(4) == 0 {
		c.Sending()
	}
	p.open = append(p.open, &c)
}

// markOne does what happens to a call before its end.
func (p *player) markOne() {
	if len(p.open) == 0 {
		return
	}
	c := p.open[p.IntN(len(p.open))]
	switch p.IntN(3) {
	case 0:
		c.Answered()
	default:
		c.Sent()
	}
}

func (p *player) enterOne() {
	before := p.Snapshot()
	ready := p.Ready()
	c, refusal := p.Enter()
	if refusal == nil {
		p.keep(c)
		return
	}
	s, _, adopted := p.inside()
	if !s.DryRun && c.standing != nil {
		p.Fatalf("refused, and a call that counts")
	}
	if before.State == "closed" && before.Share == 1 && refusal.Reason != ReasonMaxConcurrent && !s.DryRun && !before.Settings.DryRun {
		p.Fatalf("refused for %s by a closed breaker: %+v", refusal.Reason, before)
	}
	if refusal.Reason == ReasonMaxConcurrent && before.InFlight < int64(s.MaxConcurrent) {
		p.Fatalf("refused for %s with %d in flight of %d", refusal.Reason, before.InFlight, s.MaxConcurrent)
	}
	if ready && !s.DryRun && refusal.Reason != ReasonRecovering && adopted == p.Breaker && before.Settings == s.snapshot() {
		p.Fatalf("it was ready, and refused for %s: %+v", refusal.Reason, before)
	}
	if refusal.RetryAfter < time.Second {
		p.Fatalf("come back after %s", refusal.RetryAfter)
	}
}

func (p *player) endOne() {
	if len(p.open) == 0 {
		return
	}
	i := p.IntN(len(p.open))
	c := p.open[i]
	if c.standing != nil && c.ended == 0 {
		p.counted--
	}
	c.End(p.outcome(), time.Duration(max(0, p.IntN(20)-15))*time.Second)
	if p.IntN(10) > 0 { // otherwise it is ended again some time
		p.open = append(p.open[:i], p.open[i+1:]...)
	}
}

func (p *player) decide() {
	d := Decision{Mode: Mode(p.IntN(4))}
	if p.IntN(2) == 0 {
		d.Until = time.Now().Add(time.Duration(p.IntN(10)) * time.Second)
	}
	if p.IntN(3) == 0 {
		t := randomSettings(p.Rand)
		d.Thresholds, d.Configured = &t, &p.settings
	}
	p.history.Decide(d)
}

func (p *player) step() {
	switch n := p.IntN(100); {
	case n < 40:
		p.enterOne()
	case n < 50:
		p.keep(p.Attempt())
	case n < 57:
		p.markOne()
	case n < 80:
		p.endOne()
	case n < 95:
		time.Sleep(time.Duration(p.IntN(2000)) * time.Millisecond)
	case n < 96:
		time.Sleep(time.Duration(p.IntN(60)) * time.Second)
	case n < 97:
		p.Healthy()
	case n < 98:
		p.decide()
	case n < 99:
		p.settings = randomSettings(p.Rand)
		p.reload(p.settings)
	default:
		if len(p.open) > 0 { // never ends
			p.open = p.open[1:]
		}
	}
	synctest.Wait() // for the timer
	p.check()
}

func (p *player) check() {
	s := p.Snapshot()
	settings, state, _ := p.inside()
	switch {
	case s.InFlight != int64(p.counted):
		p.Fatalf("%d in flight, want %d", s.InFlight, p.counted)
	case s.Probing > max(settings.Probes, 4) || state != HalfOpen && s.Probing > 0:
		p.Fatalf("%d probes in %s", s.Probing, state)
	case s.Share < 0 || s.Share > 1:
		p.Fatalf("share %v", s.Share)
	case s.Window.Failures > s.Window.Calls || s.Window.Slow > s.Window.Decided:
		p.Fatalf("window %+v", s.Window)
	}
}

// settle has the back end be well again, and the breaker must find out.
func (p *player) settle() {
	p.history.Decide(Decision{})
	s := DefaultSettings()
	s.RecoverOver, s.Probes = time.Second, 1+p.IntN(3)
	p.reload(s)
	c := p.Attempt()
	c.End(Neutral, 0)
	time.Sleep(10 * time.Second) // whatever probes there are are given up
	for range 20 {
		if state, left := p.State(); state == Closed {
			break
		} else if state == Open {
			time.Sleep(left + 2)
		}
		for range s.Probes {
			c, refusal := p.Enter()
			if refusal != nil {
				p.Fatalf("a place of a probe is lost: refused for %s, %+v", refusal.Reason, p.Snapshot())
			}
			c.End(Success, 0)
		}
	}
	p.is(Closed)
	time.Sleep(time.Minute)
	p.call(50, Success)
	synctest.Wait()
}

func TestAnySequenceEndsWell(t *testing.T) {
	seeds, length := 300, 400
	if testing.Short() {
		seeds = 50
	}
	for seed := range seeds {
		ok := t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := &player{fixture: &fixture{T: t, history: NewHistory()}, Rand: rand.New(rand.NewPCG(uint64(seed), 1))}
				p.settings = randomSettings(p.Rand)
				p.reload(p.settings)
				for range length {
					p.step()
				}
				p.settle()
				for i, c := range p.changes {
					if c.From == c.To || i > 0 && c.From != p.changes[i-1].To {
						t.Fatalf("change %d does not follow from the one before: %+v", i, p.changes[:i+1])
					}
				}
			})
		})
		if !ok {
			return
		}
	}
}

// Never more probes at a time than there may be, whoever asks, and however they end.
func TestNeverMoreThanProbesAtATime(t *testing.T) {
	for seed := range 50 {
		s := quick()
		s.Probes = 1 + seed%4
		run(t, s, func(f *fixture) {
			r := rand.New(rand.NewPCG(uint64(seed), 2))
			f.open()
			f.wait()
			var running []Call
			for range 200 {
				ask := func() bool { c := f.Attempt(); running = append(running, c); return c.standing != nil }
				if r.IntN(2) == 0 {
					ask = func() bool {
						c, refusal := f.Enter()
						if refusal == nil {
							running = append(running, c)
						}
						return refusal == nil
					}
				}
				before := f.history.inFlight.Load()
				if in := ask(); in != (before < int64(s.Probes)) {
					f.Fatalf("with %d of %d probes under way one more was let in: %v", before, s.Probes, in)
				}
				if r.IntN(2) == 0 {
					i := r.IntN(len(running))
					running[i].End(Neutral, 0)
				}
			}
		})
	}
}
