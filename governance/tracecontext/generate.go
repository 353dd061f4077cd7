package tracecontext

// generate.go makes new ids.

import "math/rand/v2"

// New returns a new trace with that sampling decision. Its ids come from the
// runtime's ChaCha8 generator, which is seeded by the operating system and needs no
// lock: they do not repeat and cannot be guessed from one another.
func New(sampling Sampling) Context { return Generate(rand.Uint64, sampling) }

// Generate returns a new trace with ids from random, which must return uniformly
// distributed numbers, as the context is marked as random. An all-zero id, which
// is invalid, becomes 1.
func Generate(random func() uint64, sampling Sampling) Context {
	high, low, span := random(), random(), random()
	if high|low == 0 {
		low = 1
	}
	if span == 0 {
		span = 1
	}
	// One string holds the traceparent and, as parts of it, the ids.
	var b [traceparentLen]byte
	copy(b[:], "00-")
	putHex(b[traceIDStart:], high)
	putHex(b[traceIDStart+16:], low)
	b[traceIDEnd] = '-'
	putHex(b[spanIDStart:], span)
	b[spanIDEnd] = '-'
	b[flagsStart] = '0'
	b[flagsStart+1] = '0' + flagRandom
	if sampling.Sampled() {
		b[flagsStart+1] += flagSampled
	}
	s := string(b[:])
	return Context{
		TraceID:     s[traceIDStart:traceIDEnd],
		SpanID:      s[spanIDStart:spanIDEnd],
		Sampling:    sampling,
		Random:      true,
		traceparent: s,
	}
}

// putHex writes the 16 digits of n.
func putHex(dst []byte, n uint64) {
	const digits = "0123456789abcdef"
	for i := 15; i >= 0; i-- {
		dst[i] = digits[n&0xf]
		n >>= 4
	}
}
