package tracecontext

// w3c.go holds the W3C format: traceparent and tracestate.

import "strings"

const (
	headerTraceparent = "Traceparent"
	headerTracestate  = "Tracestate"
)

// traceparent is version, trace id, parent id and flags, with dashes between:
// 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01.
const (
	traceparentLen = 55
	traceIDStart   = 3
	traceIDEnd     = traceIDStart + traceIDLen
	spanIDStart    = traceIDEnd + 1
	spanIDEnd      = spanIDStart + spanIDLen
	flagsStart     = spanIDEnd + 1
)

// Flags of version 00. All others are reserved and never sent: receivers may
// refuse a header that has them.
const (
	flagSampled = 1 << iota
	flagRandom
)

// The limits of a tracestate in the specification. The longest valid one follows
// from them, and a longer one is discarded without being read.
const (
	maxMembers    = 32
	maxKey        = 256
	maxValue      = 256
	maxTracestate = maxMembers*(maxKey+1+maxValue) + maxMembers - 1
)

// maxEmpty is how many empty members a tracestate may have besides the others. The
// specification's grammar allows 32 members of either kind; counting the empty ones
// by themselves forgives a list that was put together from several headers.
const maxEmpty = 32

func extractW3C(header map[string][]string) (Context, bool) {
	values := header[headerTraceparent]
	if len(values) != 1 {
		return Context{}, false // several name several parents
	}
	c, ok := ParseTraceparent(values[0])
	if !ok {
		return Context{}, false
	}
	// A faulty tracestate is discarded and does not affect the traceparent.
	c.TraceState, _ = ParseTracestate(header[headerTracestate])
	return c, true
}

// ParseTraceparent reads the value of a traceparent header. Of versions after 00
// it takes the fields that version 00 has. It reports false if the value is invalid:
// then the trace is to be restarted and a tracestate to be discarded.
func ParseTraceparent(value string) (Context, bool) {
	v := trim(value)
	if len(v) < traceparentLen || v[2] != '-' || v[traceIDEnd] != '-' || v[spanIDEnd] != '-' {
		return Context{}, false
	}
	switch {
	case !isHex(v[0]) || !isHex(v[1]) || v[:2] == "ff":
		return Context{}, false
	case v[:2] == "00" && len(v) > traceparentLen:
		return Context{}, false
	case len(v) > traceparentLen && v[traceparentLen] != '-':
		return Context{}, false
	}
	c := Context{TraceID: v[traceIDStart:traceIDEnd], SpanID: v[spanIDStart:spanIDEnd], Source: W3C}
	high, low := v[flagsStart], v[flagsStart+1]
	if !validID(c.TraceID) || !validID(c.SpanID) || !isHex(high) || !isHex(low) {
		return Context{}, false
	}
	c.Sampling = Deny
	if unhex(low)&flagSampled != 0 {
		c.Sampling = Accept
	}
	c.Random = unhex(low)&flagRandom != 0
	c.traceparent = v
	return c, true
}

// AppendTraceparent appends the traceparent of c in version 00 to dst. A Debug
// decision is sent as sampled, Undecided as not sampled.
func (c *Context) AppendTraceparent(dst []byte) []byte {
	var flags byte
	if c.Sampling.Sampled() {
		flags |= flagSampled
	}
	if c.Random {
		flags |= flagRandom
	}
	dst = append(dst, "00-"...)
	dst = append(dst, c.TraceID...)
	dst = append(dst, '-')
	dst = append(dst, c.SpanID...)
	return append(dst, '-', '0', '0'+flags)
}

// injectW3C leaves headers that are right as they are: a pass-through service does
// not modify a tracestate whose traceparent it does not modify.
func injectW3C(header map[string][]string, c *Context) {
	var buffer [traceparentLen]byte
	wanted := c.AppendTraceparent(buffer[:0])
	if values := header[headerTraceparent]; len(values) != 1 || values[0] != string(wanted) {
		value := c.traceparent
		if value != string(wanted) {
			value = string(wanted)
		}
		header[headerTraceparent] = []string{value}
	}
	switch {
	case c.TraceState == "":
		delete(header, headerTracestate)
	case !holds(header, headerTracestate, c.TraceState):
		header[headerTracestate] = []string{c.TraceState}
	}
}

// ParseTracestate reads the values of all tracestate headers of a request and
// returns them combined into one, which is the value itself if there is only one.
// Empty list members are allowed, also as empty headers; a list without any other is
// returned as empty. It reports false if a value is invalid, if there are more than
// 32 members or 32 empty ones, or if the whole is longer than 32 members can be:
// then all of it is to be discarded.
func ParseTracestate(values []string) (string, bool) {
	var count members
	length, filled, last := -1, 0, ""
	for _, value := range values {
		length += 1 + len(value)
		if length > maxTracestate {
			return "", false
		}
		before := count.filled
		if !count.add(value) {
			return "", false
		}
		if count.filled > before {
			filled++
			last = value
		}
	}
	if filled <= 1 {
		return last, true
	}
	return combine(values, length), true
}

// combine joins the values that have members, in their order.
func combine(values []string, length int) string {
	var b strings.Builder
	b.Grow(length)
	for _, value := range values {
		if strings.Trim(value, " \t,") == "" {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		b.WriteString(value)
	}
	return b.String()
}

// members counts the members of a list.
type members struct{ filled, empty int }

// add counts the members of one header. It reports false at the first invalid one
// and at the first too many.
func (m *members) add(value string) bool {
	for rest, more := value, true; more; {
		var member string
		member, rest, more = strings.Cut(rest, ",")
		member = strings.Trim(member, " \t") // bounded, as the value is
		if member == "" {
			m.empty++
		} else if m.filled++; !validMember(member) {
			return false
		}
		if m.filled > maxMembers || m.empty > maxEmpty {
			return false
		}
	}
	return true
}

// validMember checks key=value. The white space around it, which ends a value, is
// gone already.
func validMember(member string) bool {
	key, value, found := strings.Cut(member, "=")
	if !found || key == "" || len(key) > maxKey || value == "" || len(value) > maxValue {
		return false
	}
	if !isKeyStart(key[0]) {
		return false
	}
	for i := 1; i < len(key); i++ {
		if !isKeyStart(key[i]) && !isKeyMark(key[i]) {
			return false
		}
	}
	for i := 0; i < len(value); i++ {
		if c := value[i]; c < 0x20 || c > 0x7e || c == '=' { // commas separate members
			return false
		}
	}
	return true
}

func isKeyStart(c byte) bool { return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' }

func isKeyMark(c byte) bool { return c == '_' || c == '-' || c == '*' || c == '/' || c == '@' }
