package cohort

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func layoutOf(t testing.TB, stages ...Stage) *Layout {
	t.Helper()
	l, err := NewLayout(stages)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// at is the smallest point that is not below a fraction, which must be a multiple of
// 2^-53.
func at(fraction float64) Point { return Point(fraction*(1<<53)) << 11 }

const last = Point(math.MaxUint64)

func TestLayoutGrowsFirstFromBelowAndOthersFromAbove(t *testing.T) {
	l := layoutOf(t,
		Stage{Name: "stable", Rest: true}, Stage{Name: "canary", Share: 0.25},
		Stage{Name: "preview", Share: 0.125}, Stage{Name: "beta", Share: 0.0625})
	for _, c := range []struct {
		p    Point
		want int
	}{
		{0, 1}, {at(0.25) - 1, 1},
		{at(0.25), 0}, {at(0.8125) - 1, 0},
		{at(0.8125), 3}, {at(0.875) - 1, 3},
		{at(0.875), 2}, {last, 2},
	} {
		if got := l.At(c.p); got != c.want {
			t.Errorf("%v: stage %d, want %d", c.p.Fraction(), got, c.want)
		}
	}
	if got := l.Stages()[0].Share; got != 0.5625 {
		t.Errorf("stable has %v, want 0.5625", got)
	}
}

func TestNobodyAndEverybody(t *testing.T) {
	edges := []Point{0, 1, 1 << 16, at(0.5) - 1, at(0.5), last - 1<<16, last - 1, last}
	for name, c := range map[string]struct {
		stages []Stage
		want   int
	}{
		"stable alone":        {[]Stage{{Name: "stable", Rest: true}}, 0},
		"0 % canary":          {[]Stage{{Name: "canary"}, {Name: "stable", Rest: true}}, 1},
		"100 % canary":        {[]Stage{{Name: "canary", Share: 1}, {Name: "stable", Rest: true}}, 0},
		"0 % of two":          {[]Stage{{Name: "canary"}, {Name: "stable", Rest: true}, {Name: "preview"}}, 1},
		"100 % of the second": {[]Stage{{Name: "stable", Rest: true}, {Name: "canary"}, {Name: "preview", Share: 1}}, 2},
		"100 % of the third":  {[]Stage{{Name: "stable", Rest: true}, {Name: "a"}, {Name: "b"}, {Name: "c", Share: 1}}, 3},
	} {
		l := layoutOf(t, c.stages...)
		for _, p := range edges {
			if got := l.At(p); got != c.want {
				t.Errorf("%s: %#x gets stage %d, want %d", name, uint64(p), got, c.want)
			}
		}
	}
}

func TestSharesAreFine(t *testing.T) {
	const unit = 1.0 / (1 << shareBits)
	l := layoutOf(t, Stage{Name: "canary", Share: unit}, Stage{Name: "stable", Rest: true}, Stage{Name: "preview", Share: unit})
	for p, want := range map[Point]int{1<<16 - 1: 0, 1 << 16: 1, last - 1<<16: 1, last - 1<<16 + 1: 2} {
		if got := l.At(p); got != want {
			t.Errorf("%#x gets stage %d, want %d", uint64(p), got, want)
		}
	}
}

// As numbers of 64 bits these are more than 1 together, or their units are.
func TestSharesThatComeTo100Percent(t *testing.T) {
	for _, shares := range [][]float64{
		{0.7, 0.2, 0.1}, {0.1, 0.7, 0.2}, {1.0 / 3, 1.0 / 3, 1.0 / 3}, {0.6, 0.3, 0.1}, {0.05, 0.95},
		{1.0 / 7, 1.0 / 7, 1.0 / 7, 1.0 / 7, 1.0 / 7, 1.0 / 7, 1.0 / 7}, {1.0 / 6, 1.0 / 6, 2.0 / 3},
	} {
		stages := []Stage{{Name: "stable", Rest: true}}
		for i, share := range shares {
			stages = append(stages, Stage{Name: string(rune('a' + i)), Share: share})
		}
		l := layoutOf(t, stages...)
		if rest := l.Stages()[0].Share; rest < 0 || rest > 1e-14 {
			t.Errorf("%v leave %v", shares, rest)
		}
		if first, second := l.At(0), l.At(last); first != 1 || second != 2 {
			t.Errorf("%v: the ends have the stages %d and %d, want 1 and 2", shares, first, second)
		}
	}
}

func TestRaisingAShareMovesNobodyBack(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	for range 3000 {
		before, raised := randomLayout(t, random)
		shares := before.Stages()
		// up to all that is left, which the rest has
		share := shares[raised].Share + random.Float64()*shares[before.rest].Share
		if random.IntN(4) == 0 {
			share = shares[raised].Share + shares[before.rest].Share
		}
		after, err := before.With(map[string]float64{shares[raised].Name: min(share, 1)})
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range points(random, before, after) {
			was, is := before.At(p), after.At(p)
			switch {
			case was == raised && is != raised:
				t.Fatalf("%v lost stage %d for %d by a raise of its share: %+v", p.Fraction(), was, is, after.Stages())
			case was != before.rest && is == before.rest:
				t.Fatalf("%v fell back from stage %d: %+v", p.Fraction(), was, after.Stages())
			case raised == before.first && was != is && was != before.rest:
				t.Fatalf("%v went from stage %d to %d, though the first was raised: %+v", p.Fraction(), was, is, after.Stages())
			}
		}
	}
}

// randomLayout returns a layout with room for a raise, and the stage to raise.
func randomLayout(t *testing.T, random *rand.Rand) (*Layout, int) {
	t.Helper()
	n := 2 + random.IntN(5)
	stages := make([]Stage, n)
	left := 1.0
	for i := range stages {
		stages[i] = Stage{Name: string(rune('a' + i)), Share: left * random.Float64() * 0.6}
		if random.IntN(5) == 0 {
			stages[i].Share = 0
		}
		left -= stages[i].Share
	}
	rest := random.IntN(n)
	stages[rest].Share, stages[rest].Rest = 0, true
	raised := random.IntN(n - 1)
	if raised >= rest {
		raised++
	}
	return layoutOf(t, stages...), raised
}

// points are random ones and those at the bounds of the layouts.
func points(random *rand.Rand, layouts ...*Layout) []Point {
	found := []Point{0, last}
	for range 50 {
		found = append(found, Point(random.Uint64()))
	}
	for _, l := range layouts {
		for _, b := range append([]bound{{from: l.below}}, l.upper...) {
			p := Point(b.from << (64 - shareBits))
			found = append(found, p-1<<16, p-1, p, p+1<<16)
		}
	}
	return found
}

func TestWithLeavesTheLayoutAsItIs(t *testing.T) {
	l := layoutOf(t, Stage{Name: "stable", Rest: true}, Stage{Name: "canary", Share: 0.25}, Stage{Name: "preview", Share: 0.125})
	other, err := l.With(map[string]float64{"canary": 0, "preview": 0.5})
	if err != nil {
		t.Fatal(err)
	}
	want := []Stage{{"stable", 0.5, true}, {"canary", 0, false}, {"preview", 0.5, false}}
	if got := other.Stages(); !slices.Equal(got, want) {
		t.Errorf("With: %+v, want %+v", got, want)
	}
	want = []Stage{{"stable", 0.625, true}, {"canary", 0.25, false}, {"preview", 0.125, false}}
	if got := l.Stages(); !slices.Equal(got, want) {
		t.Errorf("the layout is now %+v, want %+v", got, want)
	}
	if l.At(0) != 1 || other.At(0) != 0 {
		t.Errorf("0 gets stages %d and %d, want 1 and 0", l.At(0), other.At(0))
	}
	l.Stages()[1].Share = 1 // a copy
	if got := l.Stages(); !slices.Equal(got, want) {
		t.Errorf("the layout is now %+v, want %+v", got, want)
	}
}

func TestWithRefuses(t *testing.T) {
	l := layoutOf(t, Stage{Name: "stable", Rest: true}, Stage{Name: "canary", Share: 0.25}, Stage{Name: "preview", Share: 0.125})
	for want, shares := range map[string]map[string]float64{
		`there is no stage "beta"`:                 {"beta": 0.1, "canary": 0.1},
		"stage stable has what the others leave":   {"stable": 0.1},
		"canary 90 % + preview 12.5 % = 102.5 %":   {"canary": 0.9},
		"the share of stage preview is -1 %":       {"preview": -0.01},
		"the share of stage canary is 1000 %: it ": {"canary": 10},
	} {
		if _, err := l.With(shares); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", shares, err, want)
		}
	}
}

func TestLayoutRefuses(t *testing.T) {
	stable := Stage{Name: "stable", Rest: true}
	for want, stages := range map[string][]Stage{
		"there are no stages":        nil,
		"every stage has a share":    {{Name: "canary", Share: 0.05}, {Name: "stable", Share: 0.95}},
		"stages stable and canary ":  {stable, {Name: "canary", Rest: true}},
		"a stage has no name":        {stable, {Share: 0.1}},
		"there are two stages beta":  {stable, {Name: "beta"}, {Name: "beta", Share: 0.1}},
		"there are two stages stabl": {stable, {Name: "stable", Share: 0.1}},
		"is longer than 40 bytes":    {stable, {Name: strings.Repeat("x", MaxStage+1)}},
		"and 95 %: leave one out":    {{Name: "stable", Rest: true, Share: 0.95}},
		"canary is -5 %: it must be": {stable, {Name: "canary", Share: -0.05}},
		"canary is 101 %: it must":   {stable, {Name: "canary", Share: 1.01}},
		"canary is NaN %: it must":   {stable, {Name: "canary", Share: math.NaN()}},
		"canary is +Inf %: it must":  {stable, {Name: "canary", Share: math.Inf(1)}},
		"the shares are more than 100 %: canary 60 % + preview 50 % = 110 %": {
			stable, {Name: "canary", Share: 0.6}, {Name: "preview", Share: 0.5},
		},
		"canary 100 % + preview 0.00001 % = 100.00001 %": {
			stable, {Name: "canary", Share: 1}, {Name: "preview", Share: 1e-7},
		},
	} {
		if _, err := NewLayout(stages); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", stages, err, want)
		}
	}
	layoutOf(t, stable, Stage{Name: strings.Repeat("x", MaxStage)})
}
