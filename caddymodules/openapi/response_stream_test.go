package openapi

// response_stream_test.go has answers that come bit by bit: streams, trailers, early hints, clients that leave.

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"
)

// Event streams go out as they come, whatever is to be done with answers.
func TestEventStreams(t *testing.T) {
	goesOut(t, "/live", "Content-Type", "text/event-stream")
}

// So do answers that ask for it.
func TestIncrementalAnswers(t *testing.T) {
	goesOut(t, "/pets", "Incremental", "?1")
}

// goesOut checks that the first line of an answer with the header arrives before the upstream has written the next one.
func goesOut(t *testing.T, path, name, value string) {
	t.Helper()
	for _, mode := range []string{modeReport, modeEnforce} {
		t.Run(mode, func(t *testing.T) {
			more := make(chan struct{})
			g := pets(t, "responses "+mode, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				w.Header().Set("X-Total", "1")
				w.Header().Set(name, value)
				io.WriteString(w, "data: 1\n\n")
				http.NewResponseController(w).Flush()
				select {
				case <-more:
				case <-r.Context().Done():
				}
				io.WriteString(w, "data: 2\n\n")
			})
			res, err := client.Get("http://" + g.address + path)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			reader := bufio.NewReader(res.Body)
			if line, err := reader.ReadString('\n'); line != "data: 1\n" {
				t.Fatalf("%q %v", line, err)
			}
			close(more) // only now
			if rest, err := io.ReadAll(reader); string(rest) != "\ndata: 2\n\n" {
				t.Errorf("%q %v", rest, err)
			}
		})
	}
}

func TestWebSockets(t *testing.T) {
	upgrade := func(w http.ResponseWriter, _ *http.Request) {
		conn, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		line, _ := buffered.ReadString('\n')
		io.WriteString(conn, line)
	}
	for _, mode := range []string{modeOff, modeReport, modeEnforce} {
		t.Run(mode, func(t *testing.T) {
			g := pets(t, "responses "+mode, upgrade)
			conn := g.dial()
			fmt.Fprint(conn, "GET /live HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n")
			reader := bufio.NewReader(conn)
			res, err := http.ReadResponse(reader, nil)
			if err != nil || res.StatusCode != 101 {
				t.Fatalf("%v %v", res, err)
			}
			io.WriteString(conn, "hello\n")
			if line, err := reader.ReadString('\n'); line != "hello\n" {
				t.Errorf("%q %v", line, err)
			}
			// Caddy must not be stopped before it is over: closing it races with what Caddy copies.
			conn.Close()
			if !within(func() bool { return len(g.log.lines("handled request")) == 1 }) {
				t.Errorf("%s", g.log)
			}
		})
	}
}

// An upgrade's request has its parameters judged.
func TestUpgradesWithWrongParameters(t *testing.T) {
	g := pets(t, "", echo)
	a := g.do("GET", "/pets?limit=x", nil, "Connection: Upgrade", "Upgrade: websocket")
	if a.StatusCode != 400 {
		t.Errorf("%d", a.StatusCode)
	}
}

// A client that leaves is no violation.
func TestClientsThatLeave(t *testing.T) {
	for _, mode := range []string{modeReport, modeEnforce} {
		t.Run(mode, func(t *testing.T) {
			begun, gone := make(chan struct{}), make(chan struct{})
			g := pets(t, "responses "+mode, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				w.Header().Set("X-Total", "1")
				io.WriteString(w, `[{`)
				http.NewResponseController(w).Flush()
				close(begun)
				select {
				case <-r.Context().Done():
				case <-time.After(30 * time.Second):
					t.Error("the upstream is not told that the client left")
				}
				close(gone)
			})
			conn := g.dial()
			fmt.Fprint(conn, "GET /pets HTTP/1.1\r\nHost: x\r\n\r\n")
			<-begun
			if mode == modeReport { // nothing of it is held back
				bufio.NewReader(conn).ReadString('\n')
			} // else the gateway may have no answer yet
			conn.Close()
			<-gone
			if !within(func() bool { return len(g.log.lines("handled request")) == 1 }) {
				t.Errorf("%s", g.log)
			}
			if n, _ := metric(t, "gateway_contract_violations_total"); n != 0 {
				t.Errorf("%v violations", n)
			}
		})
	}
}

// Trailers come through, announced or not, also those of an answer that was held back.
func TestTrailersOfAnswers(t *testing.T) {
	for _, mode := range []string{modeOff, modeReport, modeEnforce} {
		t.Run(mode, func(t *testing.T) {
			g := pets(t, "responses "+mode, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				w.Header().Set("X-Total", "0")
				w.Header().Set("Trailer", "X-Sum")
				io.WriteString(w, `[]`)
				w.Header().Set("X-Sum", "2")
				w.Header().Set(http.TrailerPrefix+"X-Late", "yes")
			})
			a := g.do("GET", "/pets", nil)
			if a.text != "[]" || a.Trailer.Get("X-Sum") != "2" || a.Trailer.Get("X-Late") != "yes" || a.Header.Get("X-Sum") != "" {
				t.Errorf("%q, header %v, trailer %v", a.text, a.Header, a.Trailer)
			}
		})
	}
}

// Early hints are no answer.
func TestInformationalAnswers(t *testing.T) {
	g := pets(t, "responses enforce", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</a.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(http.StatusTeapot)
	})
	conn := g.dial()
	fmt.Fprint(conn, "GET /pets HTTP/1.1\r\nHost: x\r\n\r\n")
	reader := bufio.NewReader(conn)
	hints, err := http.ReadResponse(reader, nil)
	if err != nil || hints.StatusCode != 103 || hints.Header.Get("Link") == "" {
		t.Fatalf("%v %v", hints, err)
	}
	if res, err := http.ReadResponse(reader, nil); err != nil || res.StatusCode != 502 || res.Header.Get("Link") != "" {
		t.Errorf("%v %v", res, err)
	}
}
