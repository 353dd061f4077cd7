// Package swrr picks by smooth weighted round robin, the way nginx does: over any
// period whose length is the sum of integer weights each index is picked exactly
// as often as its weight says, and the picks of a heavy index are spread out
// instead of coming in a row. Weights 5, 1, 1 give 0 0 1 0 2 0 0.
//
// The algorithm (nginx, "Upstream: smooth weighted round-robin balancing", 2012)
// adds to the credit of every index its weight, picks the largest credit, and
// takes the sum of all weights from it. That is linear in the number of indices,
// so a Scheduler runs it ahead of time: it makes a run of picks at once, hands
// them out with one atomic addition, and, where weights are integers with a short
// enough period, makes one period and goes round in it for ever. Changing the
// weights takes back the picks that were not handed out; what an index has waited
// for is kept.
//
// The package depends on the standard library alone.
package swrr

import (
	"math"
	"slices"
	"sync"
	"sync/atomic"
)

const (
	// runLength is how many picks are made at once where there is no short
	// period.
	runLength = 64
	// A period is kept only if it has at most periodLength picks, and takes at
	// most periodWork steps (picks times indices) to make: a million steps take a
	// few milliseconds, and while they do, nobody else can change the weights.
	periodLength = 1 << 13
	periodWork   = 1 << 22
)

// Scheduler hands out indices. Its methods may be called concurrently.
type Scheduler struct {
	run atomic.Pointer[run]

	mu      sync.Mutex
	weights []float64
	credit  []float64 // as of the beginning of run
	total   float64
}

// run is a sequence of picks made ahead of time.
type run struct {
	next  atomic.Uint64
	round bool // picks are a whole period: go round
	picks []int32
}

// New returns a Scheduler over weights. Weights that are negative, infinite or
// not a number count as zero; an index of weight zero is never picked.
func New(weights []float64) *Scheduler {
	s := new(Scheduler)
	s.carry(weights, nil, 0, nil)
	return s
}

// Next returns the next index, or -1 if no weight is positive.
func (s *Scheduler) Next() int {
	for {
		r := s.run.Load()
		n := uint64(len(r.picks))
		i := r.next.Add(1) - 1
		switch {
		case i < n:
			return int(r.picks[i])
		case n == 0:
			return -1
		case r.round:
			return int(r.picks[i%n])
		}
		s.extend(r)
	}
}

// extend replaces the exhausted run.
func (s *Scheduler) extend(exhausted *run) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.run.Load() == exhausted {
		s.settle()
		s.run.Store(s.make())
	}
}

// Update changes the weights of the indices there are; each keeps its place in the
// sequence.
func (s *Scheduler) Update(weights []float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle()
	s.carry(weights, s.credit, s.total, nil)
}

// Successor returns a Scheduler over other indices, and leaves s as it is. from
// maps each new index to the one of s whose place it takes, or to -1 for a newcomer.
func (s *Scheduler) Successor(weights []float64, from []int) *Scheduler {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.run.Load()
	next := new(Scheduler)
	next.carry(weights, s.creditAfter(r, r.next.Load()), s.total, from)
	return next
}

// carry sets the weights, with credit taken over from indices that had the sum of
// weights total, and makes the next run.
func (s *Scheduler) carry(weights, credit []float64, total float64, from []int) {
	s.weights = make([]float64, len(weights))
	s.total = 0
	for i, w := range weights {
		if w > 0 && !math.IsInf(w, 1) {
			s.weights[i] = w
			s.total += w
		}
	}
	carried := make([]float64, len(weights))
	sum := 0.0
	for i := range carried {
		old := i
		if from != nil {
			old = from[i]
		}
		// Credit is in units of weight: it is scaled with the total, or a change
		// of one weight would shift what the others have waited for. An index
		// whose weight is zero for a while keeps its place.
		if old >= 0 && old < len(credit) && total > 0 && s.total > 0 {
			carried[i] = credit[old] * s.total / total
			sum += carried[i]
		}
	}
	// the algorithm keeps the sum of all credits at zero; indices that left took
	// theirs along
	if sum != 0 && s.total > 0 {
		for i, w := range s.weights {
			carried[i] -= sum * w / s.total
		}
	}
	s.credit = carried
	s.run.Store(s.make())
}

// settle moves the beginning of the run to where its picks have been handed out.
// Whoever still holds the run may get a few more picks from it, which are not
// counted.
func (s *Scheduler) settle() {
	r := s.run.Load()
	s.credit = s.creditAfter(r, r.next.Swap(math.MaxUint64/2))
}

// creditAfter is the credit after the first used picks of r.
func (s *Scheduler) creditAfter(r *run, used uint64) []float64 {
	credit := slices.Clone(s.credit)
	n := uint64(len(r.picks))
	if n == 0 {
		return credit
	}
	if r.round {
		used %= n
	}
	used = min(used, n)
	for _, i := range r.picks[:used] {
		credit[i] -= s.total
	}
	for i, w := range s.weights {
		credit[i] += float64(used) * w
	}
	return credit
}

// make makes the run that follows from weights and credit, without changing them.
func (s *Scheduler) make() *run {
	r := new(run)
	if s.total <= 0 {
		return r
	}
	length := runLength
	if period := s.period(); period > 0 {
		length, r.round = period, true
	}
	credit := slices.Clone(s.credit)
	picked := make([]float64, len(s.weights))
	r.picks = make([]int32, length)
	for n := range r.picks {
		best := -1
		for i, w := range s.weights {
			if w == 0 {
				continue
			}
			credit[i] += w
			if best < 0 || credit[i] > credit[best] {
				best = i
			}
		}
		credit[best] -= s.total
		picked[best]++
		r.picks[n] = int32(best)
	}
	// Credit carried over from other weights makes the first period differ from
	// the ones that follow; only one with exact shares may be repeated.
	for i := 0; r.round && i < len(picked); i++ {
		r.round = picked[i]*s.total == s.weights[i]*float64(length)
	}
	return r
}

// period returns the length of the sequence's period if the weights are integers
// and it is short enough, and 0 otherwise.
func (s *Scheduler) period() int {
	divisor := 0.0
	for _, w := range s.weights {
		if w != math.Trunc(w) || w > 1<<40 {
			return 0
		}
		divisor = gcd(divisor, w)
	}
	period := s.total / divisor
	if period > periodLength || period*float64(len(s.weights)) > periodWork {
		return 0
	}
	return int(period)
}

func gcd(a, b float64) float64 {
	for b != 0 {
		a, b = b, math.Mod(a, b)
	}
	return a
}
