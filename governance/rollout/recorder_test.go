package rollout

import (
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

func TestBucketsAreNarrowAndHaveNoGaps(t *testing.T) {
	for i := range buckets - 1 {
		low, high := lower(i), upper(i)
		if low >= high || bucketOf(low) != i || bucketOf(high-1) != i || bucketOf(high) != i+1 {
			t.Fatalf("bucket %d is from %s to %s", i, low, high)
		}
		if width := float64(high-low) / float64(low); i > 0 && width > 1.0/32 {
			t.Errorf("bucket %d is %v of its lower end wide", i, width)
		}
	}
	for d, want := range map[time.Duration]int{
		math.MinInt64: 0, 0: 0, 10 * time.Microsecond: 7, math.MaxInt64: buckets - 1,
	} {
		if got := bucketOf(d); got != want {
			t.Errorf("%d ns are in bucket %d, want %d", d, got, want)
		}
	}
	if bucketOf(time.Hour) == buckets-1 {
		t.Error("an hour is not told apart from what is longer")
	}
}

func TestQuantileIsOffByLessThanTwoPercent(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	for range 200 {
		var h histogram
		d := time.Duration(math.Exp(random.Float64()*math.Log(3.6e8)) * 10_000) // 10 us to an hour
		h.observe(d / 2)
		h.observe(d)
		if got := h.read().quantile(0.95); math.Abs(float64(got-d)) > 0.02*float64(d) {
			t.Errorf("of %s and half of that the 95th percentile is %s", d, got)
		}
	}
	if got := new(histogram).read().quantile(0.95); got != 0 {
		t.Errorf("of nothing it is %s", got)
	}
}

func TestSlowerNeverCountsTooMuch(t *testing.T) {
	var h histogram
	for ms := range 1000 {
		h.observe(time.Duration(ms+1) * time.Millisecond)
	}
	c := h.read()
	for _, limit := range []float64{0, 0.001, 0.01, 0.25, 0.5, 0.9, 2} {
		most := 1000 - int(math.Round(max(1, limit*1000))) + 1
		least := 1000 - int(limit*1000*1.035) - 1
		if got := c.slower(limit); got > max(most, 0) || got < least {
			t.Errorf("%d are at least %v s, want at most %d and at least %d", got, limit, most, least)
		}
	}
}

// Each request counts once, in the step in which it began, while steps change.
func TestStepsNeitherLoseNorMixRequests(t *testing.T) {
	g := New(issueSettings(), 0.05, epoch)
	windows := []*window{g.window.Load()}
	const workers, each = 4, 20_000
	var sending sync.WaitGroup
	begun := make([]map[*side]int, workers)
	for w := range workers {
		begun[w] = make(map[*side]int)
		sending.Go(func() {
			for i := range each {
				call := g.Start(Stage(i % 2))
				begun[w][call.side]++
				call.End(time.Millisecond, i%10 == 0)
			}
		})
	}
	for i := range 200 {
		if err := g.SetShare(float64(i%10)/10, epoch); err != nil {
			t.Fatal(err)
		}
		windows = append(windows, g.window.Load())
		if v := g.Snapshot(epoch).Present; v != nil && (v.Canary.Unanswered < 0 || v.Canary.Errors > v.Canary.Requests) {
			t.Errorf("a look between sees %+v", v.Canary)
		}
	}
	sending.Wait()
	requests, errors := 0, 0
	for _, w := range windows {
		for i := range w.sides {
			want := 0
			for _, counts := range begun {
				want += counts[&w.sides[i]]
			}
			got := w.sides[i].sample()
			if got.requests != want || got.started != want {
				t.Errorf("%d requests, %d of them begun, want %d", got.requests, got.started, want)
			}
			requests += got.requests
			errors += got.errors
		}
	}
	if requests != workers*each || errors != workers*each/10 {
		t.Errorf("%d requests and %d errors in all, want %d and %d", requests, errors, workers*each, workers*each/10)
	}
}

func TestTheZeroCallEndsNowhere(t *testing.T) {
	Call{}.End(time.Second, true)
}

func TestRecordingDoesNotAllocate(t *testing.T) {
	g := New(issueSettings(), 0.05, epoch)
	if n := testing.AllocsPerRun(100, func() { g.Start(Canary).End(time.Millisecond, true) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkRecord(b *testing.B) {
	g := New(issueSettings(), 0.05, epoch)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		g.Start(Stable).End(time.Duration(i&0xfff)*time.Microsecond*100, false)
	}
}

func BenchmarkRecordParallel(b *testing.B) {
	g := New(issueSettings(), 0.05, epoch)
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			g.Start(Stable).End(time.Duration(i&0xfff)*time.Microsecond*100, false)
		}
	})
}

func BenchmarkLook(b *testing.B) {
	for name, worse := range map[string]float64{"equal": 0, "failing": 0.02} {
		b.Run(name, func(b *testing.B) {
			s := issueSettings()
			sim := simulate(traffic{rate: 5000, errors: [2]float64{0.05 + worse, 0.05}, sigma: 1}, s, 0.05, 1)
			for range 60 {
				sim.second(0.05)
			}
			for b.Loop() {
				sim.guard.Snapshot(sim.now())
			}
		})
	}
}
