package consul

// client_limit.go keeps answers from filling the memory.

import (
	"fmt"
	"io"
	"net/http"
)

// mostAnswer is the size of the largest answer that is read, in bytes after decompression:
// many times what ten thousand instances need. At the address can be something else than
// Consul, which sends without end.
const mostAnswer = 64 << 20

// limited is a transport whose answers have at most so many bytes; reading on is an error.
type limited struct {
	http.RoundTripper
	most int64
}

func (l limited) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := l.RoundTripper.RoundTrip(r)
	if err == nil {
		response.Body = &limitedBody{ReadCloser: response.Body, left: l.most, most: l.most}
	}
	return response, err
}

// CloseIdleConnections has those of the transport closed, as http.Client does.
func (l limited) CloseIdleConnections() {
	if t, ok := l.RoundTripper.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
}

type limitedBody struct {
	io.ReadCloser
	left, most int64
}

func (b *limitedBody) Read(p []byte) (int, error) {
	if b.left >= 0 {
		n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.left+1)]) // one more tells whether there is more
		if b.left -= int64(n); b.left >= 0 {
			return n, err
		}
	}
	return 0, fmt.Errorf("the answer has more than %d bytes", b.most)
}
