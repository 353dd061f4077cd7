package rollout

// simulation_test.go sends requests through a rollout, in a time of its own.

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// traffic is what comes, and how the stages answer: latencies are lognormal, around a
// median of 50 ms for stable.
type traffic struct {
	rate   float64    // requests a second, of both stages
	errors [2]float64 // by stage
	sigma  float64
	slower float64 // the canary's latency is so many times stable's; 0 is once
	hangs  float64 // so much of the canary's requests fail after a minute
}

// ending is a request whose end is to come.
type ending struct {
	at      float64
	call    Call
	latency time.Duration
	failed  bool
}

// simulation is a rollout under traffic. Who owns the guard asks it each second.
type simulation struct {
	traffic
	random  *rand.Rand
	guard   *Guard
	seconds int
	pending []ending
	last    Verdict // the last one that was not Hold
}

var epoch = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

func simulate(tr traffic, s Settings, share float64, seed uint64) *simulation {
	// each kind of traffic has numbers of its own
	kind := math.Float64bits(100*tr.rate + 10*tr.errors[Stable] + tr.sigma + 0.001*tr.slower)
	return &simulation{traffic: tr, random: rand.New(rand.NewPCG(seed, kind)), guard: New(s, share, epoch)}
}

func (s *simulation) now() time.Time { return epoch.Add(time.Duration(s.seconds) * time.Second) }

// run goes on until the share is final, or for so long in all.
func (s *simulation) run(atMost time.Duration) {
	for s.now().Sub(epoch) < atMost {
		share := s.guard.Share()
		if share == 0 || share == 1 {
			return
		}
		s.second(share)
		if v, looked := s.guard.Advance(s.now()); looked && v.Action != Hold {
			s.last = v
		}
	}
}

func (s *simulation) second(share float64) {
	begin, end := float64(s.seconds), float64(s.seconds+1)
	for at := begin + s.random.ExpFloat64()/s.rate; at < end; at += s.random.ExpFloat64() / s.rate {
		stage := Stable
		if s.random.Float64() < share {
			stage = Canary
		}
		seconds := 0.05 * math.Exp(s.sigma*s.random.NormFloat64())
		if stage == Canary && s.slower > 0 {
			seconds *= s.slower
		}
		failed := s.random.Float64() < s.errors[stage]
		if stage == Canary && s.hangs > 0 && s.random.Float64() < s.hangs {
			seconds, failed = 60, true
		}
		e := ending{at + seconds, s.guard.Start(stage), time.Duration(seconds * 1e9), failed}
		if e.at <= end {
			e.call.End(e.latency, e.failed)
		} else {
			s.pending = append(s.pending, e)
		}
	}
	s.seconds++
	rest := s.pending[:0]
	for _, e := range s.pending {
		if e.at <= end {
			e.call.End(e.latency, e.failed)
		} else {
			rest = append(rest, e)
		}
	}
	s.pending = rest
}

// issueSettings are those of the documentation's example.
func issueSettings() Settings {
	s := DefaultSettings()
	s.Steps = []float64{0.05, 0.25, 0.5, 1}
	return s
}

// each runs a simulation many times, on two cores, with seeds from 1 on.
func each(runs int, run func(seed uint64)) {
	var seed atomic.Uint64
	var workers sync.WaitGroup
	for range 2 {
		workers.Go(func() {
			for i := seed.Add(1); i <= uint64(runs); i = seed.Add(1) {
				run(i)
			}
		})
	}
	workers.Wait()
}

// runsEach is how often each kind of traffic is simulated, each time with the same seeds:
// WEIR_SOAK=1 makes it a thousand times, which takes half a minute.
func runsEach() int {
	if os.Getenv("WEIR_SOAK") != "" {
		return 1000
	}
	return 40
}

// What becomes of canaries that are as good as stable. At an error rate of 5 % the
// difference of two equal stages is often above one point while requests are few.
func TestSoakAnEqualCanaryIsPromotedAndNotTakenBack(t *testing.T) {
	for _, test := range []struct {
		rate   float64
		errors float64
		within time.Duration // fully promoted before
		share  float64       // of the rollouts, at least
	}{
		{500, 0, 92 * time.Second, 1},
		{500, 0.01, 92 * time.Second, 0.99},
		{500, 0.05, 92 * time.Second, 0.95},
		{50, 0, 5 * time.Minute, 0.99},
		{50, 0.01, 5 * time.Minute, 0.98},
		{50, 0.05, 5 * time.Minute, 0.85},
		{1, 0, 10 * time.Minute, 0},
		{1, 0.01, 10 * time.Minute, 0},
		{1, 0.05, 10 * time.Minute, 0},
	} {
		for _, sigma := range []float64{1, 1.5} {
			t.Run(fmt.Sprintf("%v a second, %v errors, sigma %v", test.rate, test.errors, sigma), func(t *testing.T) {
				var takenBack, promoted, inTime, slowest atomic.Int64
				runs := runsEach()
				each(runs, func(seed uint64) {
					s := simulate(traffic{rate: test.rate, errors: [2]float64{test.errors, test.errors}, sigma: sigma}, issueSettings(), 0.05, seed)
					s.run(10 * time.Minute)
					switch took := int64(s.seconds); s.guard.Share() {
					case 0:
						takenBack.Add(1)
						t.Logf("seed %d: %s", seed, s.last.Text)
					case 1:
						promoted.Add(1)
						if took < int64(test.within.Seconds()) {
							inTime.Add(1)
						}
						for was := slowest.Load(); took > was && !slowest.CompareAndSwap(was, took); was = slowest.Load() {
						}
					}
				})
				t.Logf("of %d: taken back %d, promoted %d, within %s %d, the slowest in %d s",
					runs, takenBack.Load(), promoted.Load(), test.within, inTime.Load(), slowest.Load())
				if takenBack.Load()*100 >= int64(runs) {
					t.Errorf("%d of %d are taken back, want fewer than 1%%", takenBack.Load(), runs)
				}
				if float64(inTime.Load()) < test.share*float64(runs) {
					t.Errorf("%d of %d are promoted within %s, want %v of them", inTime.Load(), runs, test.within, test.share)
				}
				if test.rate == 1 && promoted.Load() > 0 {
					t.Errorf("%d are promoted by a request a second, want none within 10 min", promoted.Load())
				}
			})
		}
	}
}

// A hundredth may take longer: the latency of requests that are still under way is
// not known, and among those of the slower canary that are more.
func TestSoakABadCanaryIsTakenBack(t *testing.T) {
	for _, test := range []struct {
		name   string
		rate   float64
		worse  float64
		slower float64
		rule   Rule
		within time.Duration
	}{
		{"fails ten points more often", 500, 0.1, 1, RuleErrors, 30 * time.Second},
		{"is three times slower", 500, 0, 3, RuleLatency, 30 * time.Second},
		{"fails ten points more often, few requests", 50, 0.1, 1, RuleErrors, 5 * time.Minute},
		{"is three times slower, few requests", 50, 0, 3, RuleLatency, 5 * time.Minute},
	} {
		for _, base := range []float64{0, 0.01, 0.05} {
			for _, sigma := range []float64{1, 1.5} {
				t.Run(fmt.Sprintf("%s, %v errors, sigma %v", test.name, base, sigma), func(t *testing.T) {
					var sum, slowest, late atomic.Int64
					runs := runsEach()
					each(runs, func(seed uint64) {
						tr := traffic{rate: test.rate, errors: [2]float64{base + test.worse, base}, sigma: sigma, slower: test.slower}
						s := simulate(tr, issueSettings(), 0.05, seed)
						s.run(10 * time.Minute)
						took := int64(s.seconds)
						if s.guard.Share() != 0 || s.last.Rule != test.rule || took > int64(test.within.Seconds()) {
							late.Add(1)
							t.Logf("seed %d: share %v after %d s: %s", seed, s.guard.Share(), took, s.last.Text)
						}
						sum.Add(took)
						for was := slowest.Load(); took > was && !slowest.CompareAndSwap(was, took); was = slowest.Load() {
						}
					})
					t.Logf("after %d s in the mean, %d s at most", sum.Load()/int64(runs), slowest.Load())
					if late.Load() > max(1, int64(runs)/100) {
						t.Errorf("%d of %d are not taken back for %s within %s", late.Load(), runs, test.rule, test.within)
					}
				})
			}
		}
	}
}

// Requests that hang are in no rate and no quantile until they time out. They must not
// be what a promotion overlooks.
func TestACanaryThatHangsIsNotPromoted(t *testing.T) {
	each(20, func(seed uint64) {
		s := simulate(traffic{rate: 500, sigma: 1, hangs: 0.1}, issueSettings(), 0.05, seed)
		s.run(10 * time.Minute)
		if s.guard.Share() != 0 || s.last.Share != 0.05 {
			t.Errorf("seed %d: share %v, taken back from %v after %d s", seed, s.guard.Share(), s.last.Share, s.seconds)
		}
		if s.seconds > 120 {
			t.Errorf("seed %d: taken back after %d s, and the first timeouts are at 60 s", seed, s.seconds)
		}
	})
}

// Hours of good requests must not outweigh what fails now.
func TestALongGoodPastHidesNothing(t *testing.T) {
	each(10, func(seed uint64) {
		settings := issueSettings()
		settings.Steps = []float64{0.25, 0.5}
		s := simulate(traffic{rate: 30, errors: [2]float64{0.01, 0.01}, sigma: 1}, settings, 0.5, seed)
		const good = 3 * time.Hour
		s.run(good)
		if s.guard.Share() != 0.5 || s.guard.Snapshot(s.now()).Phase != Done {
			t.Errorf("seed %d: share %v after three good hours: %s", seed, s.guard.Share(), s.last.Text)
			return
		}
		s.errors[Canary] = 0.5
		s.run(good + 5*time.Minute)
		if s.guard.Share() != 0 {
			t.Errorf("seed %d: not taken back within 5 min: %+v", seed, s.guard.Snapshot(s.now()).Present)
		}
	})
}
