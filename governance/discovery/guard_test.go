package discovery

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/weirproxy/weir/governance/lease"
)

// Whatever comes in whatever order: what is told is in the set, what is not told goes
// no faster than it may, and goes in the end.
func TestGuardKeepsItsPromises(t *testing.T) {
	for seed := range uint64(100) {
		random := rand.New(rand.NewPCG(seed, 1))
		settings := Settings{MaxRemoval: []float64{0.1, 0.5, 1}[random.IntN(3)]}.WithDefaults()
		g := guard{settings: settings}
		now := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
		var windowEnds time.Time
		var removed, may int
		for range 200 {
			now = now.Add(time.Duration(random.Int64N(int64(3 * time.Second))))
			var told []lease.Instance
			if part := random.Float64(); random.IntN(4) > 0 {
				for n := range 20 {
					if random.Float64() < part {
						told = append(told, instance(n))
					}
				}
			}
			before, emptySince := ids(g.members), g.emptySince
			var status Status
			g.take(settings.sift(told, &status), now)
			after := ids(g.members)
			if !slices.IsSorted(after) || len(slices.Compact(slices.Clone(after))) != len(after) {
				t.Fatalf("seed %d: %v is not sorted, or has one twice", seed, after)
			}
			for _, id := range ids(told) {
				if !slices.Contains(after, id) {
					t.Fatalf("seed %d: %s is told and not there", seed, id)
				}
			}
			gone := 0
			for _, id := range before {
				if !slices.Contains(after, id) {
					gone++
				}
			}
			if len(told) == 0 && len(before) > 0 {
				believed := !emptySince.IsZero() && now.Sub(emptySince) >= settings.EmptyAfter
				if believed != (len(after) == 0) || !believed && gone > 0 {
					t.Fatalf("seed %d: of %d, %d went in an empty answer, told since %s", seed, len(before), gone, now.Sub(emptySince))
				}
				continue
			}
			if settings.MaxRemoval == 1 {
				if len(after) > len(told) {
					t.Fatalf("seed %d: %v stay, of whom all may go", seed, after)
				}
				continue
			}
			if !now.Before(windowEnds) && len(before) > len(told) || !now.Before(windowEnds) && gone > 0 {
				windowEnds, removed, may = now.Add(settings.RemovalInterval), 0, max(1, int(settings.MaxRemoval*float64(len(before))))
			}
			if removed += gone; removed > may && gone > 0 {
				t.Fatalf("seed %d: %d went in %s, where %d may", seed, removed, settings.RemovalInterval, may)
			}
		}
		// in the end only who is told of is left
		for range 100 {
			now = now.Add(settings.RemovalInterval)
			var status Status
			g.take(settings.sift([]lease.Instance{instance(3)}, &status), now)
		}
		if got := fmt.Sprint(ids(g.members)); got != "[web-0003]" || len(g.held) != 0 {
			t.Fatalf("seed %d: %s is left, want only web-0003", seed, got)
		}
	}
}
