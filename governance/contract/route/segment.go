package route

// segment.go splits and decodes the path of a request.

import "strings"

// segment is what is between two slashes of a path: as it was sent, and decoded.
type segment struct{ raw, text string }

// split appends the segments of a path without its leading slash. It reports false if there are more than most, or if
// one of them can match nothing.
func split(segments []segment, path string, most int) ([]segment, bool) {
	for more := true; more; {
		if len(segments) == most {
			return segments, false
		}
		var raw string
		raw, path, more = strings.Cut(path, "/")
		text, ok := decode(raw)
		if !ok || hasDots(text) {
			return segments, false
		}
		segments = append(segments, segment{raw, text})
	}
	return segments, true
}

// hasDots tells whether a decoded segment is a dot segment (RFC 3986, section 3.3), or has one between slashes, of
// either kind, that were encoded: a server behind that decodes before it splits would resolve it.
func hasDots(text string) bool {
	if !strings.Contains(text, ".") {
		return false
	}
	if !strings.ContainsAny(text, `/\`) {
		return text == "." || text == ".."
	}
	for part := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == '/' || r == '\\' }) {
		if part == "." || part == ".." {
			return true
		}
	}
	return false
}

// decode resolves percent-encoding. It reports false if a % is not followed by two hexadecimal digits.
func decode(raw string) (string, bool) {
	if strings.IndexByte(raw, '%') < 0 {
		return raw, true
	}
	text := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); i++ {
		if raw[i] != '%' {
			text = append(text, raw[i])
			continue
		}
		if i+2 >= len(raw) || !isHex(raw[i+1]) || !isHex(raw[i+2]) {
			return "", false
		}
		text = append(text, unhex(raw[i+1])<<4|unhex(raw[i+2]))
		i += 2
	}
	return string(text), true
}

// fold makes capital letters of ASCII small. All other bytes stay, so that no text changes its length.
func fold(text string) string {
	isCapital := func(c byte) bool { return c >= 'A' && c <= 'Z' }
	for i := range len(text) {
		if !isCapital(text[i]) {
			continue
		}
		folded := []byte(text)
		for j := i; j < len(folded); j++ {
			if isCapital(folded[j]) {
				folded[j] |= 0x20
			}
		}
		return string(folded)
	}
	return text
}

// part is the raw text of the decoded bytes from..to.
func (s segment) part(from, to int) string {
	if len(s.raw) == len(s.text) {
		return s.raw[from:to]
	}
	start := rawOffset(s.raw, from)
	return s.raw[start : start+rawOffset(s.raw[start:], to-from)]
}

// rawOffset is where the decoded byte n begins in the raw text.
func rawOffset(raw string, n int) int {
	at := 0
	for range n {
		if raw[at] == '%' {
			at += 2
		}
		at++
	}
	return at
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
