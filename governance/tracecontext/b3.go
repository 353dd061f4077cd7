package tracecontext

// b3.go holds the two forms of B3: one header, and one for each field.

const (
	headerB3             = "B3"
	headerB3TraceID      = "X-B3-Traceid"
	headerB3SpanID       = "X-B3-Spanid"
	headerB3ParentSpanID = "X-B3-Parentspanid"
	headerB3Sampled      = "X-B3-Sampled"
	headerB3Flags        = "X-B3-Flags"
)

var b3Headers = [...]string{headerB3TraceID, headerB3SpanID, headerB3ParentSpanID, headerB3Sampled, headerB3Flags}

// padding makes a 64-bit trace id one of 128 bits.
const padding = "0000000000000000"

// maxB3 is the length of the longest single header:
// <32 digits>-<16 digits>-<state>-<16 digits>.
const maxB3 = traceIDLen + 1 + spanIDLen + 1 + 1 + 1 + spanIDLen

// ParseB3 reads the value of a b3 header: {trace id}-{span id}-{state}-{parent span
// id}, where each of the last two may be left out, or just {state}, which gives a
// context without ids. It reports false if the value is invalid.
func ParseB3(value string) (Context, bool) {
	v := trim(value)
	if len(v) == 1 {
		sampling, ok := parseState(v[0])
		return Context{Sampling: sampling, Source: B3}, ok
	}
	n := traceIDLen
	if len(v) > shortTraceIDLen && v[shortTraceIDLen] == '-' {
		n = shortTraceIDLen
	}
	spanIDEnd := n + 1 + spanIDLen
	if len(v) < spanIDEnd || v[n] != '-' {
		return Context{}, false
	}
	c := Context{Source: B3}
	var parentSpanID string
	if rest := v[spanIDEnd:]; rest != "" {
		var ok bool
		if c.Sampling, parentSpanID, ok = parseOptional(rest); !ok {
			return Context{}, false
		}
	}
	if !c.setIDs(v[:n], v[n+1:spanIDEnd], parentSpanID) {
		return Context{}, false
	}
	return c, true
}

// parseOptional reads what follows the span id: -{state}, -{state}-{parent span id}
// or -{parent span id}. It does not check the id.
func parseOptional(rest string) (sampling Sampling, parentSpanID string, ok bool) {
	if rest[0] != '-' {
		return Undecided, "", false
	}
	switch rest = rest[1:]; len(rest) {
	case 1:
		sampling, ok = parseState(rest[0])
		return sampling, "", ok
	case spanIDLen:
		return Undecided, rest, true
	case 1 + 1 + spanIDLen:
		sampling, ok = parseState(rest[0])
		return sampling, rest[2:], ok && rest[1] == '-'
	default:
		return Undecided, "", false
	}
}

// ParseB3Multi reads the values of the headers X-B3-TraceId, X-B3-SpanId,
// X-B3-ParentSpanId, X-B3-Sampled and X-B3-Flags; an absent one is empty, and of
// several of one name the first counts. Without ids, a sampling decision gives a
// context without ids. "true" and "false", which old tracers send, are read as
// decisions. It reports false if there is nothing or anything is invalid.
func ParseB3Multi(traceID, spanID, parentSpanID, sampled, flags string) (Context, bool) {
	c := Context{Source: B3Multi}
	switch trim(sampled) {
	case "":
	case "0", "false":
		c.Sampling = Deny
	case "1", "true":
		c.Sampling = Accept
	default:
		return Context{}, false
	}
	switch trim(flags) {
	case "", "0": // no flag
	case "1":
		c.Sampling = Debug // implies an accept decision, whatever else was sent
	default:
		return Context{}, false
	}
	traceID, spanID, parentSpanID = trim(traceID), trim(spanID), trim(parentSpanID)
	if traceID == "" && spanID == "" && parentSpanID == "" {
		return c, c.Sampling != Undecided
	}
	if !c.setIDs(traceID, spanID, parentSpanID) {
		return Context{}, false
	}
	return c, true
}

// setIDs checks the ids and takes them over.
func (c *Context) setIDs(traceID, spanID, parentSpanID string) bool {
	if len(traceID) != traceIDLen && len(traceID) != shortTraceIDLen || len(spanID) != spanIDLen {
		return false
	}
	if !validID(traceID) || !validID(spanID) {
		return false
	}
	if parentSpanID != "" && (len(parentSpanID) != spanIDLen || !validID(parentSpanID)) {
		return false
	}
	if len(traceID) == shortTraceIDLen {
		traceID = padding + traceID
	}
	c.TraceID, c.SpanID, c.ParentSpanID = traceID, spanID, parentSpanID
	return true
}

func parseState(state byte) (Sampling, bool) {
	switch state {
	case '0':
		return Deny, true
	case '1':
		return Accept, true
	case 'd':
		return Debug, true
	default:
		return Undecided, false
	}
}

// AppendB3 appends the b3 header of c to dst. The parent span id is left out where
// the decision is: there are readers that take the third field for the state.
func (c *Context) AppendB3(dst []byte) []byte {
	dst = append(dst, c.TraceID...)
	dst = append(dst, '-')
	dst = append(dst, c.SpanID...)
	switch c.Sampling {
	case Undecided:
		return dst
	case Deny:
		dst = append(dst, "-0"...)
	case Accept:
		dst = append(dst, "-1"...)
	case Debug:
		dst = append(dst, "-d"...)
	}
	if c.ParentSpanID == "" {
		return dst
	}
	dst = append(dst, '-')
	return append(dst, c.ParentSpanID...)
}

func injectB3(header map[string][]string, c *Context) {
	var buffer [maxB3]byte
	wanted := c.AppendB3(buffer[:0])
	if values := header[headerB3]; len(values) != 1 || values[0] != string(wanted) {
		header[headerB3] = []string{string(wanted)}
	}
}

// injectB3Multi writes either X-B3-Sampled or X-B3-Flags, never both, as debug
// implies an accept decision.
func injectB3Multi(header map[string][]string, c *Context) {
	var sampled, flags string
	switch c.Sampling {
	case Deny:
		sampled = "0"
	case Accept:
		sampled = "1"
	case Debug:
		flags = "1"
	}
	wanted := [len(b3Headers)]string{c.TraceID, c.SpanID, c.ParentSpanID, sampled, flags}
	var values []string // one array for all headers that change
	for i, name := range b3Headers {
		switch {
		case holds(header, name, wanted[i]):
		case wanted[i] == "":
			delete(header, name)
		default:
			if values == nil {
				values = make([]string, 0, len(b3Headers))
			}
			n := len(values)
			values = append(values, wanted[i])
			header[name] = values[n : n+1 : n+1]
		}
	}
}
