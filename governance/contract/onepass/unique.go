package onepass

import (
	"cmp"
	"hash/maphash"
	"math/bits"
	"slices"
)

// This file holds uniqueItems. Each item has a fingerprint, which equal items share however they are spelled and in
// whatever order their members come. Where two are the same, the engine has a look, unless the texts are the same, too.

// item is an item of an array whose items must be unique.
type item struct {
	print uint64
	text  span
}

// areUnique tells whether no two items are equal. What it takes is paid from the budget.
func (r *run) areUnique(texts []span) Verdict {
	end := r.at
	defer func() { r.at = end }()
	r.prints = r.prints[:0]
	for _, text := range texts {
		if !r.budget.pay(1 + int(text.end-text.start)/bytesPerVisit) {
			return Unknown
		}
		r.at = int(text.start)
		print, ok := r.fingerprint()
		if !ok {
			return Unknown
		}
		r.prints = append(r.prints, item{print &^ r.ignored, text})
	}
	slices.SortFunc(r.prints, func(a, b item) int { return cmp.Compare(a.print, b.print) })
	v := Valid
	for i := 1; i < len(r.prints); i++ {
		if a, b := r.prints[i-1], r.prints[i]; a.print == b.print {
			if r.part(a.text) == r.part(b.text) {
				return Invalid
			}
			v = Unknown
		}
	}
	return v
}

// seed is that of all fingerprints.
var seed = maphash.MakeSeed()

// The fingerprints of literals, and those that objects and arrays begin with.
const (
	printNull = 1 + iota
	printFalse
	printTrue
	printNumber
	printObject
	printArray
)

// fingerprint reads the value here, which has been judged before. There is none for a number that two words do not hold.
func (r *run) fingerprint() (print uint64, ok bool) {
	switch r.space() {
	case '"':
		return r.textPrint()
	case '{':
		print, ok = r.objectPrint()
	case '[':
		print, ok = r.arrayPrint()
	case 't':
		return printTrue, r.word("true")
	case 'f':
		return printFalse, r.word("false")
	case 'n':
		return printNull, r.word("null")
	default:
		var d decimal
		if _, ok = r.scanNumber(&d); ok {
			return d.print()
		}
	}
	return print, ok
}

func (r *run) textPrint() (uint64, bool) {
	var t token
	ok := r.scanString(&t)
	return maphash.String(seed, t.text), ok
}

// objectPrint adds up what its members are, so that their order is nothing to it.
func (r *run) objectPrint() (uint64, bool) {
	var sum uint64
	for r.at++; ; r.at++ { // behind a brace or comma
		if r.space() == '"' {
			name, ok := r.textPrint()
			if !ok || r.space() != ':' {
				return 0, false
			}
			r.at++
			value, ok := r.fingerprint()
			if !ok {
				return 0, false
			}
			sum += mix(name, value)
		}
		switch r.space() {
		case ',':
		case '}':
			r.at++
			return mix(printObject, sum), true
		default:
			return 0, false
		}
	}
}

func (r *run) arrayPrint() (uint64, bool) {
	sum := mix(printArray, printArray)
	for r.at++; ; r.at++ {
		if r.space() != ']' {
			value, ok := r.fingerprint()
			if !ok {
				return 0, false
			}
			sum = mix(sum, value)
		}
		switch r.space() {
		case ',':
		case ']':
			r.at++
			return sum, true
		default:
			return 0, false
		}
	}
}

// print is the same for 1, 1.0 and 10e-1.
func (d *decimal) print() (uint64, bool) {
	if d.large {
		return 0, false
	}
	mantissa, exponent := d.mantissa, d.exponent
	if mantissa == 0 {
		return printNumber, true
	}
	for mantissa%10 == 0 {
		mantissa, exponent = mantissa/10, exponent+1
	}
	sign := uint64(printNumber)
	if d.negative {
		sign = ^sign
	}
	return mix(mix(sign, mantissa), uint64(exponent)), true
}

// mix makes a number of two, in which their order counts.
func mix(a, b uint64) uint64 {
	high, low := bits.Mul64(a^0x9E3779B97F4A7C15, bits.RotateLeft64(b, 32)^0xD1B54A32D192ED03)
	return high ^ low
}
