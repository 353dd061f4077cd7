package contract

// headers.go knows the headers that no document declares and every client sends.

import "strings"

// StandardHeader tells whether Settings.StrictHeaders allows a header, named in canonical form, that is not declared:
// fields of HTTP itself (RFC 9110, 9111 and 9112), what browsers add by themselves, tracing, and what proxies add on
// the way.
func StandardHeader(name string) bool {
	if _, ok := standardHeaders[name]; ok {
		return true
	}
	for _, prefix := range standardPrefixes {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// standardPrefixes are families of fields: of browsers (client hints, fetch metadata, preflights), of proxies and of
// tracing (Zipkin).
var standardPrefixes = []string{"Sec-", "Access-Control-Request-", "X-Forwarded-", "X-B3-"}

var standardHeaders = setOf(
	// RFC 9110: content and its negotiation, conditions, ranges, control
	"Accept", "Accept-Charset", "Accept-Encoding", "Accept-Language", "Authorization", "Content-Encoding",
	"Content-Language", "Content-Length", "Content-Location", "Content-Range", "Content-Type", "Date", "Expect",
	"From", "Host", "If-Match", "If-Modified-Since", "If-None-Match", "If-Range", "If-Unmodified-Since",
	"Max-Forwards", "Proxy-Authorization", "Range", "Referer", "Te", "Trailer", "Upgrade", "User-Agent", "Via",
	// RFC 9111, 9112 and other standards
	"Cache-Control", "Connection", "Content-Digest", "Content-Disposition", "Cookie", "Digest", "Early-Data",
	"Forwarded", "Http2-Settings", "Keep-Alive", "Mime-Version", "Origin", "Pragma", "Prefer", "Priority",
	"Proxy-Connection", "Repr-Digest", "Signature", "Signature-Input", "Transfer-Encoding", "Want-Content-Digest",
	"Want-Repr-Digest",
	// browsers
	"Device-Memory", "Dnt", "Downlink", "Ect", "Rtt", "Save-Data", "Service-Worker", "Upgrade-Insecure-Requests",
	"X-Requested-With",
	// tracing
	"B3", "Baggage", "Traceparent", "Tracestate", "X-Correlation-Id", "X-Request-Id", "Uber-Trace-Id",
	// proxies
	"Cdn-Loop", "X-Real-Ip",
)

func setOf(names ...string) map[string]struct{} {
	set := make(map[string]struct{}, len(names))
	for _, name := range names {
		set[name] = struct{}{}
	}
	return set
}
