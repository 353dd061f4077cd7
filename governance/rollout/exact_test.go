package rollout

import (
	"fmt"
	"math"
	"testing"
)

func near(got, want float64) bool { return math.Abs(got-want) <= 1e-5*want }

// The values are those of the regularized incomplete beta function, from another
// implementation.
func TestUpperTail(t *testing.T) {
	for _, test := range []struct {
		k, n    int
		p, want float64
	}{
		{1, 1, 0.3, 0.3},
		{0, 5, 0.1, 1},
		{6, 5, 0.1, 0},
		{3, 5, 0, 0},
		{3, 5, 1, 1},
		{5, 20, 0.01, 1.367799e-06},
		{6, 75, 0.06, 2.943259e-01},
		{40, 375, 0.05, 7.033171e-06},
		{10, 375, 0.05, 9.911574e-01},
		{375, 375, 0.9, 6.933317e-18},
		{900, 7125, 0.12, 5.315548e-02},
		{50_500, 1_000_000, 0.05, 1.104112e-02},
		{5_100_000, 100_000_000, 0.05, 0},
	} {
		if got := upperTail(test.k, test.n, test.p); !near(got, test.want) {
			t.Errorf("at least %d of %d at %v: %v, want %v", test.k, test.n, test.p, got, test.want)
		}
	}
}

func TestRateBound(t *testing.T) {
	for _, test := range []struct {
		k, n       int
		beta, want float64
	}{
		{0, 0, 0.0005, 1},
		{10, 10, 0.05, 1},
		{0, 100, 0.0005, 0.073192},
		{3, 500, 0.0005, 0.027565},
		{71, 7125, 0.0005, 0.014456},
		{5, 10, 0.05, 0.777559},
		{50_000, 1_000_000, 0.0005, 0.050721},
	} {
		if got := rateBound(test.k, test.n, test.beta); math.Abs(got-test.want) > 1e-6 {
			t.Errorf("after %d of %d at %v: %v, want %v", test.k, test.n, test.beta, got, test.want)
		}
	}
}

// The values are sums of whole numbers of arbitrary size.
func TestExceedances(t *testing.T) {
	for _, test := range []struct {
		k, n, r, m int
		want       float64
	}{
		{1, 1, 1, 1, 0.5},
		{2, 3, 1, 1, 0.5},
		{0, 3, 1, 1, 1},
		{4, 3, 1, 1, 0},
		{3, 10, 19, 20, 9.523810e-02},
		{36, 375, 6769, 7125, 2.637220e-04},
		{20, 200, 190, 200, 4.304840e-02},
		{10, 10, 1, 2, 1.666667e-01},
		{1, 200, 190, 200, 9.995760e-01},
	} {
		if got := exceedances(test.k, test.n, test.r, test.m); !near(got, test.want) {
			t.Errorf("%d of %d above the %d-th of %d: %v, want %v", test.k, test.n, test.r, test.m, got, test.want)
		}
	}
}

// A canary whose error rate is above stable's by all that may be is the hardest to
// judge: the probability to take it back, summed over all that stable may do, is
// below Alpha. The score test of the normal approximation (Farrington and Manning)
// comes to five times Alpha where stable has 19 times the requests.
func TestLevelOfTheErrorTest(t *testing.T) {
	s := DefaultSettings()
	s.MinErrors = 1 // the floor must not be what keeps the level
	highest := 0.0
	for _, canary := range []int{20, 75, 375, 2000} {
		for _, stable := range []int{canary / 4, canary, 19 * canary} {
			for _, rate := range []float64{0.0005, 0.005, 0.02, 0.05, 0.2} {
				level := errorTestLevel(s, canary, stable, rate)
				highest = max(highest, level)
				if level > s.Alpha {
					t.Errorf("%d requests against %d, error rate %v: taken back with probability %v", canary, stable, rate, level)
				}
			}
		}
	}
	if highest == 0 {
		t.Error("the test never takes anything back")
	}
	t.Logf("highest level %.5f", highest)
}

func errorTestLevel(s Settings, canary, stable int, rate float64) float64 {
	level := 0.0
	for errors := range stable + 1 {
		probability := mass(errors, stable, rate)
		if probability < 1e-12 {
			continue
		}
		takenBack := func(k int) bool {
			v := Verdict{
				Canary:        Side{Requests: canary, Errors: k},
				Stable:        Side{Requests: stable, Errors: errors},
				ErrorIncrease: ratio(k, canary) - ratio(errors, stable),
				ErrorP:        1,
			}
			v.testErrors(s)
			return v.ErrorP <= s.Alpha
		}
		low, high := 0, canary+1 // the least number that is too many
		for low < high {
			if middle := (low + high) / 2; takenBack(middle) {
				high = middle
			} else {
				low = middle + 1
			}
		}
		level += probability * upperTail(low, canary, rate+s.MaxErrorIncrease)
	}
	return level
}

// The same for latencies: as the rank test is exact, it is only to be seen that the
// rejection is where it belongs.
func TestLevelOfTheLatencyTest(t *testing.T) {
	s := DefaultSettings()
	for _, size := range [][2]int{{200, 200}, {200, 3800}, {375, 7125}, {2000, 500}} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			canary, stable := size[0], size[1]
			r := quantileRank(stable, s.Quantile)
			k := 0
			for exceedances(k, canary, r, stable) > s.Alpha {
				k++
			}
			if got := float64(k) / float64(canary); got < 0.06 || got > 0.2 {
				t.Errorf("taken back from %d slow requests of %d on, want some more than 5%%", k, canary)
			}
			if before := exceedances(k-1, canary, r, stable); before <= s.Alpha {
				t.Errorf("%d slow requests have probability %v already", k-1, before)
			}
		})
	}
}
