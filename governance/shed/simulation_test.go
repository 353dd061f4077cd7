package shed

// simulation_test.go puts a Shedder in front of a back end, in faked time.

import (
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// backend has places, and lets requests wait for one.
type backend struct {
	places  chan struct{}
	service time.Duration
}

func newBackend(places int, service time.Duration) *backend {
	return &backend{make(chan struct{}, places), service}
}

// capacity is how many requests a second it can take.
func (b *backend) capacity() float64 { return float64(cap(b.places)) / b.service.Seconds() }

func (b *backend) serve(random float64) {
	b.places <- struct{}{}
	time.Sleep(time.Duration(float64(b.service) * (0.9 + 0.2*random)))
	<-b.places
}

// tally is what came of a load.
type tally struct {
	mu        sync.Mutex
	sent      [priorities]int
	answered  [priorities]int
	latencies []time.Duration
}

func (t *tally) share(p Priority) float64 { return float64(t.answered[p]) / float64(t.sent[p]) }

func (t *tally) total() int { return len(t.latencies) }

func (t *tally) p99() time.Duration {
	slices.Sort(t.latencies)
	return t.latencies[len(t.latencies)*99/100]
}

// load sends rates requests a second of each priority, at random times, for a while.
func load(b *backend, s *Shedder, random *rand.Rand, rates [priorities]float64, pressure float64, lasts time.Duration) *tally {
	t := new(tally)
	var requests sync.WaitGroup
	total := rates[0] + rates[1] + rates[2]
	begin := time.Now()
	due := begin
	for time.Since(begin) < lasts {
		due = due.Add(time.Duration(random.ExpFloat64() / total * float64(time.Second)))
		time.Sleep(time.Until(due))
		p := Low
		for x := random.Float64() * total; x >= rates[p] && p < Critical; p++ {
			x -= rates[p]
		}
		t.sent[p]++
		permit, reason := s.Admit(p, pressure)
		if reason != Admitted {
			continue
		}
		length := random.Float64()
		requests.Go(func() {
			arrived := time.Now()
			b.serve(length)
			permit.Release(Answered)
			t.mu.Lock()
			defer t.mu.Unlock()
			t.answered[p]++
			t.latencies = append(t.latencies, time.Since(arrived))
		})
	}
	requests.Wait()
	return t
}

func simulate(t *testing.T, run func(t *testing.T, random *rand.Rand)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { run(t, rand.New(rand.NewPCG(1, 2))) })
}

func automatic() Settings {
	settings := DefaultSettings()
	settings.Auto = true
	settings.AutoMin = 10
	return settings
}

// The numbers are those of the overload test against the real gateway, in
// integration: three times what a back end of 50 places and 20 ms can take.
func TestAnAutomaticLimitKeepsGoodputAndLatencyUnderOverload(t *testing.T) {
	for _, test := range []struct {
		name    string
		places  int
		service time.Duration
		times   float64
	}{
		{"50 places of 20 ms, three times", 50, 20 * time.Millisecond, 3},
		{"20 places of 40 ms, three times", 20, 40 * time.Millisecond, 3},
		{"50 places of 20 ms, one and a half times", 50, 20 * time.Millisecond, 1.5},
		{"50 places of 20 ms, eight times", 50, 20 * time.Millisecond, 8},
	} {
		t.Run(test.name, func(t *testing.T) {
			simulate(t, func(t *testing.T, random *rand.Rand) {
				b := newBackend(test.places, test.service)
				s := New(new(State), automatic())
				only := func(times float64) [priorities]float64 { return [priorities]float64{Normal: times * b.capacity()} }
				load(b, s, random, only(0.6), 0, 2*time.Second) // the limit goes up
				calm := load(b, s, random, only(0.6), 0, 10*time.Second)
				if got := calm.share(Normal); got != 1 {
					t.Errorf("before the overload %.4f of the requests are admitted, want all", got)
				}
				load(b, s, random, only(test.times), 0, 2*time.Second) // the limit comes down
				over := load(b, s, random, only(test.times), 0, 10*time.Second)
				if got, want := float64(over.total())/10, 0.85*b.capacity(); got < want {
					t.Errorf("under overload %.0f requests a second are answered, want %.0f or more", got, want)
				}
				if got, most := over.p99(), 3*calm.p99(); got > most {
					t.Errorf("the p99 of answers under overload is %v, want at most %v", got, most)
				}
				t.Logf("limit %d, %.1f%% of capacity, p99 %v, %v before", s.Limit(), 10*float64(over.total())/b.capacity(), over.p99(), calm.p99())
			})
		})
	}
}

func TestTheLowestPriorityIsRefusedFirst(t *testing.T) {
	for name, settings := range map[string]Settings{
		"fixed":     {MaxInFlight: 60, HasLow: true, HasCritical: true, Floor: 0.05},
		"automatic": {Auto: true, AutoMin: 10, AutoMax: 2000, HasLow: true, HasCritical: true, Floor: 0.05},
	} {
		t.Run(name, func(t *testing.T) {
			simulate(t, func(t *testing.T, random *rand.Rand) {
				b := newBackend(50, 20*time.Millisecond)
				s := New(new(State), settings)
				rates := [priorities]float64{Low: 2 * b.capacity(), Normal: 0.3 * b.capacity(), Critical: 0.2 * b.capacity()}
				load(b, s, random, rates, 0, 3*time.Second)
				got := load(b, s, random, rates, 0, 10*time.Second)
				if share := got.share(Critical); share < 0.999 {
					t.Errorf("%.4f of critical requests are admitted, want all", share)
				}
				if share := got.share(Normal); share < 0.97 {
					t.Errorf("%.4f of normal requests are admitted, want 97 %% or more", share)
				}
				if share := got.share(Low); share < 0.15 || share > 0.3 {
					t.Errorf("%.4f of low requests are admitted, want about a quarter: what is left", share)
				}
				t.Logf("limit %d: low %.3f, normal %.3f, critical %.3f; p99 %v", s.Limit(), got.share(Low), got.share(Normal), got.share(Critical), got.p99())

				// more critical requests than the service can take leave the others their floor
				rates[Critical] = 2 * b.capacity()
				load(b, s, random, rates, 0, time.Second)
				got = load(b, s, random, rates, 0, 5*time.Second)
				if low, normal := got.share(Low), got.share(Normal); low < 0.045 || low > 0.07 || normal < 0.045 || normal > 0.07 {
					t.Errorf("of low and normal requests %.4f and %.4f are admitted, want the floor, 0.05", low, normal)
				}
				t.Logf("critical ones alone are too many: low %.3f, normal %.3f, critical %.3f", got.share(Low), got.share(Normal), got.share(Critical))
			})
		})
	}
}
