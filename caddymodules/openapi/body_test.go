package openapi

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// The upstream gets the body as it was sent: framing, coding and trailers.
func TestBodiesPassUnchanged(t *testing.T) {
	g := pets(t, "", echo)
	const text = `{ "name" : "Rex" }`
	t.Run("declared length", func(t *testing.T) {
		if a := g.json("POST", "/pets", text); a.text != "POST "+text+" <nil>" || a.Header.Get("X-Length") != "18" {
			t.Errorf("%s %v", a.text, a.Header)
		}
	})
	t.Run("chunked with trailers", func(t *testing.T) {
		conn := g.dial()
		fmt.Fprintf(conn, "POST /pets HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"+
			"5\r\n%s\r\nd\r\n%s\r\n0\r\nX-Sum: 18\r\n\r\n", text[:5], text[5:])
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		if string(body) != "POST "+text+" <nil>" || res.Header.Get("X-Length") != "-1" || res.Header.Get("X-Encoding") != "chunked" || res.Header.Get("X-Trailer") != "18" {
			t.Errorf("%s %v", body, res.Header)
		}
	})
	t.Run("HTTP/2", func(t *testing.T) {
		transport := &http.Transport{Protocols: new(http.Protocols)}
		transport.Protocols.SetUnencryptedHTTP2(true)
		defer transport.CloseIdleConnections()
		for body, want := range map[string]int{text: 201, `{"name":5}`: 422} {
			req, _ := http.NewRequest("POST", "http://"+g.address+"/pets", io.MultiReader(strings.NewReader(body)))
			req.Header.Set("Content-Type", "application/json")
			res, err := (&http.Client{Transport: transport}).Do(req)
			if err != nil {
				t.Fatal(err)
			}
			got, _ := io.ReadAll(res.Body)
			res.Body.Close()
			if res.ProtoMajor != 2 || res.StatusCode != want || want == 201 && string(got) != "POST "+body+" <nil>" {
				t.Errorf("%s %d %s", res.Proto, res.StatusCode, got)
			}
		}
	})
	t.Run("empty and chunked", func(t *testing.T) {
		a := g.do("POST", "/pets", io.MultiReader(strings.NewReader("")), "Content-Type: application/json")
		if a.StatusCode != 422 || !slices.Equal(a.faults(), []string{"body required"}) {
			t.Errorf("%d %v", a.StatusCode, a.faults())
		}
		if a := g.do("PUT", "/pets/1", io.MultiReader(strings.NewReader("")), "Content-Type: application/json"); a.StatusCode != 201 {
			t.Errorf("%d %v", a.StatusCode, a.text)
		}
	})
}

// The server asks for the body only if it is wanted.
func TestContinue(t *testing.T) {
	g := pets(t, "max_body 1KiB\nunknown_path 404", echo)
	ask := func(target string, length int) (status string, conn io.ReadWriter, reader *bufio.Reader) {
		c := g.dial()
		fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n", target, length)
		reader = bufio.NewReader(c)
		status, err := reader.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(status), c, reader
	}
	if status, _, _ := ask("/pets", 2000); !strings.HasPrefix(status, "HTTP/1.1 413 ") {
		t.Errorf("a body that is declared too large: %s", status)
	}
	if status, _, _ := ask("/cats", 10); !strings.HasPrefix(status, "HTTP/1.1 404 ") {
		t.Errorf("a body for nobody: %s", status)
	}
	status, conn, reader := ask("/pets", 14)
	if status != "HTTP/1.1 100 Continue" {
		t.Fatalf("a body that is wanted: %s", status)
	}
	io.WriteString(conn, `{"name":"Rex"}`)
	if _, err := reader.ReadString('\n'); err != nil { // the end of the 100
		t.Fatal(err)
	}
	res, err := http.ReadResponse(reader, nil)
	if err == nil && res.StatusCode == http.StatusContinue { // the upstream's
		res, err = http.ReadResponse(reader, nil)
	}
	if err != nil || res.StatusCode != 201 {
		t.Errorf("%v %v", res, err)
	}
}

// A client that sends slowly is cut off where it may be.
func TestSlowBodies(t *testing.T) {
	g := pets(t, "body_timeout 150ms\nreport_only putPet", echo)
	slow := func(method, target string, pause time.Duration) (*http.Response, error) {
		conn := g.dial()
		fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 14\r\n\r\n{\"name\"", method, target)
		time.Sleep(pause)
		io.WriteString(conn, `:"Rex"}`)
		return http.ReadResponse(bufio.NewReader(conn), nil)
	}
	if res, err := slow("POST", "/pets", 20*time.Second/20); err != nil || res.StatusCode != 408 {
		t.Errorf("a slow body: %v %v", res, err)
	}
	if res, err := slow("PUT", "/pets/1", 400*time.Millisecond); err != nil || res.StatusCode != 201 {
		t.Errorf("a slow body that is only reported: %v %v", res, err)
	}
	// what is in time has no deadline afterwards
	upstream := make(chan struct{})
	slowUpstream := pets2(t, g, func(w http.ResponseWriter, r *http.Request) { <-upstream; echo(w, r) })
	time.AfterFunc(400*time.Millisecond, func() { close(upstream) })
	if a := slowUpstream.json("POST", "/pets", `{"name":"Rex"}`); a.StatusCode != 201 {
		t.Errorf("a slow upstream: %d %s", a.StatusCode, a.text)
	}
}

// pets2 goes over to another upstream.
func pets2(t *testing.T, g *gateway, upstream http.HandlerFunc) *gateway {
	t.Helper()
	if err := g.load(contractOf(fileWith(t, petsDocument), "body_timeout 150ms") + "reverse_proxy " + backend(t, upstream)); err != nil {
		t.Fatal(err)
	}
	return g
}

// A body that breaks off reaches nobody, and nothing is learnt from it.
func TestBrokenBodies(t *testing.T) {
	g := pets(t, "", echo)
	conn := g.dial()
	fmt.Fprint(conn, "POST /pets HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n")
	if res, err := http.ReadResponse(bufio.NewReader(conn), nil); err != nil || res.StatusCode != 400 {
		t.Errorf("malformed chunks: %v %v", res, err)
	}
	wantMetric(t, 1, "gateway_contract_requests_total", "operation", "addPet", "result", "invalid")
}

// A client that leaves while it sends has not broken anything, however the operation is treated.
func TestClientsThatLeaveWhileTheySend(t *testing.T) {
	g := pets(t, "report_only putPet", echo)
	for _, line := range []string{"POST /pets", "PUT /pets/1"} {
		conn := g.dial()
		fmt.Fprint(conn, line+" HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{")
		conn.Close()
	}
	wantMetric(t, 1, "gateway_contract_requests_total", "operation", "addPet", "result", "skipped")
	wantMetric(t, 1, "gateway_contract_requests_total", "operation", "putPet", "result", "skipped")
	if !within(func() bool { return len(g.log.lines("handled request", `"status":499`)) == 2 }) {
		t.Errorf("%s", g.log)
	}
	if n, _ := metric(t, "gateway_contract_violations_total"); n != 0 {
		t.Errorf("%v violations", n)
	}
}

// When an upstream breaks off and the proxy tries again, the body is sent again or not at all: never as an empty one.
func TestBodiesOfRetries(t *testing.T) {
	for options, want := range map[string]int{"": 502, "request_buffers 1KiB": 201} {
		t.Run(options, func(t *testing.T) {
			var attempts atomic.Int64
			upstream := backend(t, func(w http.ResponseWriter, r *http.Request) {
				text, err := io.ReadAll(r.Body)
				if err == nil && string(text) != rex {
					t.Errorf("the upstream got %q", text)
				}
				if attempts.Add(1) == 1 {
					panic(http.ErrAbortHandler)
				}
				w.WriteHeader(201)
			})
			g := serve(t, contractOf(fileWith(t, petsDocument), "")+
				"reverse_proxy "+upstream+" {\nlb_retries 1\nlb_retry_match {\nmethod POST\n}\n"+options+"\n}")
			a := g.do("POST", "/pets", io.MultiReader(strings.NewReader(rex)), "Content-Type: application/json") // chunked
			if a.StatusCode != want {
				t.Errorf("%d %s", a.StatusCode, a.text)
			}
		})
	}
}

// A limit on all bodies, set outside, is one here too.
func TestBodiesOverALimitOutside(t *testing.T) {
	g := serve(t, "request_body {\n max_size 10B\n}\n"+contractOf(fileWith(t, petsDocument), "report_only putPet")+"reverse_proxy "+backend(t, echo))
	for method, target := range map[string]string{"POST": "/pets", "PUT": "/pets/1"} {
		if a := g.json(method, target, rex); a.StatusCode != 413 {
			t.Errorf("%s %s: %d %s", method, target, a.StatusCode, a.text)
		}
	}
}
