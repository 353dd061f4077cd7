package cohort

import (
	"encoding/binary"
	"encoding/hex"
	"math"
	"math/rand/v2"
	"strconv"
	"testing"
)

const million = 1_000_000

// population are kinds of keys as they come from users, a million each.
var population = map[string]func() func(i int) string{
	"sequential": func() func(int) string {
		return func(i int) string { return "user-" + strconv.Itoa(i) }
	},
	"numbers": func() func(int) string {
		return func(i int) string { return strconv.Itoa(1_000_000 + i) }
	},
	"binary counter": func() func(int) string {
		return func(i int) string { return string(binary.BigEndian.AppendUint64(nil, uint64(i))) }
	},
	"UUIDs": func() func(int) string {
		random := rand.New(rand.NewPCG(3, 4))
		return func(int) string {
			var id [16]byte
			binary.BigEndian.PutUint64(id[:], random.Uint64()&^0xf000|0x4000)
			binary.BigEndian.PutUint64(id[8:], random.Uint64()>>2|1<<63)
			text := hex.EncodeToString(id[:])
			return text[:8] + "-" + text[8:12] + "-" + text[12:16] + "-" + text[16:20] + "-" + text[20:]
		}
	},
	"e-mail addresses": func() func(int) string {
		names := [...]string{"jane.doe", "john.smith", "li.wei", "maria", "o.brien", "anna-lena"}
		hosts := [...]string{"example.com", "example.org", "mail.example.net"}
		return func(i int) string {
			return names[i%len(names)] + strconv.Itoa(i/18) + "@" + hosts[i/6%len(hosts)]
		}
	},
}

// seeds differ in their last character.
var seeds = [2]string{"checkout-2026-11", "checkout-2026-12"}

// placed has the points of the keys by each of the seeds, for all tests.
var placed = make(map[string][2][]Point)

// ofEachKind runs a test for the million keys of each kind, placed by both seeds.
func ofEachKind(t *testing.T, test func(t *testing.T, a, b []Point)) {
	for kind, keys := range population {
		t.Run(kind, func(t *testing.T) {
			points, ok := placed[kind]
			if !ok {
				points = place(keys())
				placed[kind] = points
			}
			test(t, points[0], points[1])
		})
	}
}

func place(key func(i int) string) [2][]Point {
	a, b := NewHasher(seeds[0]), NewHasher(seeds[1])
	points := [2][]Point{make([]Point, million), make([]Point, million)}
	for i := range million {
		k := key(i)
		points[0][i], points[1][i] = a.Point(k), b.Point(k)
	}
	return points
}

func TestAMillionKeysGetTheirShares(t *testing.T) {
	shares := []float64{0.001, 0.05, 0.25}
	layout := layoutOf(t, Stage{Name: "stable", Rest: true},
		Stage{Name: "canary", Share: shares[1]}, Stage{Name: "preview", Share: shares[0]}, Stage{Name: "beta", Share: shares[2]})
	want := []float64{1 - 0.301, shares[1], shares[0], shares[2]}
	ofEachKind(t, func(t *testing.T, a, b []Point) {
		for _, points := range [][]Point{a, b} {
			got := make([]int, len(want))
			for _, p := range points {
				got[layout.At(p)]++
			}
			for i, n := range got {
				if off := sigmas(n, million, want[i]); off > 3 {
					t.Errorf("stage %d: %d of a million, want %v of them: %.1f sigma away", i, n, want[i], off)
				}
			}
		}
	})
}

func TestAMillionKeysAreEven(t *testing.T) {
	const cells = 1000
	ofEachKind(t, func(t *testing.T, a, b []Point) {
		for _, points := range [][]Point{a, b} {
			var counts [cells]int
			for _, p := range points {
				counts[int(p.Fraction()*cells)]++
			}
			chi2 := 0.0
			for _, n := range counts {
				d := float64(n - million/cells)
				chi2 += d * d / (million / cells)
			}
			// neither patchy nor, as a counter would be, too even
			if off := (chi2 - (cells - 1)) / math.Sqrt(2*(cells-1)); math.Abs(off) > 4 {
				t.Errorf("chi-square over %d cells is %.0f, %.1f sigma away from %d", cells, chi2, off, cells-1)
			}
		}
	})
}

func TestTwoSeedsAreUncorrelated(t *testing.T) {
	ofEachKind(t, func(t *testing.T, a, b []Point) {
		var product float64
		both := 0
		canary := layoutOf(t, Stage{Name: "canary", Share: 0.05}, Stage{Name: "stable", Rest: true})
		for i := range a {
			product += (a[i].Fraction() - 0.5) * (b[i].Fraction() - 0.5)
			if canary.At(a[i]) == 0 && canary.At(b[i]) == 0 {
				both++
			}
		}
		// the correlation of a million pairs that have none has the sigma 1/1000
		if r := product / million * 12; math.Abs(r) > 3.0/1000 {
			t.Errorf("the points of two seeds have the correlation %.5f", r)
		}
		if off := sigmas(both, million, 0.05*0.05); off > 3 {
			t.Errorf("%d are in both canaries of 5 %%, want 2,500: %.1f sigma away", both, off)
		}
	})
}

func TestSmallShareIsPartOfBigger(t *testing.T) {
	small := layoutOf(t, Stage{Name: "stable", Rest: true}, Stage{Name: "canary", Share: 0.05}, Stage{Name: "preview", Share: 0.001})
	big, err := small.With(map[string]float64{"canary": 0.1})
	if err != nil {
		t.Fatal(err)
	}
	ofEachKind(t, func(t *testing.T, a, _ []Point) {
		var before, after int
		for _, p := range a {
			was, is := small.At(p), big.At(p)
			if was != is && (was != 0 || is != 1) {
				t.Fatalf("%v goes from stage %d to %d", p.Fraction(), was, is)
			}
			if was == 1 {
				before++
			}
			if is == 1 {
				after++
			}
		}
		if off := max(sigmas(before, million, 0.05), sigmas(after, million, 0.1)); off > 3 {
			t.Errorf("%d, then %d are in the canary: %.1f sigma away", before, after, off)
		}
	})
}
