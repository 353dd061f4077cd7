package exchange

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// An error is answered at once, also to a client that waits to be asked for its body, and the connection is only closed
// if it was not asked.
func TestErrorsForClientsThatWaitToBeAsked(t *testing.T) {
	refuse := func(http.ResponseWriter, *http.Request) error { return caddyhttp.Error(503, errTest) }
	readFirst := func(_ http.ResponseWriter, r *http.Request) error {
		_, _ = io.ReadAll(r.Body)
		return caddyhttp.Error(422, errTest)
	}
	for _, tt := range []struct {
		name    string
		expect  string
		handler caddyhttp.HandlerFunc
		first   int  // status of the first answer
		close   bool // the last one says that the connection is closed
	}{
		{"refused", "Expect: 100-Continue\r\n", refuse, 503, true},
		{"read and refused", "Expect: 100-continue\r\n", readFirst, 100, false},
		{"refused without waiting", "", refuse, 503, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				r.Body = struct{ io.ReadCloser }{r.Body} // as Caddy does where it logs
				r = prepare(r, w, new(caddyhttp.Server))
				if err := From(r).Serve(w, r, tt.handler); err != nil {
					t.Error(err)
				}
			}))
			defer server.Close()
			conn, err := net.Dial("tcp", server.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(30 * time.Second))
			io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n"+tt.expect+"\r\n")
			if tt.expect == "" {
				io.WriteString(conn, "{}")
			}
			reader := bufio.NewReader(conn)
			res, err := http.ReadResponse(reader, nil)
			if err != nil || res.StatusCode != tt.first {
				t.Fatalf("%v %v", res, err)
			}
			if res.StatusCode == http.StatusContinue {
				io.WriteString(conn, "{}")
				if res, err = http.ReadResponse(reader, nil); err != nil {
					t.Fatal(err)
				}
			}
			if res.Close != tt.close {
				t.Errorf("%v", res)
			}
		})
	}
}
