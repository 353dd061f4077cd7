package breaker

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirproxy/weir/internal/freeport"
)

const onFailure = "consecutive 100\nfallback {\n reverse_proxy %s\n}\nfallback_on_failure {\n max_body 10\n%s}\n"

// What failed is given to the fallback, with the request as it was.
func TestFallbackOnFailure(t *testing.T) {
	refused := freeport.Address(t)
	read := backend(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Header().Set("X-Failed", "yes")
		http.Error(w, "failed", http.StatusServiceUnavailable)
	})
	reset := backend(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		conn, _, _ := http.NewResponseController(w).Hijack()
		conn.Close()
	})
	const long = "longer than is kept"
	for name, c := range map[string]struct {
		up, method, body string
		options          string
		status           int
		text             string
	}{
		"GET, status":                   {read, "GET", "", "", 200, "GET /path  <nil>"},
		"GET, reset":                    {reset, "GET", "", "", 200, "GET /path  <nil>"},
		"GET, refused":                  {refused, "GET", "", "", 200, "GET /path  <nil>"},
		"PUT, status":                   {read, "PUT", "short", "", 200, "PUT /path short <nil>"},
		"PUT, long":                     {read, "PUT", long, "", 503, "failed"},
		"PUT, long, refused":            {refused, "PUT", long, "", 200, "PUT /path " + long},
		"PUT, reset":                    {reset, "PUT", "short", "", 200, "PUT /path short <nil>"},
		"POST, status":                  {read, "POST", "short", "", 503, "failed"},
		"POST, reset":                   {reset, "POST", "short", "", 502, "valid answer"},
		"POST, refused":                 {refused, "POST", "short", "", 200, "POST /path short <nil>"},
		"POST without body":             {read, "POST", "", "", 503, "failed"},
		"POST, asked for":               {read, "POST", "short", "non_idempotent\n", 200, "POST /path short <nil>"},
		"POST, asked for, reset":        {reset, "POST", "short", "non_idempotent\n", 200, "POST /path short <nil>"},
		"POST, asked for, long":         {read, "POST", long, "non_idempotent\n", 503, "failed"},
		"POST, asked for, nothing sent": {refused, "POST", long, "non_idempotent\n", 200, "POST /path " + long},
	} {
		t.Run(name, func(t *testing.T) {
			listen := freeport.Address(t)
			serve(t, fmt.Sprintf("http://%s {\n route {\n breaker test {\n"+onFailure+"\n}\n rewrite /rewritten\n request_header X-Inner yes\n reverse_proxy %s\n}\n}",
				listen, backend(t, func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("X-Inner", r.Header.Get("X-Inner"))
					echo(w, r)
				}), c.options, c.up))
			got := do(t, c.method, "http://"+listen+"/path", c.body)
			wantReply(t, got, c.status, c.text)
			fallback := uint64(0)
			if c.status == 200 {
				fallback = 1
				if got.Header.Get("X-Failed") != "" || got.Header.Get("X-Inner") != "" {
					t.Errorf("the fallback's answer has headers of what failed: %v", got.Header)
				}
			} else if c.status == 503 && got.Header.Get("X-Failed") != "yes" {
				t.Errorf("the failing answer lacks headers: %v", got.Header)
			}
			wantCalls(t, 0, 1, 0)
			if n := view(t).snapshot().Fallbacks.Failure; n != fallback {
				t.Errorf("%d fallbacks are counted, want %d", n, fallback)
			}
		})
	}
}

// The fallback does not wait for the end of a failing answer that does not come soon.
func TestFallbackDoesNotWaitForALongFailure(t *testing.T) {
	begin := func(w http.ResponseWriter) {
		w.WriteHeader(500)
		http.NewResponseController(w).Flush()
	}
	for name, fail := range map[string]http.HandlerFunc{
		"long": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(500)
			for err := error(nil); err == nil; {
				_, err = w.Write(make([]byte, 1<<15))
			}
		},
		"trickles": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			begin(w)
			for r.Context().Err() == nil {
				fmt.Fprint(w, "data: x\n\n")
				http.NewResponseController(w).Flush()
				time.Sleep(10 * time.Millisecond)
			}
		},
		"stays open": func(w http.ResponseWriter, r *http.Request) {
			begin(w)
			<-r.Context().Done()
		},
		"breaks off": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			begin(w)
			panic(http.ErrAbortHandler)
		},
	} {
		t.Run(name, func(t *testing.T) {
			listen := freeport.Address(t)
			ended := make(chan struct{})
			up := backend(t, func(w http.ResponseWriter, r *http.Request) {
				defer close(ended)
				fail(w, r)
			})
			serve(t, site(listen, "consecutive 100\nfallback {\n respond fallback\n}\nfallback_on_failure", "reverse_proxy "+up))
			began := time.Now()
			wantReply(t, get(t, "http://"+listen), 200, "fallback")
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("it took %v, want about %v", took, discardFor)
			}
			<-ended // the connection to the back end does not stay behind
			wantCalls(t, 0, 1, 0)
		})
	}
}

// A short failing answer is read to its end, and the connection is used again.
func TestShortFailuresKeepTheConnection(t *testing.T) {
	listen := freeport.Address(t)
	var mu sync.Mutex
	connections := make(map[string]bool)
	up := backend(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		connections[r.RemoteAddr] = true
		mu.Unlock()
		w.WriteHeader(500)
		http.NewResponseController(w).Flush()
		time.Sleep(discardFor / 20)
		fmt.Fprint(w, "failed")
	})
	serve(t, site(listen, "consecutive 100\nfallback {\n respond fallback\n}\nfallback_on_failure", "reverse_proxy "+up))
	for range 5 {
		wantReply(t, get(t, "http://"+listen), 200, "fallback")
	}
	mu.Lock()
	defer mu.Unlock()
	if len(connections) == 5 { // a machine that stops for discardFor may cost one
		t.Error("each of 5 requests took a connection of its own, want them to use one")
	}
}

// A client that is still sending when the failing answer begins: what comes is the
// fallback's, however much it is and however long the answer takes to end.
func TestFallbackGetsAllOfABodyThatIsBeingSent(t *testing.T) {
	const parts, part = 40, 500
	listen := freeport.Address(t)
	early, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer early.Close()
	go func() {
		conn, err := early.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		conn.Read(make([]byte, 4096)) // the head
		io.WriteString(conn, "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 4\r\n\r\n")
		time.AfterFunc(discardFor/2, func() { io.WriteString(conn, "oops") })
		io.Copy(io.Discard, conn)
	}()
	other := backend(t, func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		fmt.Fprintf(w, "%d bytes, %v", n, err)
	})
	serve(t, site(listen, "consecutive 100\nfallback {\n reverse_proxy "+other+"\n}\nfallback_on_failure {\n max_body 1KiB\n}",
		"reverse_proxy "+early.Addr().String()))
	body, sending := io.Pipe()
	go func() {
		defer sending.Close()
		for n := range parts {
			sending.Write(make([]byte, part))
			if n == 0 { // the others go past the limit before the failing answer ends
				eventually(func() bool { return view(t).snapshot().Calls.Failure == 1 })
			}
		}
	}()
	req, err := http.NewRequest(http.MethodPut, "http://"+listen, body)
	if err != nil {
		t.Fatal(err)
	}
	wantReply(t, send(t, req), 200, fmt.Sprintf("%d bytes, <nil>", parts*part))
}

// With no upstream to send it to, nothing has been sent.
func TestFallbackWithoutUpstreams(t *testing.T) {
	listen := freeport.Address(t)
	up := freeport.Address(t)
	serve(t, site(listen, "consecutive 100\nfallback {\n respond fallback\n}\nfallback_on_failure",
		"reverse_proxy "+up+" {\n fail_duration 1m\n}"))
	for range 3 { // the first is refused, then the upstream is down
		wantReply(t, do(t, "POST", "http://"+listen, "hello"), 200, "fallback")
	}
}

func TestFailingFallbackOnFailure(t *testing.T) {
	listen := freeport.Address(t)
	for fallback, c := range map[string]struct {
		status     int
		text       string
		retryAfter string
	}{
		"error 418":           {418, "teapot", ""},
		"header X-Fallback 1": {503, "unavailable", "17"}, // nobody answers: it stays as it was
	} {
		up := backend(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "17")
			w.WriteHeader(503)
		})
		log := filepath.Join(t.TempDir(), "log")
		mustLoadWith(t, t.TempDir(), "level DEBUG\noutput file "+log,
			site(listen, "consecutive 100\nfallback {\n"+fallback+"\n}\nfallback_on_failure", "reverse_proxy "+up))
		got := get(t, "http://"+listen)
		wantReply(t, got, c.status, "")
		if !strings.Contains(strings.ToLower(got.text), c.text) || got.Header.Get("Retry-After") != c.retryAfter {
			t.Errorf("got %q and Retry-After %q, want %q in it and %q", got.text, got.Header.Get("Retry-After"), c.text, c.retryAfter)
		}
		stop(t)
		logged, err := os.ReadFile(log)
		if err != nil || !bytes.Contains(logged, []byte(`"msg":"request that failed is given to the fallback","breaker":"test","status":503`)) {
			t.Errorf("what failed is not logged (%v)", err)
		}
		if got := bytes.Contains(logged, []byte(`"msg":"status 503 from behind the breaker, and no answer from its fallback"`)); got != (c.status == 503) {
			t.Errorf("it is logged that the fallback did not answer: %v", got)
		}
	}
}
