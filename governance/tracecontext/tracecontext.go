// Package tracecontext reads and writes the headers by which services tell each
// other which trace a request belongs to.
//
// The specifications it follows:
//
//   - W3C Trace Context Level 2 (https://www.w3.org/TR/trace-context-2/):
//     traceparent and tracestate, version 00 with the flags sampled and random,
//     and the rules for versions to come.
//   - B3 Propagation (https://github.com/openzipkin/b3-propagation): the single
//     header b3 and the headers X-B3-*.
//
// It imports the standard library only. Everything a client can send is read in
// bounded time: of a traceparent or a b3 header at most the first and last hundred
// bytes, and of all tracestate headers together at most what the longest valid
// list needs, whatever their lengths and number. Reading a valid header
// allocates nothing, as ids are parts of the header's own string; the exceptions
// are 64-bit B3 trace ids, which are padded, and several tracestate headers, which
// are combined.
//
// The functions take headers as http.Header keeps them: a map with canonical names.
package tracecontext

import (
	"slices"
	"strings"
)

// Context is the trace a request belongs to, as it goes from one service to the
// next.
type Context struct {
	// TraceID names the trace: 32 lower-case hex digits, not all zero. It is empty
	// if only a sampling decision came in, as B3 allows.
	TraceID string
	// SpanID names the caller's operation: 16 lower-case hex digits, not all zero.
	// It is empty exactly if TraceID is.
	SpanID string
	// ParentSpanID names the caller's parent operation, in the form of SpanID. Only
	// B3 knows it, and there it is optional.
	ParentSpanID string
	// Sampling is what was decided about recording the trace.
	Sampling Sampling
	// Random says that at least the last 7 bytes of the trace id are random (W3C
	// Level 2). B3 cannot say so.
	Random bool
	// TraceState is a valid, non-empty tracestate, or empty.
	TraceState string
	// Source is the format that the context was read from, None if it was made here.
	Source Format

	// traceparent may be the finished header. It only ever saves building the
	// string: whoever uses it compares it with what the fields say.
	traceparent string
}

// Sampling is a decision whether a trace is recorded.
type Sampling uint8

// The decisions are those of B3. W3C knows two: its sampled flag reads as Accept
// or Deny, Debug is written as sampled and Undecided as not sampled.
const (
	Undecided Sampling = iota // left to the receiver
	Deny                      // not to be recorded
	Accept                    // to be recorded
	Debug                     // to be recorded in any case
)

// Sampled reports whether the trace is to be recorded.
func (s Sampling) Sampled() bool { return s == Accept || s == Debug }

// Format is a form of trace headers.
type Format uint8

// The formats. A reader should take B3 before B3Multi, as the specification says.
const (
	None    Format = iota // no headers
	W3C                   // traceparent and tracestate
	B3                    // b3
	B3Multi               // X-B3-TraceId, X-B3-SpanId, X-B3-ParentSpanId, X-B3-Sampled, X-B3-Flags
)

// Formats are all formats there are.
var Formats = [...]Format{W3C, B3, B3Multi}

// HasIDs reports whether c names a trace and not just a sampling decision.
func (c *Context) HasIDs() bool { return c.TraceID != "" }

// Extract reads the context that header holds in one of the formats. The first
// format that has valid ids wins; an invalid one counts as absent. What the winner
// leaves open is taken from the later formats that name the same span. Extract
// reports false if no format has anything valid.
//
// A sampling decision without ids, which only B3 knows, counts within B3 and where no
// format has ids. It does not change what a traceparent says: W3C allows a change
// of the sampled flag only together with a new parent id, and none is made here.
func Extract(header map[string][]string, formats []Format) (Context, bool) {
	var c Context
	found := false
	for _, format := range formats {
		other, ok := format.Extract(header)
		switch {
		case !ok:
		case !found:
			c, found = other, true
		case other.HasIDs() && !c.HasIDs():
			if other.Source != W3C {
				other.Sampling = c.Sampling // the earlier form of B3 decided
			}
			c = other
		case !other.HasIDs() && c.Sampling == Undecided:
			c.Sampling = other.Sampling
		case c.HasIDs() && other.TraceID == c.TraceID && other.SpanID == c.SpanID:
			c.complete(&other)
		}
	}
	return c, found
}

// complete takes over what c leaves open or its format has no word for. A decision is
// not changed into another, only W3C's accept into the stronger debug, and W3C's deny,
// which may be an open decision just as well, decides nothing for B3.
func (c *Context) complete(other *Context) {
	if c.ParentSpanID == "" {
		c.ParentSpanID = other.ParentSpanID
	}
	switch {
	case c.Source == W3C && c.Sampling == Accept && other.Sampling == Debug,
		c.Sampling == Undecided && !(other.Source == W3C && other.Sampling == Deny):
		c.Sampling = other.Sampling
	}
	if other.Source == W3C {
		c.TraceState = other.TraceState
		c.Random = other.Random
	}
}

// Extract reads the context that header holds in this format alone. It reports false if there
// is none or it is invalid; then nothing of it, tracestate included, is to be used.
func (format Format) Extract(header map[string][]string) (Context, bool) {
	switch format {
	case W3C:
		return extractW3C(header)
	case B3:
		return ParseB3(first(header, headerB3))
	case B3Multi:
		return ParseB3Multi(
			first(header, headerB3TraceID),
			first(header, headerB3SpanID),
			first(header, headerB3ParentSpanID),
			first(header, headerB3Sampled),
			first(header, headerB3Flags))
	default:
		return Context{}, false
	}
}

// Inject makes header say in format what c says, and leaves values that say it
// already untouched. The ids and the tracestate of c must be valid, as they are in
// every context of this package; a context without ids removes the headers.
func (format Format) Inject(header map[string][]string, c Context) {
	if !c.HasIDs() {
		format.Remove(header)
		return
	}
	switch format {
	case W3C:
		injectW3C(header, &c)
	case B3:
		injectB3(header, &c)
	case B3Multi:
		injectB3Multi(header, &c)
	}
}

// Remove deletes the headers of format.
func (format Format) Remove(header map[string][]string) {
	switch format {
	case W3C:
		delete(header, headerTraceparent)
		delete(header, headerTracestate)
	case B3:
		delete(header, headerB3)
	case B3Multi:
		for _, name := range b3Headers {
			delete(header, name)
		}
	}
}

// IsHeader reports whether name, in any case, is a header of one of the formats.
func IsHeader(name string) bool {
	return strings.EqualFold(name, headerTraceparent) ||
		strings.EqualFold(name, headerTracestate) ||
		strings.EqualFold(name, headerB3) ||
		slices.ContainsFunc(b3Headers[:], func(header string) bool { return strings.EqualFold(name, header) })
}

// first is the first value of a header, or empty.
func first(header map[string][]string, name string) string {
	if values := header[name]; len(values) > 0 {
		return values[0]
	}
	return ""
}

// holds reports whether value is the only value of the header; an empty value
// means that the header is absent.
func holds(header map[string][]string, name, value string) bool {
	values := header[name]
	if value == "" {
		return len(values) == 0
	}
	return len(values) == 1 && values[0] == value
}

// Lengths of ids in hex digits.
const (
	traceIDLen      = 32
	shortTraceIDLen = 16 // 64 bits, B3 only
	spanIDLen       = 16
)

// validID reports whether id consists of lower-case hex digits that are not all
// zero. Callers check the length.
func validID(id string) bool {
	var bits byte
	for i := 0; i < len(id); i++ {
		if !isHex(id[i]) {
			return false
		}
		bits |= id[i] ^ '0'
	}
	return bits != 0
}

func isHex(c byte) bool { return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' }

// unhex is the value of a hex digit that isHex accepts.
func unhex(c byte) byte {
	if c >= 'a' {
		return c - 'a' + 10
	}
	return c - '0'
}

// maxSpace is how much optional white space is looked for on each side of a value.
// HTTP/1 servers strip it; HTTP/2 servers may not.
const maxSpace = 32

// trim returns value without optional white space (space, tab) around it, of which
// it skips a bounded amount: a longer run makes the value invalid.
func trim(value string) string {
	for i := 0; i < maxSpace && value != "" && isSpace(value[0]); i++ {
		value = value[1:]
	}
	for i := 0; i < maxSpace && value != "" && isSpace(value[len(value)-1]); i++ {
		value = value[:len(value)-1]
	}
	return value
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' }
