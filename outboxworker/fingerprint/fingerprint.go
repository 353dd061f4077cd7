// Package fingerprint tells errors of the same sort from others: those that differ in
// numbers, ids, times and quoted text alone have one fingerprint. Operators see groups of
// dead messages by it.
//
// The package depends on the standard library alone.
package fingerprint

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"unicode/utf8"
)

const (
	// maxShape is the most bytes of a shape, and maxText the most of a text that are
	// looked at: what an error says for certain it says at its beginning.
	maxShape = 200
	maxText  = 2000
)

// Of returns the fingerprint of an error of a class: 16 hexadecimal digits, the beginning
// of the SHA-256 of the class and the shape of the text.
func Of(class, text string) string {
	sum := sha256.Sum256([]byte(class + "\x00" + Shape(text)))
	return hex.EncodeToString(sum[:8])
}

// Shape returns a text without what differs from one message to the next. In its place
// stand <n> for a number, <uuid>, <hex>, <id> for other long mixtures of letters and digits,
// <time> for a time or a duration, <email>, <query> for what follows the path of a URL, and
// <text> for what is quoted. Of JSON the names stay, and the values that are prose or say
// what went wrong. White space becomes a single space; the result has at most 200 bytes and
// is valid UTF-8.
func Shape(text string) string {
	text = strings.ToValidUTF8(cut(text, maxText), "\uFFFD")
	s := shaper{text: text}
	s.all()
	return cut(strings.TrimSpace(s.out.String()), maxShape)
}

// cut shortens a text to at most so many bytes, between two characters.
func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	for most > 0 && !utf8.RuneStart(text[most]) {
		most--
	}
	return text[:most]
}
