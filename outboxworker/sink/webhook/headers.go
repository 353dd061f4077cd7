package webhook

// headers.go holds the headers of a request.

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/weirproxy/weir/outboxworker/sink"
)

// headers returns the headers of a request that is made now. Whatever is in the message,
// HTTP allows them: a request that cannot be made would look like a receiver that is
// away.
func (d *deliverer) headers(m *sink.Message, now time.Time) http.Header {
	header := make(http.Header, 24)
	addMessageHeaders(header, m.Headers)
	if header.Get("Content-Type") == "" {
		kind := "application/octet-stream"
		if utf8.Valid(m.Payload) && json.Valid(m.Payload) {
			kind = "application/json"
		}
		header.Set("Content-Type", kind)
	}
	d.addCloudEvent(header, m)

	id := m.ID.String()
	timestamp := strconv.FormatInt(now.Unix(), 10)
	header.Set("Webhook-Id", id)
	header.Set("Idempotency-Key", id)
	header.Set("Webhook-Timestamp", timestamp)
	if len(d.keys) > 0 {
		header.Set("Webhook-Signature", sign(d.keys, id, timestamp, m.Payload))
	}
	maps.Copy(header, d.fixed)
	return header
}

// addCloudEvent adds the attributes of CloudEvents 1.0, HTTP binding, binary mode.
func (d *deliverer) addCloudEvent(header http.Header, m *sink.Message) {
	set := func(name, value string) {
		if value != "" {
			header.Set(name, encodeAttribute(value))
		}
	}
	set("Ce-Specversion", "1.0")
	set("Ce-Id", m.ID.String())
	set("Ce-Source", d.settings.Source)
	if m.Type != "" {
		set("Ce-Type", m.Type)
	} else {
		set("Ce-Type", m.Topic)
	}
	if m.HasKey {
		set("Ce-Subject", m.Key)
	}
	set("Ce-Time", m.CreatedAt.UTC().Format(time.RFC3339Nano))
	set("Ce-Topic", m.Topic)
	set("Ce-Bizid", m.BizID)
}

// encodeAttribute percent-encodes all but the printable characters of ASCII, of which
// it also encodes space, double quote and percent, as section 3.1.3.2 of the HTTP
// binding has it.
func encodeAttribute(value string) string {
	const hexadecimal = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(value) {
		c := value[i]
		if c > ' ' && c < 0x7f && c != '"' && c != '%' {
			b.WriteByte(c)
		} else {
			b.Write([]byte{'%', hexadecimal[c>>4], hexadecimal[c&15]})
		}
	}
	return b.String()
}

// addMessageHeaders adds what a message may set. Of names that differ in case only, the
// last in alphabetical order counts.
func addMessageHeaders(header http.Header, data []byte) {
	if len(data) == 0 {
		return
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(data, &fields) != nil {
		return // the table takes objects only
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		canonical := http.CanonicalHeaderKey(name)
		if !isToken(name) || isFraming(canonical) || isOurs(canonical) || isForeign(canonical) {
			continue
		}
		value, ok := headerText(fields[name])
		if ok && isHeaderValue(value) {
			header.Set(canonical, value)
		}
	}
}

// headerText is a scalar as a header has it.
func headerText(raw json.RawMessage) (string, bool) {
	switch raw[0] {
	case '"':
		var text string
		err := json.Unmarshal(raw, &text)
		return text, err == nil
	case '{', '[', 'n':
		return "", false
	default:
		return string(raw), true
	}
}

// isFraming tells of headers that say where the body ends, or are about the connection.
func isFraming(canonical string) bool {
	switch canonical {
	case "Connection", "Content-Length", "Expect", "Host", "Http2-Settings", "Keep-Alive", "Proxy-Connection",
		"Te", "Trailer", "Transfer-Encoding", "Upgrade":
		return true
	}
	return false
}

// isOurs tells of headers that the receiver must be able to take for the sink's own.
func isOurs(canonical string) bool {
	return canonical == "Idempotency-Key" || strings.HasPrefix(canonical, "Webhook-") || strings.HasPrefix(canonical, "Ce-")
}

// isForeign tells of headers with which a message would pass itself off as somebody.
func isForeign(canonical string) bool {
	switch canonical {
	case "Authorization", "Cookie", "Forwarded", "Proxy-Authorization", "Set-Cookie", "X-Real-Ip":
		return true
	}
	return strings.HasPrefix(canonical, "X-Forwarded-")
}

// isToken tells whether a text can be the name of a header (RFC 9110, section 5.6.2).
func isToken(name string) bool {
	if name == "" {
		return false
	}
	for i := range len(name) {
		c := name[i]
		isAlphanumeric := c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
		if !isAlphanumeric && !strings.ContainsRune("!#$%&'*+-.^_`|~", rune(c)) {
			return false
		}
	}
	return true
}

// isHeaderValue tells whether a text can be the value of a header: without control
// characters, and without spaces around it, which would be lost.
func isHeaderValue(value string) bool {
	for i := range len(value) {
		if c := value[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return strings.Trim(value, " \t") == value
}
