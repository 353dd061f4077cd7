package exchange

// stream.go tells streams from answers that end by themselves.

import (
	"net/http"
	"strings"
)

// isStream reports whether an answer with this final status and header is a stream: a
// switched protocol (101), an open tunnel, or server-sent events.
//
// tunnel tells that the request asked for a tunnel, which is the method CONNECT as it
// arrived: a handler further in may change it. WebSocket over HTTP/2 and HTTP/3 is
// CONNECT too (RFC 8441, RFC 9220), and answered with 200.
func isStream(status int, header http.Header, tunnel bool) bool {
	return status == http.StatusSwitchingProtocols || tunnel && status < 300 || isEventStream(header)
}

// eventStream is the media type of server-sent events.
const eventStream = "text/event-stream"

// isEventStream looks at the media type without its parameters, in any case of letters
// (RFC 9110, section 8.3.1). Handlers set the header in its canonical form.
func isEventStream(header http.Header) bool {
	values := header["Content-Type"]
	if len(values) == 0 || len(values[0]) < len(eventStream) {
		return false
	}
	if !strings.EqualFold(values[0][:len(eventStream)], eventStream) {
		return false
	}
	rest := strings.TrimLeft(values[0][len(eventStream):], " \t")
	return rest == "" || rest[0] == ';'
}
