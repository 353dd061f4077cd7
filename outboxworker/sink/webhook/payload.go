package webhook

// payload.go holds the body of requests.

import (
	"errors"
	"io"
	"sync"
)

// payload lends a message's payload to requests until it is released. A transport may
// read a body for a while after its request has failed, when the bytes are not the
// sink's any more.
type payload struct {
	mu       sync.Mutex
	data     []byte
	released bool
}

var errReleased = errors.New("reading a payload: it is released")

func (p *payload) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.data, p.released = nil, true
}

// reader returns a body from the start of the payload.
func (p *payload) reader() io.ReadCloser { return &payloadReader{payload: p} }

type payloadReader struct {
	payload *payload
	at      int
}

func (r *payloadReader) Read(to []byte) (int, error) {
	r.payload.mu.Lock()
	defer r.payload.mu.Unlock()
	switch {
	case r.payload.released:
		return 0, errReleased
	case r.at == len(r.payload.data):
		return 0, io.EOF
	}
	n := copy(to, r.payload.data[r.at:])
	r.at += n
	return n, nil
}

func (r *payloadReader) Close() error { return nil }
