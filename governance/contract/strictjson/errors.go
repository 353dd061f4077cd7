package strictjson

import (
	"errors"
	"io"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// refuse is an error at the token that was read last.
func (d *decoder) refuse(code, detail string) *Error {
	return &Error{Pointer: string(d.tokens.StackPointer()), Code: code, Detail: detail, Offset: d.offset()}
}

// syntax is the error for a text on which the tokenizer gave up.
func (d *decoder) syntax(err error) *Error {
	result := &Error{Code: CodeSyntax, Offset: len(d.text)}
	var syntactic *jsontext.SyntacticError
	if errors.As(err, &syntactic) {
		result.Pointer = string(syntactic.JSONPointer)
		result.Offset = min(int(syntactic.ByteOffset), len(d.text))
	}
	rest := d.text[result.Offset:]
	switch {
	case err == io.EOF:
		result.Detail = "is empty; a JSON value is expected"
	case len(rest) == 0 || errors.Is(err, io.ErrUnexpectedEOF):
		result.Detail = "ends before its value is complete"
	case !d.settings.InvalidUTF8 && invalidUTF8(rest):
		result.Code, result.Detail = CodeInvalidUTF8, "is not UTF-8"
	case !d.settings.InvalidUTF8 && surrogate(rest):
		result.Code, result.Detail = CodeInvalidUTF8, "has an escape that is half of a surrogate pair"
	default:
		result.Detail = unexpected(rest[0], err)
	}
	return result
}

// unexpected describes a character that JSON does not allow where it stands, without showing it.
func unexpected(c byte, err error) string {
	switch {
	case c == '\\':
		return `is not valid JSON: unknown escape in a string`
	case c == ',':
		return `is not valid JSON: a comma with nothing before or behind it`
	case c < ' ':
		return `is not valid JSON: control character, which a string can only hold as an escape`
	}
	// What the tokenizer expected stands at the end of its message, behind what it found.
	message := err.Error()
	if i := strings.LastIndex(message, "(expecting "); i >= 0 {
		if expected, _, ok := strings.Cut(message[i:], ")"); ok {
			return "is not valid JSON: unexpected character " + expected + ")"
		}
	}
	if errors.Is(err, jsontext.ErrNonStringName) {
		return "is not valid JSON: the name of a member must be a string in double quotes"
	}
	return "is not valid JSON: unexpected character"
}

func invalidUTF8(rest []byte) bool {
	r, size := utf8.DecodeRune(rest)
	return r == utf8.RuneError && size == 1
}

// surrogate tells whether rest begins with the escape of a surrogate.
func surrogate(rest []byte) bool {
	if len(rest) < 6 || rest[0] != '\\' || rest[1] != 'u' {
		return false
	}
	var r rune
	for _, c := range rest[2:6] {
		digit := strings.IndexByte("0123456789abcdef", c|0x20)
		if digit < 0 {
			return false
		}
		r = r<<4 | rune(digit)
	}
	return utf16.IsSurrogate(r)
}
