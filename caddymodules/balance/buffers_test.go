package balance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/weirproxy/weir/internal/freeport"
)

// letters is a back end that counts the bodies that are not of one letter, as those of this
// test are: what another request has sent has come in between.
func letters(t *testing.T) (address string, mixed *atomic.Int64) {
	t.Helper()
	mixed = new(atomic.Int64)
	return backend(t, func(_ http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(r.Body)
		if err == nil && bytes.Count(text, text[:min(1, len(text))]) < len(text) {
			mixed.Add(1)
		}
	}), mixed
}

// postLetters sends n requests at once, each with a body of its own letter.
func postLetters(t *testing.T, url string, n, length int) {
	t.Helper()
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			for range 20 {
				res, err := client.Post(url, "text/plain", strings.NewReader(strings.Repeat(string(rune('a'+i)), length)))
				if err != nil {
					t.Error(err)
					return
				}
				res.Body.Close()
			}
		})
	}
	all.Wait()
}

// reverse_proxy puts the buffer of a body that breaks off back into its pool each time that
// the body is closed, and a transport closes it more than once.
func TestBodiesThatBreakOffMixNoOthers(t *testing.T) {
	listen := freeport.Address(t)
	up, mixed := letters(t)
	serve(t, site(listen, up, "request_buffers 64KiB\nlb_retries 2\nlb_retry_match {\nmethod POST\n}"))
	for range 50 {
		conn, err := net.Dial("tcp", listen)
		if err != nil {
			t.Fatal(err)
		}
		conn.SetDeadline(time.Now().Add(20 * time.Second))
		fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n5\r\naaaaa\r\nno number\r\n", listen)
		if text, err := io.ReadAll(conn); err != nil || !strings.HasPrefix(string(text), "HTTP/1.1 ") {
			t.Errorf("%q, %v", text, err)
		}
		conn.Close()
	}
	postLetters(t, "http://"+listen, 16, 30_000)
	if n := mixed.Load(); n > 0 {
		t.Errorf("%d requests reached the upstream with a part of another's body", n)
	}
}

// outliving is a transport that answers early, or fails, and would still send the body.
type outliving struct{}

// outlived are the bodies that it was given.
var outlived = make(chan io.Reader, 1)

func init() { caddy.RegisterModule(outliving{}) }

func (outliving) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.reverse_proxy.transport.weir_outliving", New: func() caddy.Module { return new(outliving) }}
}

func (outliving) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	return nil
}

func (outliving) RoundTrip(r *http.Request) (*http.Response, error) {
	if _, err := r.Body.Read(make([]byte, 1)); err != nil {
		return nil, err
	}
	outlived <- r.Body
	res := &http.Response{StatusCode: http.StatusUnauthorized, Proto: "HTTP/1.1", Header: make(http.Header), Body: http.NoBody}
	switch r.URL.Path {
	case "/fails":
		return nil, io.ErrUnexpectedEOF
	case "/body":
		res.Body = io.NopCloser(strings.NewReader("who?"))
	}
	return res, nil
}

// A transport may still be sending a body when the answer is over.
func TestNoBufferIsReadAfterTheAttempt(t *testing.T) {
	listen := freeport.Address(t)
	serve(t, site(listen, "127.0.0.1:1", "request_buffers 64KiB\ntransport weir_outliving"))
	for _, path := range []string{"/body", "/none", "/fails"} {
		res, err := client.Post("http://"+listen+path, "text/plain", strings.NewReader("secret"))
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if text, err := io.ReadAll(<-outlived); len(text) > 0 || !errors.Is(err, http.ErrBodyReadAfterClose) {
			t.Errorf("%s: %q is read of what is another's by now, %v", path, text, err)
		}
	}
}

// closing counts how often it is closed.
type closing struct {
	io.Reader
	closed atomic.Int64
}

func (c *closing) Close() error { c.closed.Add(1); return nil }

func TestBufferedBodyIsReadByOneAttempt(t *testing.T) {
	ctx := context.WithValue(t.Context(), caddyhttp.VarsCtxKey, make(map[string]any))
	body := &closing{Reader: strings.NewReader("hello")}
	unread := newBufferedBody(ctx, body)
	unread.Close() // as a transport does that finds no connection
	if _, err := unread.Read(make([]byte, 2)); !errors.Is(err, http.ErrBodyReadAfterClose) {
		t.Errorf("once it is closed, reading fails with %v", err)
	}
	first := newBufferedBody(ctx, body)
	if n, err := first.Read(make([]byte, 2)); n != 2 || err != nil {
		t.Errorf("read %d bytes, %v", n, err)
	}
	first.Close()
	second := newBufferedBody(ctx, body)
	if n, err := second.Read(make([]byte, 2)); n != 0 || !errors.Is(err, http.ErrBodyReadAfterClose) {
		t.Errorf("a second attempt reads %d bytes, %v", n, err)
	}
	second.Close()
	if n := body.closed.Load(); n != 0 {
		t.Errorf("the buffer was given back %d times by the transport", n)
	}
	if text, err := io.ReadAll(newBufferedBody(ctx, &closing{Reader: strings.NewReader("other")})); string(text) != "other" || err != nil {
		t.Errorf("of another body %q was read, %v", text, err)
	}
}

func TestWholeBufferedBodyIsReadByEachAttempt(t *testing.T) {
	ctx := context.WithValue(t.Context(), caddyhttp.VarsCtxKey, make(map[string]any))
	for range 2 {
		b := newBufferedBody(ctx, io.NopCloser(bytes.NewReader([]byte("hello"))))
		if n, err := b.Read(make([]byte, 2)); n != 2 || err != nil {
			t.Errorf("read %d bytes, %v", n, err)
		}
		b.end()
		if n, err := b.Read(make([]byte, 2)); n != 0 || !errors.Is(err, http.ErrBodyReadAfterClose) {
			t.Errorf("after the attempt %d bytes are read, %v", n, err)
		}
	}
}
