package webhook

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirproxy/weir/outboxworker/sink"
)

func TestReceiverThatIsAway(t *testing.T) {
	server := httptest.NewServer(nil)
	server.Close()
	got := open(t, server.URL+"/secret-word?secret-word", nil).Deliver(t.Context(), message("{}"))
	assertResult(t, "away", got, sink.Unreachable, "posting to "+server.URL+": connecting: dial tcp ")
	if strings.Contains(got.Err.Error(), "secret-word") {
		t.Errorf("a part of the URL is in %q", got.Err)
	}
}

func TestTLSThatFails(t *testing.T) {
	untrusted := httptest.NewUnstartedServer(nil)
	untrusted.Config.ErrorLog = quiet()
	untrusted.StartTLS()
	t.Cleanup(untrusted.Close)
	assertResult(t, "untrusted", open(t, untrusted.URL, nil).Deliver(t.Context(), message("{}")),
		sink.Unreachable, "posting to "+untrusted.URL+": connecting: tls: ")

	plain := serve(t, nil)
	address := strings.Replace(plain.URL, "http://", "https://", 1)
	assertResult(t, "no TLS", open(t, address, nil).Deliver(t.Context(), message("{}")),
		sink.Unreachable, "posting to "+address+": connecting: ")

	// A receiver that takes connections and never says anything.
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	d := open(t, "https://"+silent.Addr().String(), func(s *Settings) { s.Timeout = 200 * time.Millisecond })
	assertResult(t, "silent", d.Deliver(t.Context(), message("{}")), sink.Unreachable, "posting to https://"+silent.Addr().String()+": connecting: ")
}

// hang makes a receiver that takes requests and answers none before the test ends.
func hang(t *testing.T) (server *httptest.Server, requests chan struct{}) {
	t.Helper()
	requests = make(chan struct{}, 10)
	ends := make(chan struct{})
	server = serve(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		requests <- struct{}{}
		<-ends
	})
	t.Cleanup(func() { close(ends) })
	return server, requests
}

func TestReceiverThatHangs(t *testing.T) {
	server, requests := hang(t)
	d := open(t, server.URL, func(s *Settings) { s.Timeout = time.Second }) // enough to connect and send
	began := time.Now()
	got := d.Deliver(t.Context(), message("{}"))
	assertResult(t, "hanging", got, sink.Failed, "posting to "+server.URL+": waiting for the answer: context deadline exceeded")
	if took := time.Since(began); took < time.Second || took > 10*time.Second {
		t.Errorf("took %s", took)
	}
	if n := len(requests); n != 1 {
		t.Errorf("%d requests, want one: time is no reason to make another", n)
	}
}

func TestContextThatEnds(t *testing.T) {
	server, requests := hang(t)
	d := open(t, server.URL, nil)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-requests
		cancel()
	}()
	began := time.Now()
	got := d.Deliver(ctx, message("{}"))
	assertResult(t, "under way", got, sink.Unreachable, "posting to "+server.URL+": waiting for the answer: context canceled")
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("took %s", took)
	}
	got = open(t, server.URL, nil).Deliver(ctx, message("{}"))
	assertResult(t, "before", got, sink.NotSent, "posting to "+server.URL+": ")
}

// transportFunc is a transport whose requests never reach the network.
type transportFunc func(*http.Request) (*http.Response, error)

func (f transportFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// The payload is the caller's again when Deliver returns, though a transport may go on
// reading the body of a request that has failed, or that was answered early.
func TestPayloadIsNotKept(t *testing.T) {
	for _, status := range []int{0, http.StatusInternalServerError} {
		d := open(t, "http://127.0.0.1:1/", nil)
		var bodies []io.Reader
		d.transport.RegisterProtocol("http", transportFunc(func(r *http.Request) (*http.Response, error) {
			again, err := r.GetBody()
			if err != nil {
				t.Error(err)
			}
			bodies = append(bodies, r.Body, again)
			if data, err := io.ReadAll(io.LimitReader(r.Body, 2)); string(data) != "pa" || err != nil {
				t.Errorf("read %q, %v", data, err)
			}
			if status == 0 {
				return nil, io.ErrUnexpectedEOF
			}
			return &http.Response{StatusCode: status, Body: http.NoBody}, nil
		}))
		d.Deliver(t.Context(), message("payload"))
		for _, body := range bodies {
			if data, err := io.ReadAll(body); len(data) > 0 || err != errReleased {
				t.Errorf("status %d: %q can be read after the delivery, error %v", status, data, err)
			}
		}
		if len(bodies) != 2 {
			t.Errorf("status %d: %d bodies, want those of one request", status, len(bodies))
		}
	}
}

// What fails before a connection is looked for is in the message: nobody is away.
func TestRequestThatCannotBeMade(t *testing.T) {
	d := open(t, "http://127.0.0.1:1/", nil)
	d.transport.RegisterProtocol("http", transportFunc(func(*http.Request) (*http.Response, error) { return nil, io.ErrNoProgress }))
	assertResult(t, "impossible", d.Deliver(t.Context(), message("{}")), sink.Refused, "posting to http://127.0.0.1:1: building the request: ")
}

// raw makes a receiver of connections: each is given to serve, with its number.
func raw(t *testing.T, serve func(n int64, conn *net.TCPConn, reader *bufio.Reader)) (listener net.Listener, requests *atomic.Int64) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	requests = new(atomic.Int64)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = conn.Close() }()
				reader := bufio.NewReader(conn)
				for {
					request, err := http.ReadRequest(reader)
					if err != nil {
						return
					}
					_, _ = io.Copy(io.Discard, request.Body)
					n := requests.Add(1)
					serve(n, conn.(*net.TCPConn), reader)
				}
			}()
		}
	}()
	return listener, requests
}

const okay = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

func reset(conn *net.TCPConn) {
	_ = conn.SetLinger(0)
	_ = conn.Close()
}

func TestResetOfANewConnection(t *testing.T) {
	listener, requests := raw(t, func(_ int64, conn *net.TCPConn, _ *bufio.Reader) { reset(conn) })
	address := "http://" + listener.Addr().String()
	got := open(t, address, nil).Deliver(t.Context(), message("{}"))
	assertResult(t, "reset", got, sink.Failed, "posting to "+address+": waiting for the answer: ")
	if n := requests.Load(); n != 1 {
		t.Errorf("%d requests, want one", n)
	}
}

// A connection that the receiver closes just when it is used again is not the
// message's fault.
func TestResetOfAKeptConnection(t *testing.T) {
	listener, requests := raw(t, func(n int64, conn *net.TCPConn, _ *bufio.Reader) {
		if n == 2 {
			reset(conn)
		} else {
			_, _ = io.WriteString(conn, okay)
		}
	})
	d := open(t, "http://"+listener.Addr().String(), nil)
	for i := range 2 {
		assertResult(t, "kept", d.Deliver(t.Context(), message("{}")), sink.Delivered, "")
		if n := requests.Load(); n != int64(1+2*i) {
			t.Errorf("%d requests after message %d", n, i)
		}
	}
}

// A message that the receiver dies of has failed, though then there is no receiver.
func TestMessageThatKillsTheReceiver(t *testing.T) {
	var listener net.Listener
	listener, requests := raw(t, func(n int64, conn *net.TCPConn, _ *bufio.Reader) {
		if n == 1 {
			_, _ = io.WriteString(conn, okay)
			return
		}
		_ = listener.Close()
		reset(conn)
	})
	address := "http://" + listener.Addr().String()
	d := open(t, address, nil)
	assertResult(t, "first", d.Deliver(t.Context(), message("{}")), sink.Delivered, "")
	assertResult(t, "deadly", d.Deliver(t.Context(), message("{}")), sink.Failed, "posting to "+address+": waiting for the answer: ")
	assertResult(t, "next", d.Deliver(t.Context(), message("{}")), sink.Unreachable, "posting to "+address+": connecting: ")
	if n := requests.Load(); n != 2 {
		t.Errorf("%d requests", n)
	}
}

func TestAnswerThatIsNotHTTP(t *testing.T) {
	listener, _ := raw(t, func(_ int64, conn *net.TCPConn, _ *bufio.Reader) {
		_, _ = io.WriteString(conn, "SSH-2.0-OpenSSH\r\n")
		_ = conn.Close()
	})
	address := "http://" + listener.Addr().String()
	assertResult(t, "no HTTP", open(t, address, nil).Deliver(t.Context(), message("{}")), sink.Failed, "posting to "+address+": waiting for the answer: ")
}

// The status is there, the end of the body never comes.
func TestAnswerThatIsCutOff(t *testing.T) {
	for text, want := range map[string]sink.Outcome{"200 OK": sink.Delivered, "500 No": sink.Failed} {
		listener, _ := raw(t, func(_ int64, conn *net.TCPConn, _ *bufio.Reader) {
			_, _ = io.WriteString(conn, "HTTP/1.1 "+text+"\r\nContent-Length: 100\r\n\r\nbegin")
			reset(conn)
		})
		got := open(t, "http://"+listener.Addr().String(), nil).Deliver(t.Context(), message("{}"))
		if got.Outcome != want {
			t.Errorf("%s: %s, %v", text, got.Outcome, got.Err)
		}
	}
}

// Operators select by the class, so there are few, and they do not depend on addresses.
func TestClasses(t *testing.T) {
	hanging, _ := hang(t)
	gone := httptest.NewServer(nil)
	gone.Close()
	untrusted := httptest.NewUnstartedServer(nil)
	untrusted.Config.ErrorLog = quiet()
	untrusted.StartTLS()
	t.Cleanup(untrusted.Close)
	plain := serve(t, nil)
	resetting, _ := raw(t, func(_ int64, conn *net.TCPConn, _ *bufio.Reader) { reset(conn) })
	ending, _ := raw(t, func(_ int64, conn *net.TCPConn, _ *bufio.Reader) { _ = conn.Close() })
	speaking, _ := raw(t, func(_ int64, conn *net.TCPConn, _ *bufio.Reader) {
		_, _ = io.WriteString(conn, "SSH-2.0-OpenSSH\r\n")
		_ = conn.Close()
	})
	for _, test := range []struct{ url, want string }{
		{hanging.URL, "timeout"},
		{gone.URL, "connection refused"},
		{untrusted.URL, "tls"},
		{strings.Replace(plain.URL, "http:", "https:", 1), "tls"},
		{"http://" + resetting.Addr().String(), "connection reset"},
		{"http://" + ending.Addr().String(), "connection reset"},
		{"http://" + speaking.Addr().String(), "not http"},
		{"http://no-such-host.invalid", "dns"},
	} {
		d := open(t, test.url, func(s *Settings) { s.Timeout = 2 * time.Second })
		if got := d.Deliver(t.Context(), message("{}")); got.Class != test.want {
			t.Errorf("%s: class %q, want %q: %v", test.url, got.Class, test.want, got.Err)
		}
	}
}
