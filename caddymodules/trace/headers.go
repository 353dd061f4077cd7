package trace

// headers.go holds what is to be known of other headers: Connection, which lists
// headers, and those that no trace id may be put into.

import (
	"errors"
	"fmt"
	"net/http"
	"net/textproto"
	"slices"
	"strings"

	"github.com/weirproxy/weir/governance/tracecontext"
)

// keepForUpstream takes the trace headers out of the Connection header, in which a
// client can name headers that reverse_proxy then does not forward.
func keepForUpstream(header http.Header) {
	lists := header["Connection"]
	if !slices.ContainsFunc(lists, func(list string) bool {
		for name := range strings.SplitSeq(list, ",") {
			if tracecontext.IsHeader(textproto.TrimString(name)) {
				return true
			}
		}
		return false
	}) {
		return
	}
	var kept []string
	for _, list := range lists {
		for name := range strings.SplitSeq(list, ",") {
			if name = textproto.TrimString(name); name != "" && !tracecontext.IsHeader(name) {
				kept = append(kept, name)
			}
		}
	}
	if len(kept) == 0 {
		delete(header, "Connection")
		return
	}
	header["Connection"] = []string{strings.Join(kept, ", ")}
}

// framing are the headers that say where the answer ends and what becomes of the
// connection. With a trace id in one of them no client could read the answer.
var framing = []string{
	"Connection", "Content-Length", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization",
	"Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
}

// checkHeaderName checks that name is a token as RFC 9110 defines it, and that the
// header may be set.
func checkHeaderName(name string) error {
	for i := 0; i < len(name); i++ {
		c := name[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return fmt.Errorf("%q is not a valid header name", name)
		}
	}
	if name == "" {
		return errors.New("the header name is empty")
	}
	if slices.Contains(framing, http.CanonicalHeaderKey(name)) {
		return fmt.Errorf("%q cannot be set, it is about the connection or the length of the answer", name)
	}
	return nil
}
