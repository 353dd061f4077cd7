package openapi

// writer.go is the answer as the owner of the writer of next: it lets through, copies, holds back or throws away what
// next writes.

import (
	"errors"
	"maps"
	"net/http"
	"time"

	"github.com/weirproxy/weir/internal/exchange"
)

// mostDiscarded is how much of an answer that is refused is read, and longestDiscarded for how long, which keeps the
// connection to the upstream; the rest is cut off.
const (
	mostDiscarded    = 64 << 10
	longestDiscarded = 500 * time.Millisecond
)

var (
	// errCut tells next that no more of its answer is wanted.
	errCut = errors.New("the answer does not keep the contract and is not sent")
	// errIncomplete is for a client that left before its answer was known to be good.
	errIncomplete = errors.New("the client left, and the answer that there is does not keep the contract")
)

// Begin implements exchange.Owner.
func (a *answer) Begin(status int) (hold bool) {
	a.decide(status)
	a.Divert(a.state != passing)
	hold = a.state == holding || a.state == refusing
	if hold {
		a.holdTrailer()
	}
	return hold
}

// holdTrailer keeps a copy of the header of an answer with announced trailers, which next sets in the same header once
// it has written the body.
func (a *answer) holdTrailer() {
	if header := a.Header(); len(header["Trailer"]) > 0 {
		a.trailer = maps.Clone(header)
	}
}

// sendHeld sends what was held back; what next writes from now on passes.
func (a *answer) sendHeld() {
	a.state = passing
	var now http.Header
	if header := a.Header(); a.trailer != nil {
		now = maps.Clone(header)
		clear(header)
		maps.Copy(header, a.trailer)
	}
	a.Release()
	if now != nil {
		maps.Copy(a.Header(), now)
	}
	if len(a.text) > 0 {
		a.Writer.Take(a.text)
	}
	a.text = nil
}

// Take implements exchange.Owner.
func (a *answer) Take(p []byte) (int, error) {
	switch a.state {
	case refusing:
		return a.discard(p)
	case holding:
		if a.keep(p) {
			return len(p), nil
		}
		a.overflow()
	case copying:
		if !a.keep(p) {
			a.overflow()
		}
	}
	return a.Writer.Take(p)
}

// keep adds p to what is kept, and reports whether there was room.
func (a *answer) keep(p []byte) bool {
	if int64(len(a.text)+len(p)) > a.op.maxBody {
		return false
	}
	a.text = append(a.text, p...)
	return true
}

// overflow lets an answer pass that turned out to be too large to be judged.
func (a *answer) overflow() {
	if a.state == holding {
		a.sendHeld()
	}
	a.state = passing
	a.Divert(false)
	a.skip()
}

// discard takes what next writes of an answer that is refused.
func (a *answer) discard(p []byte) (int, error) {
	if a.discarded += len(p); a.discarded > mostDiscarded || time.Now().After(a.cutAfter) {
		return 0, errCut
	}
	return len(p), nil
}

// Interface guards
var _ exchange.Owner = (*answer)(nil)
