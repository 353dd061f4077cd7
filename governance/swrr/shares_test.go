package swrr

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// realWeights are of three kinds: anything up to 1, some far larger than others,
// and integers that have lost a part, as those of a pool in which some fail.
func realWeights(rng *rand.Rand, n int) (weights []float64, total float64) {
	weights = make([]float64, n)
	for i := range weights {
		switch rng.IntN(3) {
		case 0:
			weights[i] = rng.Float64()
		case 1:
			weights[i] = math.Exp(6*rng.Float64() - 3)
		default:
			weights[i] = 0.9173 * float64(1+rng.IntN(5))
		}
		total += weights[i]
	}
	return weights, total
}

// With real weights there is no period after which shares are exact. What holds
// instead, at every pick: no index is ever a whole pick ahead of its share, nor as
// far behind as a pick and a half (a pick in the case of up to three indices; 1.18
// is the worst that was found with more). Of any picks in a row, wherever they begin,
// each index has its share to within two picks, and usually one.
func TestSharesOfRealWeightsAreWithinAPick(t *testing.T) {
	for _, n := range []int{2, 3, 4, 8, 50} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			behind := 1.5
			if n <= 3 {
				behind = 1
			}
			rng := rand.New(rand.NewPCG(5, uint64(n)))
			for range 300 {
				weights, total := realWeights(rng, n)
				s := New(weights)
				picks := make([]float64, n)
				least, most := make([]float64, n), make([]float64, n)
				for k := 1.0; k <= 5*runLength; k++ {
					picks[s.Next()]++
					for i, w := range weights {
						ahead := picks[i] - k*w/total
						least[i], most[i] = min(least[i], ahead), max(most[i], ahead)
						if ahead >= 1 || ahead <= -behind {
							t.Fatalf("weights %v: after %v picks index %d is %.3f picks ahead of its share", weights, k, i, ahead)
						}
					}
				}
				for i := range weights {
					if off := most[i] - least[i]; off >= 2 {
						t.Errorf("weights %v: over some window index %d is %.3f picks off its share", weights, i, off)
					}
				}
			}
		})
	}
}

// A pick costs no allocation, but with real weights every 64th makes the next 64.
func TestPicksOfRealWeightsAllocateOnceInARun(t *testing.T) {
	const mostInARun = 5
	for _, n := range []int{3, 100, 1000} {
		weights, _ := realWeights(rand.New(rand.NewPCG(7, 8)), n)
		s := New(weights)
		allocations := testing.AllocsPerRun(100, func() {
			for range runLength {
				s.Next()
			}
		})
		if allocations > mostInARun {
			t.Errorf("%d indices: %v allocations for %d picks, want at most %d", n, allocations, runLength, mostInARun)
		}
	}
}
