package balance

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

var errBroken = errors.New("broken")

// begin begins an attempt at the only upstream.
func begin(t *testing.T) (*Balancer, Attempt) {
	t.Helper()
	b := NewBalancer(NewPool(), DefaultSettings())
	b.Sync([]Member{{Address: "a:80", Weight: 1}})
	t.Cleanup(b.Close)
	return b, b.Begin(b.pool.Upstream("a:80"))
}

func TestWhoIsToBlameForARequestBody(t *testing.T) {
	for _, c := range []struct {
		name   string
		body   io.Reader
		length int64
		close  bool
		want   Outcome
	}{
		{"all of it is sent", strings.NewReader("abc"), 3, false, Broken},
		{"of unknown length", strings.NewReader("abc"), -1, false, Broken},
		{"too short", strings.NewReader("ab"), 3, false, ClientFault},
		{"too long", strings.NewReader("abcd"), 3, false, ClientFault},
		{"broken", iotest.ErrReader(errBroken), 3, false, ClientFault},
		{"used up", iotest.ErrReader(http.ErrBodyReadAfterClose), 3, false, ClientFault},
		{"closed by the transport", iotest.ErrReader(http.ErrBodyReadAfterClose), 3, true, Broken},
	} {
		_, attempt := begin(t)
		body := attempt.RequestBody(io.NopCloser(c.body), c.length)
		if c.close {
			body.Close()
		}
		_, _ = io.Copy(io.Discard, body)
		if got := Failure(t.Context(), errBroken, body, false); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestFailure(t *testing.T) {
	left, leave := context.WithCancel(t.Context())
	leave()
	late, cancel := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer cancel()
	for _, c := range []struct {
		name    string
		ctx     context.Context
		err     error
		refused bool
		want    Outcome
	}{
		{"broken", t.Context(), errBroken, false, Broken},
		{"refused", t.Context(), errBroken, true, Refused},
		{"timed out", t.Context(), os.ErrDeadlineExceeded, false, TimedOut},
		{"the request's time is up", late, errBroken, false, TimedOut},
		{"refused in the end", late, errBroken, true, Refused},
		{"the client left", left, errBroken, true, Canceled},
		{"canceled", t.Context(), context.Canceled, false, Canceled},
	} {
		if got := Failure(c.ctx, c.err, nil, c.refused); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestAnswersEndOnce(t *testing.T) {
	left, leave := context.WithCancel(t.Context())
	leave()
	for _, c := range []struct {
		name      string
		ctx       context.Context
		body      io.Reader
		close     bool // before it is read
		truncated bool
	}{
		{"read to its end", t.Context(), strings.NewReader("abc"), false, false},
		{"breaks off", t.Context(), iotest.ErrReader(errBroken), false, true},
		{"breaks off as the client left", left, iotest.ErrReader(errBroken), false, false},
		{"closed", t.Context(), iotest.ErrReader(errBroken), true, false},
	} {
		b, attempt := begin(t)
		attempt.Answered(Success)
		body := new(ResponseBody)
		body.Follow(c.ctx, io.NopCloser(c.body), attempt)
		if c.close {
			body.Close()
		}
		_, _ = io.Copy(io.Discard, body)
		_, _ = io.Copy(io.Discard, body)
		body.Close()
		body.End()
		u := b.Snapshot().Upstreams[0]
		if u.InFlight != 0 || (u.Truncated == 1) != c.truncated || body.Truncated() != c.truncated {
			t.Errorf("%s: %d in flight, %d truncated, %v", c.name, u.InFlight, u.Truncated, body.Truncated())
		}
	}
}
