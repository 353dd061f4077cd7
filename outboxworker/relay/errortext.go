package relay

// errortext.go holds what is stored of an error.

import (
	"strings"
	"unicode/utf8"

	"github.com/weirproxy/weir/outboxworker/fingerprint"
	"github.com/weirproxy/weir/outboxworker/sink"
)

const (
	// maxError is the most bytes of an error that are stored, maxClass of its class.
	maxError = 2000
	maxClass = 100
)

// storable returns the text of an error as PostgreSQL takes it: valid UTF-8 without NUL,
// and not too much of it. Receivers answer all sorts of things.
func storable(err error) *string {
	if err == nil {
		return nil
	}
	text := storableText(err.Error(), maxError)
	return &text
}

func storableText(text string, most int) string {
	text = strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD")
	if len(text) <= most {
		return text
	}
	for !utf8.RuneStart(text[most]) {
		most--
	}
	return text[:most]
}

// classOf returns the class of a result, or else its outcome.
func classOf(result *sink.Result) string {
	if result.Class == "" {
		return result.Outcome.String()
	}
	return storableText(result.Class, maxClass)
}

// printOf returns the fingerprint of an error.
func printOf(class string, text *string) string {
	if text == nil {
		return fingerprint.Of(class, "")
	}
	return fingerprint.Of(class, *text)
}
