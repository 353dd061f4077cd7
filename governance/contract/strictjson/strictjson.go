// Package strictjson decodes one JSON text (RFC 8259) into a tree of plain Go values, refusing what
// parsers are known to read differently: duplicate member names, invalid UTF-8, lone surrogates, a byte
// order mark and text after the value. Its limits keep time and memory in proportion to the text.
//
// A gateway that judges a body with one parser and forwards it to a service with another is only worth
// its checks where both read the same; see RFC 8259 sections 4, 8.1 and 8.2 and RFC 7493 (I-JSON).
//
// The package depends on github.com/go-json-experiment/json/jsontext for the tokens: it is the code that
// is to become encoding/json/v2, checks UTF-8 and surrogates while it reads, and knows the place of each
// token, without an allocation per token.
package strictjson

import "fmt"

// Codes of an Error, stable for metrics and clients.
const (
	CodeSyntax       = "syntax"        // not JSON
	CodeTrailingData = "trailing_data" // something follows the value
	CodeDuplicateKey = "duplicate_key" // an object names a member twice
	CodeInvalidUTF8  = "invalid_utf8"  // bytes that are not UTF-8, or half of a surrogate pair
	CodeDepth        = "depth"         // Limits.Depth
	CodeNodes        = "nodes"         // Limits.Nodes
	CodeProperties   = "properties"    // Limits.Properties
	CodeDigits       = "digits"        // Limits.Digits
)

// Limits bound a text. A field that is zero or negative takes its default. RFC 8259 sections 6 and 9
// leave it to the reader of a text to set them.
type Limits struct {
	Depth      int // arrays and objects inside each other; default 64, at most 10,000
	Nodes      int // values in the whole text; default 100,000
	Properties int // members of one object; default 10,000
	Digits     int // digits of a number plus the absolute value of its exponent; default 400
}

// The defaults of Limits. A float64 needs at most 17 digits and an exponent of 324.
const (
	DefaultDepth      = 64
	DefaultNodes      = 100_000
	DefaultProperties = 10_000
	DefaultDigits     = 400
)

// maxDepth is where the tokenizer itself stops.
const maxDepth = 10_000

// WithDefaults returns the limits that Decode applies.
func (l Limits) WithDefaults() Limits {
	return Limits{
		Depth:      min(orDefault(l.Depth, DefaultDepth), maxDepth),
		Nodes:      orDefault(l.Nodes, DefaultNodes),
		Properties: orDefault(l.Properties, DefaultProperties),
		Digits:     orDefault(l.Digits, DefaultDigits),
	}
}

func orDefault(n, otherwise int) int {
	if n <= 0 {
		return otherwise
	}
	return n
}

// Settings say what Decode accepts. The zero value is strict, with the default limits.
type Settings struct {
	Limits
	DuplicateKeys bool // accept a member name used twice: the last one counts
	TrailingData  bool // accept anything after the value
	InvalidUTF8   bool // accept bytes that are not UTF-8 and lone surrogates: they become U+FFFD
}

// Error says why a text was refused.
type Error struct {
	Pointer string // JSON pointer (RFC 6901) of the value that was being read
	Code    string // one of the Code constants
	Detail  string // for a person; shows nothing of the text
	Offset  int    // of the byte at which reading stopped
}

func (e *Error) Error() string {
	return fmt.Sprintf("%s (byte %d, in %q)", e.Detail, e.Offset, e.Pointer)
}
