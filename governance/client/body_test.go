package client

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/weirproxy/weir/governance/balance"
)

// upstream returns what is known about the only endpoint.
func upstream(t *testing.T, transport *Transport) balance.UpstreamSnapshot {
	t.Helper()
	return transport.Snapshot().Upstreams[0]
}

func TestAnswerThatBreaksOffIsAFailure(t *testing.T) {
	address := backend(t, raw("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello"))
	transport := newTransport(t, Settings{Endpoints: Static(address)})
	if code, body, err := get(transport, "http://orders/"); code != 200 || body != "hello" || err == nil {
		t.Errorf("status %d, body %q, %v, want an error after hello", code, body, err)
	}
	if u := upstream(t, transport); u.Truncated != 1 || u.SuccessRate >= 1 || u.InFlight != 0 {
		t.Errorf("%d truncated, success rate %v, %d in flight", u.Truncated, u.SuccessRate, u.InFlight)
	}
}

func TestBodyNotReadToItsEndIsNoFailure(t *testing.T) {
	endless := func(w http.ResponseWriter, _ *http.Request) {
		for {
			if _, err := w.Write(make([]byte, 1<<16)); err != nil {
				return
			}
		}
	}
	transport := newTransport(t, Settings{Endpoints: Static(backend(t, endless))})
	ctx, cancel := context.WithCancel(t.Context())
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, "http://orders/", nil)
	res, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	if u := upstream(t, transport); u.InFlight != 1 {
		t.Errorf("%d are in flight, want 1", u.InFlight)
	}
	time.AfterFunc(20*time.Millisecond, cancel)
	if _, err := io.Copy(io.Discard, res.Body); err == nil {
		t.Error("the answer came to an end")
	}
	res.Body.Close()

	// one that is closed while it is read is the caller's decision, too
	res, err = transport.RoundTrip(req.WithContext(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(20*time.Millisecond, func() { res.Body.Close() })
	io.Copy(io.Discard, res.Body)
	if u := upstream(t, transport); u.Truncated != 0 || u.SuccessRate != 1 || u.InFlight != 0 {
		t.Errorf("%d truncated, success rate %v, %d in flight", u.Truncated, u.SuccessRate, u.InFlight)
	}
}

func TestUpgradedConnectionIsPassed(t *testing.T) {
	address := backend(t, func(w http.ResponseWriter, _ *http.Request) {
		conn, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		io.Copy(conn, buffered)
	})
	transport := newTransport(t, Settings{Endpoints: Static(address), Retries: 1})
	req, _ := http.NewRequest(http.MethodGet, "http://orders/", nil)
	req.Header.Set("Connection", "Upgrade")
	req.Header.Set("Upgrade", "echo")
	res, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	conn, ok := res.Body.(io.ReadWriteCloser)
	if res.StatusCode != 101 || !ok {
		t.Fatalf("status %d with a body that is a %T", res.StatusCode, res.Body)
	}
	reader := bufio.NewReader(conn)
	for i := range 3 {
		fmt.Fprintf(conn, "ping %d\n", i)
		if line, err := reader.ReadString('\n'); line != fmt.Sprintf("ping %d\n", i) {
			t.Fatalf("got %q, %v", line, err)
		}
	}
	if u := upstream(t, transport); u.InFlight != 0 || u.Attempts["success"] != 1 {
		t.Errorf("%d in flight and attempts %v, want a success that is over", u.InFlight, u.Attempts)
	}
}

func TestStreamsPassAtOnce(t *testing.T) {
	release := make(chan struct{})
	address := backend(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, "data: 1\n\n")
		http.NewResponseController(w).Flush()
		<-release
	})
	defer close(release)
	transport := newTransport(t, Settings{Endpoints: Static(address), Retries: 1})
	req, _ := http.NewRequest(http.MethodGet, "http://orders/", nil)
	res, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if line, err := bufio.NewReader(res.Body).ReadString('\n'); line != "data: 1\n" {
		t.Errorf("got %q, %v before the stream's end", line, err)
	}
	if u := upstream(t, transport); u.Attempts["success"] != 1 || u.InFlight != 1 {
		t.Errorf("attempts %v with %d in flight, want a success at the headers and 1", u.Attempts, u.InFlight)
	}
}

func TestTrailersArePassed(t *testing.T) {
	address := backend(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Trailer", "X-Sum")
		io.WriteString(w, "hello")
		w.Header().Set("X-Sum", "5")
	})
	transport := newTransport(t, Settings{Endpoints: Static(address)})
	req, _ := http.NewRequest(http.MethodGet, "http://orders/", nil)
	res, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	io.Copy(io.Discard, res.Body)
	if got := res.Trailer.Get("X-Sum"); got != "5" {
		t.Errorf("the trailer is %q, want 5", got)
	}
}

// net/http allows to close a body while it is read.
func TestBodyEndsOnce(t *testing.T) {
	transport := newTransport(t, Settings{Endpoints: Static(backend(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Write(make([]byte, 1<<16))
	}))})
	for range 50 {
		req, _ := http.NewRequest(http.MethodGet, "http://orders/", nil)
		res, err := transport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		all.Go(func() { io.Copy(io.Discard, res.Body) })
		all.Go(func() { res.Body.Close() })
		all.Wait()
		res.Body.Close()
	}
	if u := upstream(t, transport); u.InFlight != 0 || u.Truncated != 0 {
		t.Errorf("%d in flight, %d truncated, want none", u.InFlight, u.Truncated)
	}
}
