package integration

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// streamWithin is when a byte that is on its way must have come.
const streamWithin = 20 * time.Second

// echo switches protocols and sends every line back in upper case until the client
// says bye. ended gets how it ended.
func echo(ended chan<- error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "shout" {
			http.Error(w, "no upgrade", http.StatusBadRequest)
			return
		}
		conn, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			ended <- err
			return
		}
		defer func() { _ = conn.Close() }()
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: shout\r\n\r\n")
		for {
			line, err := buffered.ReadString('\n')
			if err != nil {
				ended <- err
				return
			}
			if _, err := io.WriteString(conn, strings.ToUpper(line)); err != nil || line == "bye\n" {
				ended <- err
				return
			}
		}
	}
}

// shouter is a client's side of an upgraded connection.
type shouter struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
}

func newShouter(t *testing.T, address string) *shouter {
	t.Helper()
	s, err := dialShouter(t, address)
	for range connectAgain {
		if err == nil {
			break
		}
		s, err = dialShouter(t, address)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func dialShouter(t *testing.T, address string) (*shouter, error) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(3 * streamWithin)); err != nil {
		return nil, err
	}
	if _, err := fmt.Fprintf(conn, "GET /shout HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: shout\r\n\r\n", address); err != nil {
		return nil, err
	}
	s := &shouter{t, conn, bufio.NewReader(conn)}
	res, err := http.ReadResponse(s.in, nil)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusSwitchingProtocols {
		return nil, fmt.Errorf("the upgrade is answered with %s", res.Status)
	}
	return s, nil
}

func (s *shouter) say(when, text string) {
	s.t.Helper()
	if _, err := io.WriteString(s.conn, text+"\n"); err != nil {
		s.t.Fatalf("%s: %v", when, err)
	}
	line, err := s.in.ReadString('\n')
	if err != nil || line != strings.ToUpper(text)+"\n" {
		s.t.Fatalf("%s: said %q, heard %q, %v", when, text, line, err)
	}
}

func TestAnUpgradedConnectionRunsOnOverAReload(t *testing.T) {
	t.Parallel()
	backend := NewBackend(t, "one")
	ended := make(chan error, 1)
	backend.Handle("/shout", echo(ended))
	s := newSite(t, backend)
	g := startWeir(t, s)

	client := newShouter(t, s.Address)
	client.say("before a reload", "hello")
	for range 3 {
		g.MustLoad(s.Caddyfile())
		client.say("after a reload", "still there")
	}
	client.say("at the end", "bye")
	if _, err := client.in.ReadByte(); err != io.EOF {
		t.Errorf("after the back end closed, the client reads %v, want EOF", err)
	}
	if err := within(t, ended); err != nil {
		t.Errorf("at the back end it ended with %v", err)
	}
	u := g.Upstream("shop", backend.Address)
	if u.InFlight != 0 || u.Attempts["success"] != 1 {
		t.Errorf("the upgrade is counted as %v, with %d in flight; want one success and none", u.Attempts, u.InFlight)
	}
	if !Eventually(streamWithin, func() bool {
		return g.Metrics().Sum("gateway_http_requests_total", "route", "shop", "status", "101") == 1
	}) {
		t.Errorf("want one request with the status 101, got %v", g.Metrics().Series("gateway_http_requests_total"))
	}

	// the other side may end it, too, and the back end learns of it
	client = newShouter(t, s.Address)
	client.say("a second one", "hello")
	g.MustLoad(s.Caddyfile())
	_ = client.conn.Close()
	if err := within(t, ended); err != io.EOF {
		t.Errorf("after the client closed, the back end reads %v, want EOF", err)
	}
}

func within[T any](t *testing.T, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(streamWithin):
		t.Fatalf("nothing came within %v", streamWithin)
		panic("unreachable")
	}
}

// publish sends events until there are no more, or until the client has left.
func publish(events <-chan string, left chan<- struct{}) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		rc := http.NewResponseController(w)
		for {
			_ = rc.Flush()
			select {
			case event, ok := <-events:
				if !ok {
					return
				}
				_, _ = fmt.Fprintf(w, "data: %s\n\n", event)
			case <-r.Context().Done():
				left <- struct{}{}
				return
			}
		}
	}
}

func TestServerSentEventsRunOnOverAReload(t *testing.T) {
	t.Parallel()
	backend := NewBackend(t, "one")
	events, none := make(chan string), make(chan string)
	left := make(chan struct{}, 1)
	backend.Handle("/events", publish(events, left))
	backend.Handle("/none", publish(none, left))
	s := newSite(t, backend)
	g := startWeir(t, s)
	client := NewClient(2)

	res := subscribe(t, client, s.URL()+"events")
	in := bufio.NewReader(res.Body)
	for i := range 4 {
		event := fmt.Sprint("event ", i)
		events <- event
		if line, err := in.ReadString('\n'); err != nil || line != "data: "+event+"\n" {
			t.Fatalf("after %d reloads: heard %q, %v", i, line, err)
		}
		if _, err := in.ReadString('\n'); err != nil { // the empty line
			t.Fatal(err)
		}
		g.MustLoad(s.Caddyfile())
	}
	close(events)
	if rest, err := io.ReadAll(in); err != nil || len(rest) > 0 {
		t.Errorf("the stream ends with %q, %v, want a clean end", rest, err)
	}
	_ = res.Body.Close()
	if !Eventually(streamWithin, func() bool {
		return g.Upstream("shop", backend.Address).InFlight == 0 &&
			g.Metrics().Sum("gateway_http_requests_total", "route", "shop", "status", "200") == 1
	}) {
		t.Errorf("after its end the stream is not over: %+v", g.Upstream("shop", backend.Address))
	}

	// a client that leaves is noticed at the back end and is nobody's failure
	res = subscribe(t, client, s.URL()+"none")
	g.MustLoad(s.Caddyfile())
	_ = res.Body.Close()
	within(t, left)
	if u := g.Upstream("shop", backend.Address); u.SuccessRate != 1 {
		t.Errorf("a client that left a stream lowered the success rate to %v: %v", u.SuccessRate, u.Attempts)
	}
}

func subscribe(t *testing.T, client *http.Client, target string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := client.Do(r)
	for range connectAgain {
		if err == nil {
			break
		}
		res, err = client.Do(r)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = res.Body.Close() })
	if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("got %s %s, want a stream of events", res.Status, res.Header.Get("Content-Type"))
	}
	return res
}
