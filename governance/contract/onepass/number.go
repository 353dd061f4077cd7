package onepass

import (
	"math/big"
	"math/bits"
)

// This file holds exact numbers: the value is mantissa * 10^exponent, as it is written, so that nearly all can be compared
// and divided with two words. What does not fit is left to big.Rat.

// decimal is an exact number.
type decimal struct {
	mantissa uint64
	exponent int
	negative bool
	length   int      // digits, as limits count them; of those that were read only
	large    bool     // mantissa and exponent are not the value, rat is
	rat      *big.Rat // always there in a program; in a run only if large
}

// decimalOf returns a number of a schema. The rat of the result is nil if r is.
func decimalOf(r *big.Rat) decimal {
	d := decimal{rat: r, large: true}
	if r == nil {
		return d
	}
	digits, exact := r.FloatPrec()
	if !exact || digits > maxPower {
		return d
	}
	scaled := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(digits)), nil)
	scaled.Mul(scaled, r.Num()).Quo(scaled, r.Denom())
	if magnitude := new(big.Int).Abs(scaled); magnitude.IsUint64() {
		d.mantissa, d.exponent, d.negative, d.large = magnitude.Uint64(), -digits, scaled.Sign() < 0, false
	}
	return d
}

// maxPower is the largest exponent, up or down, of a decimal that is not large.
const maxPower = 1000

// rational returns the exact value of a number's text, nil if it is none.
func rational(number string) *big.Rat {
	r, ok := new(big.Rat).SetString(number)
	if !ok {
		return nil
	}
	return r
}

// exact returns the number as a big.Rat.
func (d *decimal) exact(text string) *big.Rat {
	if d.rat == nil {
		d.rat = rational(text)
	}
	return d.rat
}

// compare compares a number that was read, whose text is needed if it is large, with one of a program.
func (d *decimal) compare(text string, limit *decimal) int {
	if d.large || limit.large {
		return d.exact(text).Cmp(limit.rat)
	}
	switch {
	case d.mantissa == 0 && limit.mantissa == 0:
		return 0
	case d.sign() != limit.sign():
		return d.sign() - limit.sign()
	case d.negative:
		return compareMagnitudes(limit, d)
	}
	return compareMagnitudes(d, limit)
}

func (d *decimal) sign() int {
	switch {
	case d.mantissa == 0:
		return 0
	case d.negative:
		return -1
	}
	return 1
}

// compareMagnitudes compares what is neither large nor 0.
func compareMagnitudes(a, b *decimal) int {
	if a.exponent < b.exponent {
		return -compareMagnitudes(b, a)
	}
	scaled, ok := scale(a.mantissa, a.exponent-b.exponent)
	if !ok || scaled > b.mantissa {
		return 1
	}
	if scaled < b.mantissa {
		return -1
	}
	return 0
}

// scale returns mantissa * 10^power, if 64 bits hold it.
func scale(mantissa uint64, power int) (uint64, bool) {
	if power >= len(powers) {
		return 0, mantissa == 0
	}
	high, low := bits.Mul64(mantissa, powers[power])
	return low, high == 0
}

// powers are the powers of ten that 64 bits hold.
var powers = func() (all [20]uint64) {
	all[0] = 1
	for i := 1; i < len(all); i++ {
		all[i] = 10 * all[i-1]
	}
	return all
}()

// isInteger tells whether a number is an integer, as 1.0 and 1e2 are.
func (d *decimal) isInteger(text string) bool {
	switch {
	case d.large:
		return d.exact(text).IsInt()
	case d.exponent >= 0 || d.mantissa == 0:
		return true
	case -d.exponent >= len(powers):
		return false
	}
	return d.mantissa%powers[-d.exponent] == 0
}

// isMultiple tells whether a number is a multiple of one of a program, which is not 0.
func (d *decimal) isMultiple(text string, of *decimal) bool {
	if d.large || of.large {
		return new(big.Rat).Quo(d.exact(text), of.rat).IsInt()
	}
	if d.mantissa == 0 {
		return true
	}
	power := d.exponent - of.exponent
	if power < 0 {
		divisor, ok := scale(of.mantissa, -power)
		return ok && d.mantissa%divisor == 0 // what is larger than any mantissa divides none
	}
	remainder := d.mantissa % of.mantissa
	for range min(power, 64) { // 2^64 and 5^64 divide as much of any divisor as higher powers
		high, low := bits.Mul64(remainder, 10)
		remainder = bits.Rem64(high, low, of.mantissa)
	}
	return remainder == 0
}

// judge judges a number that was read, paid from the budget as if it were calculated with as a big.Rat.
func (n *numberNode) judge(d *decimal, text string, left *budget) Verdict {
	if !left.pay(n.exact * d.length / digitsPerVisit) {
		return Unknown
	}
	if n.integer && !d.isInteger(text) {
		return Invalid
	}
	for i := range n.bounds {
		b := &n.bounds[i]
		if c := d.compare(text, &b.limit) * b.sign; c < 0 || c == 0 && b.exclusive {
			return Invalid
		}
	}
	for i := range n.multiples {
		if !d.isMultiple(text, &n.multiples[i]) {
			return Invalid
		}
	}
	for _, allowed := range n.enums {
		if !d.isOneOf(text, allowed) {
			return Invalid
		}
	}
	for _, is := range n.formats {
		if !is(text) {
			return Invalid
		}
	}
	return Valid
}

// digitsPerVisit is how many digits a big.Rat is made of, compared or divided by in the time of one visit, about.
const digitsPerVisit = 32

func (d *decimal) isOneOf(text string, allowed []decimal) bool {
	for i := range allowed {
		if d.compare(text, &allowed[i]) == 0 {
			return true
		}
	}
	return false
}
