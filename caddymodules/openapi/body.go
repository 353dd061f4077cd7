package openapi

// body.go reads a request's body to judge it, and puts it back as it was.

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// errTooLarge is a body over the limit.
var errTooLarge = errors.New("the body is over max_body")

// firstRead is how much memory is taken for a body before any of it is there.
const firstRead = 16 << 10

// replay is a body that was read, in full or in part, to be read once more from its start. A transport reads it in a
// goroutine of its own, and may still do so when a next attempt begins.
type replay struct {
	mu     sync.Mutex
	reader io.Reader
	closed bool
	server io.Closer // the body below
}

// Read implements io.Reader. A body that was closed is no empty one: an attempt to send it again must fail, as nobody
// has judged that.
func (b *replay) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return 0, http.ErrBodyReadAfterClose
	}
	return b.reader.Read(p)
}

// Close implements io.Closer.
func (b *replay) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	return b.server.Close()
}

// broken is the end of a body that could not be read further.
type broken struct{ err error }

func (b broken) Read([]byte) (int, error) { return 0, b.err }

// read returns the body of a request. Afterwards r has it again, byte by byte, with whatever was not read, and the
// error of a body that breaks off. The first read is what has the server answer an Expect: 100-continue, so a body
// that is declared to be too large is never asked for.
//
// How long it takes is limited where it can be refused for that.
func (h *Handler) read(c *check, w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if r.ContentLength > c.op.maxBody {
		return nil, errTooLarge
	}
	server, _ := r.Context().Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	begun, controller := time.Now(), http.NewResponseController(w)
	if c.op.mode == enforced {
		// An error says that there are no deadlines, as with a writer that is not the server's.
		_ = controller.SetReadDeadline(begun.Add(h.timeout(server)))
	}
	text, err := readUpTo(r.Body, c.op.maxBody, r.ContentLength)
	if c.op.mode == enforced && err == nil {
		// The deadline of a body that did not come stays: the server reads on for a while before it answers.
		_ = controller.SetReadDeadline(time.Time{})
	}
	switch {
	case err == nil && len(text) == 0: // there is nothing to put back
	case err == nil:
		r.Body = &replay{reader: bytes.NewReader(text), server: r.Body}
	case errors.Is(err, errTooLarge):
		r.Body = &replay{reader: io.MultiReader(bytes.NewReader(text), r.Body), server: r.Body}
	default:
		r.Body = &replay{reader: io.MultiReader(bytes.NewReader(text), broken{err}), server: r.Body}
	}
	return text, err
}

// readUpTo reads a body to its end. With errTooLarge it returns what it has read. declared is the length that the
// client declared, or -1. Memory grows with what comes, and not with what is declared.
func readUpTo(body io.Reader, limit, declared int64) ([]byte, error) {
	size := int64(firstRead)
	if declared >= 0 {
		size = min(size, declared+1) // room for one more read, which finds the end
	}
	text := make([]byte, 0, size)
	for {
		if len(text) == cap(text) {
			text = append(text, 0)[:len(text)]
		}
		n, err := body.Read(text[len(text):cap(text)])
		text = text[:len(text)+n]
		switch {
		case int64(len(text)) > limit:
			return text, errTooLarge
		case errors.Is(err, io.EOF):
			return text, nil
		case err != nil:
			return text, err
		}
	}
}

// timeout is for how long a body may arrive, given what the server allows.
func (h *Handler) timeout(server *caddyhttp.Server) time.Duration {
	timeout := time.Duration(h.BodyTimeout)
	if server != nil && server.ReadTimeout > 0 {
		timeout = min(timeout, time.Duration(server.ReadTimeout))
	}
	return timeout
}
