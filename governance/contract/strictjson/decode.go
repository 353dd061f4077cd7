package strictjson

import (
	"bytes"
	"encoding/json"
	"fmt"
	"sync"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// Decode reads text and returns its value as nil, bool, json.Number, string, []any and map[string]any,
// and the number of values in it (member names are not counted). Numbers keep their spelling.
//
// The value shares no memory with text: its strings are parts of one copy, which lives as long as any of
// them. A nil s is the strict zero value.
func Decode(text []byte, s *Settings) (value any, nodes int, err *Error) {
	if s == nil {
		s = &Settings{}
	}
	if bytes.HasPrefix(text, byteOrderMark) {
		return nil, 0, &Error{Code: CodeSyntax, Detail: "starts with a byte order mark; send UTF-8 without one"}
	}
	d := decoders.Get().(*decoder)
	defer d.release()
	d.start(text, s)
	token, failure := d.read()
	if failure == nil {
		value, failure = d.value(token, 0, 1)
	}
	if failure == nil && !s.TrailingData {
		failure = d.end()
	}
	if failure != nil {
		return nil, d.nodes, failure
	}
	return value, d.nodes, nil
}

var byteOrderMark = []byte("\ufeff")

// decoder is the state of one Decode. Its tokenizer leaves duplicate names to the maps that are built
// anyway, which is cheaper than its own record of them.
type decoder struct {
	tokens   jsontext.Decoder
	buffer   bytes.Buffer // over text; the tokenizer reads it in place
	text     []byte
	shared   string // copy of text that the strings of the value are parts of
	settings *Settings
	limits   Limits
	nodes    int
}

// decoders keeps what a tokenizer has allocated for its stack.
var decoders = sync.Pool{New: func() any { return new(decoder) }}

var (
	strictTokens  = jsontext.AllowDuplicateNames(true)
	lenientTokens = jsontext.AllowInvalidUTF8(true)
)

func (d *decoder) start(text []byte, s *Settings) {
	d.text, d.shared, d.settings, d.limits, d.nodes = text, string(text), s, s.WithDefaults(), 0
	d.buffer = *bytes.NewBuffer(text)
	if s.InvalidUTF8 {
		d.tokens.Reset(&d.buffer, strictTokens, lenientTokens)
	} else {
		d.tokens.Reset(&d.buffer, strictTokens)
	}
}

// release gives the decoder back without what it knows of the text.
func (d *decoder) release() {
	d.text, d.shared, d.settings = nil, "", nil
	d.buffer = bytes.Buffer{}
	d.tokens.Reset(&d.buffer)
	decoders.Put(d)
}

// offset is the end of the last token.
func (d *decoder) offset() int { return int(d.tokens.InputOffset()) }

func (d *decoder) read() (jsontext.Token, *Error) {
	token, err := d.tokens.ReadToken()
	if err != nil {
		return token, d.syntax(err)
	}
	return token, nil
}

// value builds the value that begins with token, which was read from the bytes after start.
func (d *decoder) value(token jsontext.Token, start, depth int) (any, *Error) {
	if d.nodes++; d.nodes > d.limits.Nodes {
		return nil, d.refuse(CodeNodes, fmt.Sprintf("has more than %d values", d.limits.Nodes))
	}
	switch token.Kind() {
	case jsontext.KindNull:
		return nil, nil
	case jsontext.KindTrue:
		return true, nil
	case jsontext.KindFalse:
		return false, nil
	case jsontext.KindString:
		return d.string(token, start), nil
	case jsontext.KindNumber:
		return d.number(start)
	}
	if depth > d.limits.Depth {
		return nil, d.refuse(CodeDepth, fmt.Sprintf("is nested deeper than %d levels", d.limits.Depth))
	}
	if token.Kind() == jsontext.KindBeginArray {
		return d.array(depth)
	}
	return d.object(depth)
}

func (d *decoder) array(depth int) (any, *Error) {
	items := []any{}
	for {
		start := d.offset()
		token, err := d.read()
		if err != nil {
			return nil, err
		}
		if token.Kind() == jsontext.KindEndArray {
			return items, nil
		}
		item, err := d.value(token, start, depth+1)
		if err != nil {
			return nil, err
		}
		items = append(items, item)
	}
}

func (d *decoder) object(depth int) (any, *Error) {
	members := make(map[string]any)
	for count := 0; ; count++ {
		start := d.offset()
		token, err := d.read()
		if err != nil {
			return nil, err
		}
		if token.Kind() == jsontext.KindEndObject {
			return members, nil
		}
		if err := d.member(members, d.string(token, start), count, depth); err != nil {
			return nil, err
		}
	}
}

// member reads the value of a member whose name has just been read; count members came before it.
func (d *decoder) member(members map[string]any, name string, count, depth int) *Error {
	if count >= d.limits.Properties {
		return d.refuse(CodeProperties, fmt.Sprintf("an object has more than %d members", d.limits.Properties))
	}
	if !d.settings.DuplicateKeys {
		if _, ok := members[name]; ok {
			return d.refuse(CodeDuplicateKey, "is a member that its object names twice")
		}
	}
	start := d.offset()
	token, err := d.read()
	if err != nil {
		return err
	}
	value, err := d.value(token, start, depth+1)
	members[name] = value
	return err
}

// string returns the text of a string token. Between start and its opening quote are only white space and
// a delimiter. What is spelled without escapes is already there, in the shared copy.
func (d *decoder) string(token jsontext.Token, start int) string {
	end := d.offset()
	start += bytes.IndexByte(d.text[start:end], '"') + 1
	raw := d.text[start : end-1]
	if bytes.IndexByte(raw, '\\') >= 0 || d.settings.InvalidUTF8 && !utf8.Valid(raw) {
		return token.String()
	}
	return d.shared[start : end-1]
}

// number returns the number token that ends here.
func (d *decoder) number(start int) (any, *Error) {
	for c := d.text[start]; c != '-' && (c < '0' || c > '9'); c = d.text[start] {
		start++ // white space and a delimiter
	}
	number := d.shared[start:d.offset()]
	if digits(number) > d.limits.Digits {
		return nil, d.refuse(CodeDigits, fmt.Sprintf("is a number of more than %d digits", d.limits.Digits))
	}
	return json.Number(number), nil
}

// digits is what a number costs who calculates with it exactly: the digits it has when written without
// an exponent, about.
func digits(number string) int {
	const enough = 1 << 30
	count, exponent := 0, 0
	for i := range len(number) {
		c := number[i]
		switch {
		case c == 'e' || c == 'E':
			for _, c := range number[i+1:] {
				if c >= '0' && exponent < enough {
					exponent = exponent*10 + int(c-'0')
				}
			}
			return count + min(exponent, enough)
		case c >= '0':
			count++
		}
	}
	return count
}

// end refuses anything but white space after the value.
func (d *decoder) end() *Error {
	for i, c := range d.text[d.offset():] {
		if c != ' ' && c != '\t' && c != '\n' && c != '\r' {
			return &Error{Code: CodeTrailingData, Detail: "something follows the value", Offset: d.offset() + i}
		}
	}
	return nil
}
