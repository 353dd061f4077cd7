package openapi

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/weirproxy/weir/internal/exchange"
)

// capable is a writer that can do all that net/http's can, and notes what of it is used.
type capable struct {
	*httptest.ResponseRecorder
	readFrom, hijacked, pushed bool
}

func (c *capable) ReadFrom(r io.Reader) (int64, error) {
	c.readFrom = true
	return io.Copy(c.ResponseRecorder, r)
}

func (c *capable) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	c.hijacked = true
	return nil, nil, nil
}

func (c *capable) Push(string, *http.PushOptions) error {
	c.pushed = true
	return nil
}

// onlyReader hides WriteTo, which would be called instead of ReadFrom.
type onlyReader struct{ io.Reader }

// What the writer of net/http can do, handlers can do through this one.
func TestWriterKeepsWhatIsBelow(t *testing.T) {
	h := standalone(t, petsDocument, "responses enforce\nmax_body 4B")
	run := func(target string, do func(w http.ResponseWriter)) *capable {
		w := &capable{ResponseRecorder: httptest.NewRecorder()}
		err := h.ServeHTTP(w, httptest.NewRequest("GET", target, nil), caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
			do(w)
			return nil
		}))
		if err != nil {
			t.Fatal(err)
		}
		return w
	}
	asJSON := func(w http.ResponseWriter) {
		maps.Copy(w.Header(), http.Header{"Content-Type": {"application/json"}, "X-Total": {"1"}})
	}
	w := run("/pets/1", func(w http.ResponseWriter) {
		_, _, _ = http.NewResponseController(w).Hijack()
		_ = w.(http.Pusher).Push("/", nil)
	})
	if !w.hijacked || !w.pushed {
		t.Errorf("hijacked %v, pushed %v", w.hijacked, w.pushed)
	}
	w = run("/live", func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "text/event-stream")
		io.Copy(w, onlyReader{strings.NewReader("data")})
		w.(http.Flusher).Flush()
	})
	if !w.readFrom || !w.Flushed {
		t.Error("a stream is not passed on at its best")
	}
	w = run("/pets", func(w http.ResponseWriter) { // too large to be held back
		asJSON(w)
		io.WriteString(w, `[{`)
		w.(http.Flusher).Flush()
		io.Copy(w, onlyReader{strings.NewReader(`"name":"Rex"}]`)})
	})
	if w.Body.String() != `[{"name":"Rex"}]` || w.Flushed {
		t.Errorf("%q, flushed %v", w.Body, w.Flushed)
	}
	w = run("/pets", func(w http.ResponseWriter) {
		asJSON(w)
		w.WriteHeader(200)
		w.WriteHeader(500)
		io.WriteString(w, `[]`)
	})
	if w.Code != 200 || w.Body.String() != `[]` {
		t.Errorf("%d %q", w.Code, w.Body)
	}
}

// What was refused is read for a while, and then cut off.
func TestRefusedAnswersAreCutOff(t *testing.T) {
	h := standalone(t, petsDocument, "responses enforce")
	r := httptest.NewRequest("GET", "/pets", nil)
	var failed error
	var n int64
	err := h.ServeHTTP(httptest.NewRecorder(), r, caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
		w.WriteHeader(500)
		n, failed = io.Copy(w, io.LimitReader(zeros{}, 1<<30))
		panic(http.ErrAbortHandler) // as reverse_proxy does
	}))
	if failed == nil || n > mostDiscarded {
		t.Errorf("%d bytes were taken, and then %v", n, failed)
	}
	if handlerError, ok := err.(caddyhttp.HandlerError); !ok || handlerError.StatusCode != 502 {
		t.Errorf("%v", err)
	}
	defer func() {
		if recover() == nil {
			t.Error("another panic is lost")
		}
	}()
	_ = h.ServeHTTP(httptest.NewRecorder(), r, caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
		w.WriteHeader(500)
		panic("a bug")
	}))
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// An error of next is passed on with the headers that go with it, and nothing of what was held back.
func TestErrorsOfNext(t *testing.T) {
	h := standalone(t, petsDocument, "responses enforce")
	w := httptest.NewRecorder()
	err := h.ServeHTTP(w, httptest.NewRequest("GET", "/pets", nil), caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		w.Header().Set("Retry-After", "5")
		return caddyhttp.Error(503, fmt.Errorf("%s", exchange.From(r).RouteTemplate))
	}))
	if handlerError, ok := err.(caddyhttp.HandlerError); !ok || handlerError.StatusCode != 503 || w.Header().Get("Retry-After") != "5" || w.Body.Len() > 0 {
		t.Errorf("%v %v %q", err, w.Header(), w.Body)
	}
	w = httptest.NewRecorder()
	w.Header().Set("Server", "Caddy")
	err = h.ServeHTTP(w, httptest.NewRequest("GET", "/pets", nil), caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		maps.Copy(w.Header(), http.Header{"Content-Type": {"application/json"}, "X-Total": {"1"}, "Set-Cookie": {"a=b"}})
		io.WriteString(w, `[`)
		return io.ErrUnexpectedEOF
	}))
	if err != io.ErrUnexpectedEOF || !maps.EqualFunc(w.Header(), http.Header{"Server": {"Caddy"}}, slices.Equal) || w.Body.Len() > 0 {
		t.Errorf("begun and broken off: %v %v %q", err, w.Header(), w.Body)
	}
}

// A refused answer that does not come to its end is not waited for.
func TestRefusedAnswersThatDrip(t *testing.T) {
	h := standalone(t, petsDocument, "responses enforce")
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		err := h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/pets", nil), caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
			w.WriteHeader(500)
			for range 1000 {
				if _, err := io.WriteString(w, "x"); err != nil {
					return err
				}
				time.Sleep(100 * time.Millisecond)
			}
			return nil
		}))
		if took := time.Since(begun); err == nil || took > time.Second {
			t.Errorf("%v after %v", err, took)
		}
	})
}

// A client that seems to leave, as one does that closes its half of the connection, gets no answer that is not good,
// and makes no violation of an incomplete one.
func TestAnswersForClientsThatSeemToLeave(t *testing.T) {
	h := standalone(t, petsDocument, "responses enforce")
	for text, good := range map[string]bool{`[{"name":"Rex"}]`: true, `[{"name":""}]`: false, `[{"na`: false} {
		ctx, cancel := context.WithCancel(t.Context())
		w := httptest.NewRecorder()
		err := h.ServeHTTP(w, httptest.NewRequest("GET", "/pets", nil).WithContext(ctx), caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
			maps.Copy(w.Header(), http.Header{"Content-Type": {"application/json"}, "X-Total": {"1"}})
			io.WriteString(w, text)
			cancel()
			return nil
		}))
		handlerError, _ := err.(caddyhttp.HandlerError)
		if good && (err != nil || w.Body.String() != text) || !good && (handlerError.StatusCode != 499 || w.Body.Len() > 0 || len(w.Header()) > 0) {
			t.Errorf("%s: %v, %v %q", text, err, w.Header(), w.Body)
		}
	}
	if len(h.live.ring.list()) > 0 {
		t.Errorf("%+v", h.live.ring.list())
	}
}

// reverse_proxy notes 499 for a client that left before there was an answer. The same of an upstream is one that is not
// declared.
func TestTheStatusOfClientsThatLeft(t *testing.T) {
	for _, mode := range []string{modeReport, modeEnforce} {
		for left, violations := range map[bool]int{true: 0, false: 1} {
			h := standalone(t, petsDocument, "responses "+mode)
			ctx, cancel := context.WithCancel(t.Context())
			_ = h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/pets", nil).WithContext(ctx), caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
				if left {
					cancel()
				}
				w.WriteHeader(499)
				return nil
			}))
			cancel()
			if got := h.live.ring.list(); len(got) != violations {
				t.Errorf("%s, left %v: %+v", mode, left, got)
			}
		}
	}
}
