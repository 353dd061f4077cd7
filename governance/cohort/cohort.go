// Package cohort decides who gets which stage of a release, and keeps it so.
//
// A Hasher gives every key, such as the id of a user, a Point in [0,1) that looks
// random and never changes. A Layout divides [0,1) among the stages so that a share
// that is raised takes people in and sends nobody back. A Signer writes a Point
// into a token and reads it again, for those who have no key.
//
// The same key has the same stage in every process, after every restart and in every
// release of this package: the formulas are in the documentation of what computes
// them, and tests hold them.
//
// The package depends on github.com/cespare/xxhash/v2 for the hash, XXH64, which
// other tools can compute too; everything else is the standard library. Time is an
// argument, and nothing here is random: a random Point is any random uint64.
package cohort

import "github.com/cespare/xxhash/v2"

// Point is where a key is in [0,1), in units of 2^-64. Who has no key can be given any
// random number as a Point.
type Point uint64

// Fraction returns the point as a number in [0,1), to be shown: it is rounded down.
func (p Point) Fraction() float64 { return float64(p>>11) / (1 << 53) }

// Hasher places keys. The zero value does so without a seed. A Hasher may be copied and
// used concurrently.
type Hasher struct{ seed uint64 }

// NewHasher returns the Hasher of a seed. Two seeds place the same keys independently
// of each other, so that those who are in the canary of one experiment are not in
// that of the next as well. Another seed moves everybody.
func NewHasher(seed string) Hasher { return Hasher{xxhash.Sum64String(seed)} }

// Point returns where key is, without allocating. It is
//
//	XXH64(key, seed = XXH64(the seed's text, seed = 0))
//
// over the bytes as they are: spellings that differ, in case say, are other keys. The
// hash is fast and even, but no secret: whoever knows the seed can look for a key with
// the point they want.
func (h Hasher) Point(key string) Point {
	var d xxhash.Digest
	d.ResetWithSeed(h.seed)
	_, _ = d.WriteString(key) // it never fails
	return Point(d.Sum64())
}
