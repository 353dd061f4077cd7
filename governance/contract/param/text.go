package param

// text.go decodes texts and tells what they are.

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// unescape resolves percent-encoding, and + as a space if plus is set. It reports false for a broken escape.
func unescape(raw string, plus bool) (string, bool) {
	if strings.IndexByte(raw, '%') < 0 && (!plus || strings.IndexByte(raw, '+') < 0) {
		return raw, true
	}
	text := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case c == '+' && plus:
			text = append(text, ' ')
		case c != '%':
			text = append(text, c)
		case i+2 < len(raw) && isHex(raw[i+1]) && isHex(raw[i+2]):
			text = append(text, unhex(raw[i+1])<<4|unhex(raw[i+2]))
			i += 2
		default:
			return "", false
		}
	}
	return string(text), true
}

func escapesAreWhole(raw string) bool {
	for at := strings.IndexByte(raw, '%'); at >= 0; at = strings.IndexByte(raw, '%') {
		if at+2 >= len(raw) || !isHex(raw[at+1]) || !isHex(raw[at+2]) {
			return false
		}
		raw = raw[at+3:]
	}
	return true
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

func unhex(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c&^0x20 - 'A' + 10
}

// number is a text in JSON's grammar (RFC 8259, section 6), measured.
type number struct {
	integer bool // has neither fraction nor exponent
	digits  int  // with the absolute value of the exponent; no more than can be told apart from too many
}

func parseNumber(text string) (n number, ok bool) {
	digits := func() (count int) {
		for count < len(text) && text[count] >= '0' && text[count] <= '9' {
			count++
		}
		text = text[count:]
		return count
	}
	text = strings.TrimPrefix(text, "-")
	zero := strings.HasPrefix(text, "0")
	n.digits, n.integer = digits(), true
	if n.digits == 0 || zero && n.digits > 1 {
		return n, false
	}
	if rest, found := strings.CutPrefix(text, "."); found {
		text, n.integer = rest, false
		count := digits()
		if n.digits += count; count == 0 {
			return n, false
		}
	}
	if text != "" && (text[0] == 'e' || text[0] == 'E') {
		text, n.integer = text[1:], false
		if text != "" && (text[0] == '+' || text[0] == '-') {
			text = text[1:]
		}
		exponent := text
		if digits() == 0 {
			return n, false
		}
		size, err := strconv.Atoi(exponent[:len(exponent)-len(text)])
		if err != nil || size > 1<<30 {
			size = 1 << 30
		}
		n.digits += size
	}
	return n, text == ""
}

// cut shortens what a client sent to what a person can read.
func cut(text string) string {
	const most = 100
	if len(text) > most {
		text = text[:most] + "..."
	}
	return strings.ToValidUTF8(text, string(utf8.RuneError))
}
