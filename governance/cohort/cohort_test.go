package cohort

import (
	"fmt"
	"math"
	"math/bits"
	"math/rand/v2"
	"testing"
)

// Computed by another implementation of XXH64. They must never change: if they do,
// everybody is in another cohort.
func TestPointsNeverChange(t *testing.T) {
	for _, c := range []struct {
		seed, key string
		want      Point
	}{
		{"", "", 0xa258d6ec1fb5d95c},
		{"", "user-1", 0xe11f64103a7451f2},
		{"checkout-2026-11", "", 0xf8b9a43816d079cf},
		{"checkout-2026-11", "user-1", 0x18cbe5fc21bbbc76},
		{"checkout-2026-11", "user-2", 0x4c0c59b7113a72ae},
		{"checkout-2026-12", "user-1", 0xadc4e9cc0edf54ad},
		{"checkout-2026-11", "42", 0x90f93086685803c6},
		{"checkout-2026-11", "jane.doe@example.com", 0xe468a290303899f4},
		{"checkout-2026-11", "6f1ed002-ab5f-4b21-9d3c-6d3b0a1f2e11", 0xafd7447b54f8b27d},
		{"checkout-2026-11", "zoë", 0xe725fe0a30f695d5},
		{
			"a seed that is longer than thirty-two bytes",
			"a key that is longer than thirty-two bytes as well", 0xf7413d32c089018a,
		},
	} {
		if got := NewHasher(c.seed).Point(c.key); got != c.want {
			t.Errorf("seed %q, key %q: %#016x, want %#016x", c.seed, c.key, uint64(got), uint64(c.want))
		}
	}
}

func TestFractionStaysBelowOne(t *testing.T) {
	for p, want := range map[Point]float64{
		0: 0, 1 << 63: 0.5, 3 << 62: 0.75, math.MaxUint64: 1 - 1.0/(1<<53),
	} {
		if got := p.Fraction(); got != want {
			t.Errorf("%#x: %v, want %v", uint64(p), got, want)
		}
	}
}

// Each bit of a key and of a seed changes each bit of the point in half of all cases.
func TestEveryBitOfKeyAndSeedCounts(t *testing.T) {
	const trials = 1000
	random := rand.New(rand.NewPCG(1, 2))
	flip := func(text []byte, bit int) string {
		text[bit/8] ^= 1 << (bit % 8)
		defer func() { text[bit/8] ^= 1 << (bit % 8) }()
		return string(text)
	}
	seed := make([]byte, 16)
	var ofSeed [16 * 8][64]int
	lengths := []int{1, 4, 7, 8, 16, 36}
	for _, length := range lengths {
		key := make([]byte, length)
		ofKey := make([][64]int, length*8)
		for range trials {
			fill(random, key)
			fill(random, seed)
			hasher := NewHasher(string(seed))
			point := hasher.Point(string(key))
			for bit := range ofKey {
				count(&ofKey[bit], point^hasher.Point(flip(key, bit)))
			}
			for bit := range ofSeed {
				count(&ofSeed[bit], point^NewHasher(flip(seed, bit)).Point(string(key)))
			}
		}
		requireHalf(t, fmt.Sprintf("key of %d bytes", length), ofKey, trials)
	}
	requireHalf(t, "seed", ofSeed[:], trials*len(lengths))
}

// requireHalf checks that each bit of what changed each bit of the point in about half
// of the cases.
func requireHalf(t *testing.T, what string, flips [][64]int, cases int) {
	t.Helper()
	for in := range flips {
		for out, n := range flips[in] {
			if off := sigmas(n, cases, 0.5); off > 6 {
				t.Errorf("bit %d of a %s changes bit %d of the point in %d of %d cases", in, what, out, n, cases)
			}
		}
	}
}

func fill(random *rand.Rand, b []byte) {
	for i := range b {
		b[i] = byte(random.Uint32())
	}
}

// count adds the bits of changed to those counted.
func count(counts *[64]int, changed Point) {
	for rest := uint64(changed); rest != 0; rest &= rest - 1 {
		counts[bits.TrailingZeros64(rest)]++
	}
}

// sigmas is by how many standard deviations a count is away from what is expected of n
// draws with probability p.
func sigmas(got, n int, p float64) float64 {
	return math.Abs(float64(got)-float64(n)*p) / math.Sqrt(float64(n)*p*(1-p))
}
