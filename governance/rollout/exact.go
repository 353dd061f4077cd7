package rollout

// exact.go holds the distributions of the tests: that of successes in independent
// trials, and that of the observations of one sample above one of another.

import "math"

// upperTail is the probability that at least k of n trials succeed, each with
// probability p.
func upperTail(k, n int, p float64) float64 {
	switch {
	case k <= 0:
		return 1
	case k > n || p <= 0:
		return 0
	case p >= 1:
		return 1
	}
	// The sum goes away from the mean, where the terms fall.
	odds := p / (1 - p)
	if float64(k) > float64(n)*p {
		return fallingSum(mass(k, n, p), func(i int) float64 { return float64(n-k-i) / float64(k+i+1) * odds })
	}
	below := k - 1
	return 1 - fallingSum(mass(below, n, p), func(i int) float64 { return float64(below-i) / float64(n-below+i+1) / odds })
}

// fallingSum adds terms until they do not count. ratio is that of the term after
// the i-th to the i-th; it falls, and comes to 0.
func fallingSum(term float64, ratio func(i int) float64) float64 {
	sum := term
	for i := 0; term > sum*1e-16; i++ {
		term *= ratio(i)
		sum += term
	}
	return min(sum, 1)
}

// mass is the probability that exactly k of n trials succeed; p is within (0, 1).
func mass(k, n int, p float64) float64 {
	return math.Exp(logChoose(n, k) + float64(k)*math.Log(p) + float64(n-k)*math.Log1p(-p))
}

func logChoose(n, k int) float64 { return logFactorial(n) - logFactorial(k) - logFactorial(n-k) }

func logFactorial(n int) float64 {
	log, _ := math.Lgamma(float64(n) + 1)
	return log
}

// rateBound is the upper end of the exact confidence interval (Clopper and Pearson)
// for the probability of success after k of n trials: were it greater, so few
// successes would have a probability below beta.
func rateBound(k, n int, beta float64) float64 {
	if k >= n {
		return 1
	}
	low, high := float64(k)/float64(n), 1.0
	for high-low > 1e-9*high {
		p := (low + high) / 2
		if atMost := upperTail(n-k, n, 1-p); atMost > beta {
			low = p
		} else {
			high = p
		}
	}
	return high
}

// exceedances is the probability that at least k of n observations are above the r-th of
// m others in ascending order, if all are from one continuous distribution, whichever
// it is.
func exceedances(k, n, r, m int) float64 {
	if k <= 0 {
		return 1
	}
	if k > n {
		return 0
	}
	// The places of the one sample among those of the other are all as likely.
	above := m - r
	first := math.Exp(logChoose(n-k+r-1, r-1) + logChoose(k+above, above) - logChoose(n+m, m))
	return fallingSum(first, func(i int) float64 {
		return float64(k+i+1+above) / float64(k+i+1) * float64(n-k-i) / float64(max(1, n-k-i+r-1))
	})
}
