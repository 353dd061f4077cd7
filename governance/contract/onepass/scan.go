package onepass

import (
	"math/bits"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// This file holds the tokens: where they end, and whether they are strict JSON (RFC 8259).

// space skips white space and returns the byte behind it, 0 at the end of the text.
func (r *run) space() byte {
	text, i := r.text, r.at
	for i < len(text) {
		c := text[i]
		if c > ' ' || c != ' ' && c != '\n' && c != '\t' && c != '\r' {
			r.at = i
			return c
		}
		i++
	}
	r.at = i
	return 0
}

// word skips a literal, if it is there.
func (r *run) word(literal string) bool {
	if len(r.text)-r.at < len(literal) || r.text[r.at:r.at+len(literal)] != literal {
		return false
	}
	r.at += len(literal)
	return true
}

// scanNumber reads a number into d, and returns its text. Its digits are counted as package strictjson does.
func (r *run) scanNumber(d *decimal) (text string, ok bool) {
	*d = decimal{}
	s, start := r.text, r.at
	i := start
	if i < len(s) && s[i] == '-' {
		d.negative = true
		i++
	}
	first := i
	i = d.digits(s, i)
	if i == first || s[first] == '0' && i > first+1 {
		return "", false
	}
	digits := i - first
	if i < len(s) && s[i] == '.' {
		first = i + 1
		i = d.digits(s, first)
		if i == first {
			return "", false
		}
		digits += i - first
		d.exponent -= i - first
	}
	if i < len(s) && s[i]|0x20 == 'e' {
		var exponent int
		if i, exponent, ok = scanExponent(s, i+1); !ok {
			return "", false
		}
		d.exponent += exponent
		digits += max(exponent, -exponent)
	}
	r.at = i
	d.large = d.large || d.exponent > maxPower || d.exponent < -maxPower
	d.length = digits
	return s[start:i], digits <= r.limits.Digits
}

// digits adds the digits at i to the mantissa and returns where they end. A mantissa that 64 bits may not hold makes the
// number large.
func (d *decimal) digits(s string, i int) int {
	mantissa := d.mantissa
	for ; i < len(s) && s[i]-'0' <= 9; i++ {
		if mantissa >= 1e18 {
			d.large = true
		}
		mantissa = 10*mantissa + uint64(s[i]-'0')
	}
	d.mantissa = mantissa
	return i
}

func scanExponent(s string, i int) (end, exponent int, ok bool) {
	negative := false
	if i < len(s) && (s[i] == '+' || s[i] == '-') {
		negative = s[i] == '-'
		i++
	}
	first := i
	for ; i < len(s) && s[i]-'0' <= 9; i++ {
		if exponent < 1<<30 {
			exponent = 10*exponent + int(s[i]-'0')
		}
	}
	if negative {
		exponent = -exponent
	}
	return i, exponent, i > first
}

// token is a string that was read.
type token struct {
	text       string // between the quotes, escapes decoded
	characters int
	escaped    bool
}

// scanString reads the string whose opening quote is here.
func (r *run) scanString(t *token) bool {
	s, start := r.text, r.at+1
	i, more := start, 0 // more bytes than characters
	t.escaped = false
	for {
		i = endOfPlain(s, i)
		if i >= len(s) {
			return false
		}
		switch c := s[i]; {
		case c == '"':
			r.at = i + 1
			t.text, t.characters = s[start:i], i-start-more
			return !t.escaped || r.unescape(t, start-1)
		case c == '\\':
			t.escaped = true
			i += 2
		case c < ' ':
			return false
		default:
			character, size := utf8.DecodeRuneInString(s[i:])
			if character == utf8.RuneError && size == 1 {
				return false
			}
			i, more = i+size, more+size-1
		}
	}
}

const (
	eachByte = 0x0101010101010101
	highBits = 0x80 * eachByte
)

// endOfPlain returns where the first byte from i on is that is not a character of its own: a quote, a backslash, a
// control character or one beyond ASCII. It looks at eight bytes at a time, with the tricks of Mycroft's: a byte that is
// 0 borrows when 1 is subtracted, and so does one below a limit when the limit is.
func endOfPlain(s string, i int) int {
	for ; i+8 <= len(s); i += 8 {
		x := load(s, i)
		quote, backslash := x^('"'*eachByte), x^('\\'*eachByte)
		found := ((quote-eachByte)&^quote | (backslash-eachByte)&^backslash | (x-' '*eachByte)&^x | x) & highBits
		if found != 0 {
			return i + bits.TrailingZeros64(found)/8
		}
	}
	for i < len(s) && s[i] >= ' ' && s[i] < utf8.RuneSelf && s[i] != '"' && s[i] != '\\' {
		i++
	}
	return i
}

// unescape decodes a string with escapes, which begins at start and ends here. Its text is there until the next one.
func (r *run) unescape(t *token, start int) bool {
	decoded, err := jsontext.AppendUnquote(r.decoded[:0], r.bytes[start:r.at])
	r.decoded = decoded
	t.text, t.characters = view(decoded), utf8.RuneCount(decoded)
	return err == nil
}
