package swrr

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
)

func take(s *Scheduler, n int) []int {
	picks := make([]int, n)
	for i := range picks {
		picks[i] = s.Next()
	}
	return picks
}

func counts(picks []int, n int) []int {
	c := make([]int, n)
	for _, i := range picks {
		c[i]++
	}
	return c
}

// The sequences are what nginx's algorithm gives by hand.
func TestSequences(t *testing.T) {
	for _, tc := range []struct {
		weights []float64
		want    []int
	}{
		{[]float64{5, 1, 1}, []int{0, 0, 1, 0, 2, 0, 0}},
		{[]float64{1, 1, 1}, []int{0, 1, 2}},
		{[]float64{4, 2, 1}, []int{0, 1, 0, 2, 0, 1, 0}},
		{[]float64{3, 0, 1}, []int{0, 0, 2, 0}},
		{[]float64{10, 2, 2}, []int{0, 0, 1, 0, 2, 0, 0}},
	} {
		s := New(tc.weights)
		for round := range 40 {
			if got := take(s, len(tc.want)); !slices.Equal(got, tc.want) {
				t.Fatalf("weights %v, round %d: picks %v, want %v", tc.weights, round, got, tc.want)
			}
		}
	}
}

// The shares of a period are exact for any integer weights, whether or not the
// period is short enough to be kept.
func TestSharesAreExact(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		weights := make([]float64, 1+rng.IntN(20))
		sum := 0
		for i := range weights {
			w := rng.IntN(1 << rng.IntN(11))
			weights[i] = float64(w)
			sum += w
		}
		if sum == 0 {
			continue
		}
		s := New(weights)
		for range 3 {
			for i, n := range counts(take(s, sum), len(weights)) {
				if float64(n) != weights[i] {
					t.Fatalf("weights %v: index %d was picked %d times in %d", weights, i, n, sum)
				}
			}
		}
	}
}

func TestSharesAreExactWithoutKeptPeriod(t *testing.T) {
	weights := []float64{1 << 20, 1<<20 - 1, 1}
	s := New(weights)
	if s.period() != 0 {
		t.Fatal("the period is meant to be too long to keep")
	}
	for i, n := range counts(take(s, 1<<21), len(weights)) {
		if float64(n) != weights[i] {
			t.Errorf("index %d was picked %d times", i, n)
		}
	}
}

// Real weights never lag by a whole pick in a pool of two.
func TestWorkedExample(t *testing.T) {
	weights := []float64{3 * 0.92, 5 * 0.76} // 2.76 and 3.80
	s := New(weights)
	total := weights[0] + weights[1]
	first := 0
	for n := 1; n <= 100_000; n++ {
		if s.Next() == 0 {
			first++
		}
		if lag := weights[0]/total*float64(n) - float64(first); math.Abs(lag) > 1 {
			t.Fatalf("after %d picks index 0 lags by %.2f", n, lag)
		}
	}
}

func TestNothingToPick(t *testing.T) {
	for _, weights := range [][]float64{nil, {0, 0}, {-1}, {math.NaN(), math.Inf(1)}} {
		if i := New(weights).Next(); i != -1 {
			t.Errorf("weights %v: picked %d", weights, i)
		}
	}
}

// Updating the weights, even at every pick, must not start the sequence over:
// that would give all traffic to the heaviest index.
func TestUpdateKeepsThePlace(t *testing.T) {
	weights := []float64{1, 1.5, 1}
	s := New(weights)
	picks := make([]int, 3500)
	for n := range picks {
		s.Update(weights)
		picks[n] = s.Next()
	}
	for i, n := range counts(picks, 3) {
		if want := weights[i] * 1000; math.Abs(float64(n)-want) > 1 {
			t.Errorf("index %d: %d picks, want %.0f", i, n, want)
		}
	}
}

func TestSuccessorFollowsIndices(t *testing.T) {
	s := New([]float64{1, 1, 1})
	s.Next() // 0 has had its turn
	// 0 leaves, 1 and 2 move up, a newcomer comes last
	s = s.Successor([]float64{1, 1, 1}, []int{1, 2, -1})
	for i, n := range counts(take(s, 300), 3) {
		if n < 99 || n > 101 {
			t.Errorf("index %d: %d of 300 picks", i, n)
		}
	}
	s.Update([]float64{1, 1, 2})
	for i, n := range counts(take(s, 4000), 3) {
		if want := []int{1000, 1000, 2000}[i]; n < want-2 || n > want+2 {
			t.Errorf("index %d: %d of 4000 picks, want %d", i, n, want)
		}
	}
}

// An index that had its turn, was out, and returns with a small weight waits for a
// whole round, not for half of one.
func TestReturningIndexHasNotWaited(t *testing.T) {
	s := New([]float64{1, 1})
	if i := s.Next(); i != 0 {
		t.Fatal("the first pick is", i)
	}
	s.Update([]float64{0, 1})
	take(s, 3)
	s.Update([]float64{0.05, 1})
	if i := slices.Index(take(s, 100), 0); i < 19 || i > 21 {
		t.Errorf("it is picked after %d others, want 20", i)
	}
}

// Carried credit must not be repeated for ever as part of a period.
func TestSharesAfterRandomUpdates(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		n := 2 + rng.IntN(5)
		s := New(make([]float64, n))
		weights := make([]float64, n)
		sum := 0
		for range 5 {
			sum = 0
			for i := range weights {
				w := 1 + rng.IntN(9)
				weights[i] = float64(w)
				sum += w
			}
			s.Update(weights)
			take(s, rng.IntN(50))
		}
		for i, got := range counts(take(s, sum*100), n) {
			if want := weights[i] * 100; math.Abs(float64(got)-want) > float64(n) {
				t.Fatalf("weights %v: index %d picked %d times, want about %.0f", weights, i, got, want)
			}
		}
	}
}

func TestSuccessorLeavesTheOriginal(t *testing.T) {
	s := New([]float64{5, 1, 1})
	take(s, 2)
	successor := s.Successor([]float64{5, 1, 1}, []int{0, 1, 2})
	if got, want := take(successor, 5), []int{1, 0, 2, 0, 0}; !slices.Equal(got, want) {
		t.Errorf("successor picks %v, want %v", got, want)
	}
	if got, want := take(s, 5), []int{1, 0, 2, 0, 0}; !slices.Equal(got, want) {
		t.Errorf("original picks %v, want %v", got, want)
	}
}

func TestConcurrentUse(t *testing.T) {
	weights := []float64{3, 2.5, 1}
	s := New(weights)
	const workers, each = 4, 20_000
	var mu sync.Mutex
	total := make([]int, 3)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			c := counts(take(s, each), 3)
			mu.Lock()
			defer mu.Unlock()
			for i := range c {
				total[i] += c[i]
			}
		})
	}
	wg.Go(func() {
		for range 200 {
			s.Update(weights)
		}
	})
	wg.Wait()
	for i, n := range total {
		want := weights[i] / 6.5 * workers * each
		// each update may misplace what was being handed out at that moment
		if math.Abs(float64(n)-want) > 200*(workers+1) {
			t.Errorf("index %d: %d picks, want about %.0f", i, n, want)
		}
	}
}

func ExampleScheduler() {
	s := New([]float64{5, 1, 1})
	for range 7 {
		fmt.Print(string(rune('a'+s.Next())), " ")
	}
	// Output: a a b a c a a
}

// linear is smooth weighted round robin as it is usually written: the yardstick.
type linear struct {
	mu              sync.Mutex
	weights, credit []float64
	total           float64
}

func (l *linear) next() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	best := 0
	for i, w := range l.weights {
		l.credit[i] += w
		if l.credit[i] > l.credit[best] {
			best = i
		}
	}
	l.credit[best] -= l.total
	return best
}

func BenchmarkNext(b *testing.B) {
	for _, n := range []int{3, 100, 1000} {
		integers, reals := make([]float64, n), make([]float64, n)
		total := 0.0
		for i := range n {
			integers[i] = float64(1 + i%5)
			reals[i] = integers[i] * 0.9173
			total += integers[i]
		}
		b.Run(fmt.Sprintf("integer_weights/n=%d", n), func(b *testing.B) {
			s := New(integers)
			b.ReportAllocs()
			for b.Loop() {
				s.Next()
			}
		})
		b.Run(fmt.Sprintf("real_weights/n=%d", n), func(b *testing.B) {
			s := New(reals)
			b.ReportAllocs()
			for b.Loop() {
				s.Next()
			}
		})
		b.Run(fmt.Sprintf("linear/n=%d", n), func(b *testing.B) {
			l := &linear{weights: integers, credit: make([]float64, n), total: total}
			b.ReportAllocs()
			for b.Loop() {
				l.next()
			}
		})
	}
}

func BenchmarkUpdate(b *testing.B) {
	for _, n := range []int{3, 100, 1000} {
		weights := make([]float64, n)
		for i := range weights {
			weights[i] = 1 + float64(i%7)/10
		}
		s := New(weights)
		b.Run(fmt.Sprintf("n=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				s.Update(weights)
			}
		})
	}
}
