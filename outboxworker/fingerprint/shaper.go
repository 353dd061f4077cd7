package fingerprint

// shaper.go goes over a text once: quotes, and the words between them.

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// telling are names of JSON under which receivers say what went wrong. Their values stay,
// also where they are single words.
var telling = map[string]bool{
	"code": true, "error": true, "type": true, "reason": true, "title": true, "status": true, "message": true, "detail": true,
}

// shaper makes the shape of a text.
type shaper struct {
	text string
	at   int
	out  strings.Builder
	// name is the name of JSON that the next value has, or empty.
	name string
	// nested tells that the text was in quotes: no further ones are looked for.
	nested bool
}

func (s *shaper) all() {
	for s.at < len(s.text) && s.out.Len() < maxShape {
		r, size := utf8.DecodeRuneInString(s.text[s.at:])
		switch {
		case unicode.IsSpace(r) || unicode.IsControl(r):
			s.space()
			s.at += size
		case isQuote(r) && s.quoted(byte(r)):
		case r == ':': // between a name and its value
			s.out.WriteByte(':')
			s.at++
		case isDelimiter(r):
			s.out.WriteRune(r)
			s.at += size
			s.name = ""
		default:
			s.word()
			s.name = ""
		}
	}
}

// space writes one space for any number of them.
func (s *shaper) space() {
	if out := s.out.String(); out != "" && out[len(out)-1] != ' ' {
		s.out.WriteByte(' ')
	}
}

func isQuote(r rune) bool { return r == '"' || r == '\'' || r == '`' }

// isDelimiter tells what ends a word. A colon and a slash do not: they are parts of times
// and of URLs.
func isDelimiter(r rune) bool { return isQuote(r) || strings.ContainsRune(`,;()[]{}<>=|\`, r) }

// quoted shapes what is in quotes, and returns false if the quote at s.at begins nothing:
// it is an apostrophe, or has no end.
func (s *shaper) quoted(quote byte) bool {
	if s.nested || s.at > 0 && isWord(s.text[s.at-1]) {
		return false
	}
	inside, after, ok := s.inQuotes(quote)
	if !ok {
		return false
	}
	rest := strings.TrimLeft(s.text[after:], " ")
	switch {
	case quote == '"' && strings.HasPrefix(rest, ":"):
		s.quote(shapeInside(inside))
		s.name = inside
	case s.name != "" && (telling[s.name] || strings.ContainsAny(inside, " \t\n")):
		s.quote(shapeInside(inside))
		s.name = ""
	default:
		s.out.WriteString("<text>")
		s.name = ""
	}
	s.at = after
	return true
}

func (s *shaper) quote(text string) { s.out.WriteString(`"` + text + `"`) }

// inQuotes finds the end of a quotation.
func (s *shaper) inQuotes(quote byte) (inside string, after int, ok bool) {
	for i := s.at + 1; i < len(s.text); i++ {
		switch {
		case s.text[i] == '\\':
			i++
		case s.text[i] == quote && (i+1 == len(s.text) || !isWord(s.text[i+1])):
			return s.text[s.at+1 : i], i + 1, true
		}
	}
	return "", 0, false
}

func shapeInside(text string) string {
	s := shaper{text: text, nested: true}
	s.all()
	return strings.TrimSpace(s.out.String())
}

// word shapes a word up to the next space or delimiter. Marks at its end are no part of it.
func (s *shaper) word() {
	word := upTo(s.text[s.at:], isDelimiter)
	marks := ".:!?"
	if strings.Contains(word, "://") { // in a URL may stand what separates other words
		word = upTo(s.text[s.at:], func(r rune) bool { return isQuote(r) || r == '<' || r == '>' })
		marks += ",;)]}|"
	}
	s.at += len(word)
	bare := strings.TrimRight(word, marks)
	s.out.WriteString(shapeWord(bare))
	s.out.WriteString(word[len(bare):])
}

// upTo returns a text up to the next space, or what else ends it.
func upTo(text string, ends func(rune) bool) string {
	end := strings.IndexFunc(text, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) || ends(r) })
	if end < 0 {
		return text
	}
	return text[:end]
}

func isWord(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= utf8.RuneSelf
}
