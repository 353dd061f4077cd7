package exchange

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// begun is an exchange that writes to rw the answer to a request with method.
func begun(rw http.ResponseWriter, method string) *Exchange {
	x := new(Exchange)
	x.Wrap(rw, httptest.NewRequest(method, "/", nil), x)
	return x
}

func TestWriteHeader(t *testing.T) {
	tests := []struct {
		name     string
		method   string
		header   string
		statuses []int
		want     int
		stream   bool
	}{
		{"plain", "GET", "text/html", []int{404}, 404, false},
		{"the first one counts", "GET", "", []int{201, 500}, 201, false},
		{"informational", "GET", "", []int{100, 103, 200}, 200, false},
		{"informational only", "GET", "", []int{103}, 0, false},
		{"upgrade", "GET", "", []int{101}, 101, true},
		{"events", "GET", "text/event-stream; charset=utf-8", []int{200}, 200, true},
		{"early hints before events", "GET", "text/event-stream", []int{103, 200}, 200, true},
		{"tunnel", "CONNECT", "", []int{200}, 200, true},
		{"refused tunnel", "CONNECT", "", []int{403}, 403, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rec := httptest.NewRecorder()
			w := begun(rec, tt.method)
			w.Header().Set("Content-Type", tt.header)
			for _, status := range tt.statuses {
				w.WriteHeader(status)
			}
			if w.Writer.Status() != tt.want || (w.streamedAt == nil) == tt.stream {
				t.Errorf("status %d, streamed at %v", w.status, w.streamedAt)
			}
		})
	}
}

func TestWriteCountsAndImpliesOK(t *testing.T) {
	rec := httptest.NewRecorder()
	w := begun(rec, "GET")
	_, _ = io.WriteString(w, "hello, ")
	if n, err := w.ReadFrom(strings.NewReader("world")); n != 5 || err != nil {
		t.Errorf("read from %d, %v", n, err)
	}
	if w.status != 200 || w.size != 12 || rec.Body.String() != "hello, world" {
		t.Errorf("status %d, size %d, body %q", w.status, w.size, rec.Body)
	}
}

// failing is a response writer whose client is in a certain state.
type failing struct {
	http.ResponseWriter
	err error
}

func (f failing) Write([]byte) (int, error) { return 0, f.err }

func TestWriteErrors(t *testing.T) {
	for err, gone := range map[error]bool{
		io.ErrClosedPipe:       true,
		http.ErrBodyNotAllowed: false,
		http.ErrContentLength:  false,
		http.ErrHijacked:       false,
	} {
		w := begun(failing{httptest.NewRecorder(), err}, "GET")
		if _, got := w.Write([]byte("x")); !errors.Is(got, err) || w.unsent != gone {
			t.Errorf("%v: got %v, unsent %v", err, got, w.unsent)
		}
	}
	w := begun(httptest.NewRecorder(), "GET")
	if _, err := w.ReadFrom(io.MultiReader(strings.NewReader("x"), errReader{})); err == nil || w.unsent || !w.copyFailed || w.size != 1 {
		t.Errorf("%v, unsent %v, copy failed %v, size %d", err, w.unsent, w.copyFailed, w.size)
	}
}

type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// readerFrom notes that it is used, as sendfile would be.
type readerFrom struct {
	*httptest.ResponseRecorder
	used int
}

func (f *readerFrom) ReadFrom(r io.Reader) (int64, error) {
	f.used++
	return io.Copy(f.ResponseRecorder, r)
}

func TestReadFromPassesOn(t *testing.T) {
	below := &readerFrom{ResponseRecorder: httptest.NewRecorder()}
	w := begun(below, "GET")
	if n, err := io.Copy(w, io.LimitReader(strings.NewReader("hello"), 5)); n != 5 || err != nil || below.used != 1 || w.size != 5 {
		t.Errorf("%d, %v, used %d times, size %d", n, err, below.used, w.size)
	}
}

func TestFlush(t *testing.T) {
	rec := httptest.NewRecorder()
	w := begun(rec, "GET")
	if err := http.NewResponseController(w).Flush(); err != nil || !rec.Flushed || w.status != 200 {
		t.Errorf("%v, flushed %v, status %d", err, rec.Flushed, w.status)
	}
	w = begun(failing{}, "GET")
	w.status = 200
	if err := http.NewResponseController(w).Flush(); !errors.Is(err, http.ErrNotSupported) {
		t.Errorf("a writer that cannot flush: %v", err)
	}
}

// Handlers that ask for http.Flusher find it, as they do without weir.
func TestFlusher(t *testing.T) {
	rec := httptest.NewRecorder()
	w := begun(rec, "GET")
	flusher, ok := http.ResponseWriter(w).(http.Flusher)
	if !ok {
		t.Fatal("no flusher")
	}
	if flusher.Flush(); !rec.Flushed || w.status != 200 {
		t.Errorf("flushed %v, status %d", rec.Flushed, w.status)
	}
}

func TestPinnedHeader(t *testing.T) {
	tests := []struct {
		name     string
		add      bool
		statuses []int
		want     int // values after that
	}{
		{"as it was set", false, []int{200}, 1},
		{"an upstream sends it too", true, []int{200}, 1},
		{"upgrade", true, []int{101}, 1},
		{"early hints are not the answer", true, []int{103}, 2},
		{"early hints before the answer", true, []int{103, 404}, 1},
		{"nothing is written", true, nil, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rec := httptest.NewRecorder()
			w := new(Exchange)
			w.PinHeader(rec.Header(), "X-Trace-Id", "ours")
			w.Wrap(rec, httptest.NewRequest("GET", "/", nil), w)
			if tt.add {
				w.Header().Add("X-Trace-Id", "theirs")
			}
			for _, status := range tt.statuses {
				w.WriteHeader(status)
			}
			if values := w.Header()["X-Trace-Id"]; len(values) != tt.want || values[0] != "ours" {
				t.Errorf("got %q, want %d", values, tt.want)
			}
		})
	}
	t.Run("deleted, and the answer begins with its body", func(t *testing.T) {
		rec := httptest.NewRecorder()
		w := begun(rec, "GET")
		w.PinHeader(w.Header(), "X-Trace-Id", "ours")
		w.Header().Del("X-Trace-Id")
		_, _ = io.WriteString(w, "hello")
		if got := rec.Result().Header["X-Trace-Id"]; len(got) != 1 || got[0] != "ours" {
			t.Errorf("got %q", got)
		}
	})
}

// HTTP/2 refuses a byte too many with an error of its own.
func TestWritingMoreThanDeclared(t *testing.T) {
	for _, h2 := range []bool{false, true} {
		statuses := make(chan int, 1)
		ts := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			r = newRequest(rw).WithContext(r.Context())
			x := new(Exchange)
			var o recording
			x.Observe(&o)
			_ = x.Serve(rw, r, caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
				w.Header().Set("Content-Length", "3")
				_, _ = io.WriteString(w, "abc")
				_ = http.NewResponseController(w).Flush() // HTTP/2 looks at the length when it sends the headers
				if _, err := io.WriteString(w, "def"); err == nil {
					t.Error("the server takes more than was declared")
				}
				return nil
			}))
			statuses <- o.status
		}))
		ts.EnableHTTP2 = h2
		ts.StartTLS()
		if response, err := ts.Client().Get(ts.URL); err != nil {
			t.Error(err)
		} else {
			if response.ProtoMajor == 2 != h2 {
				t.Errorf("protocol %s", response.Proto)
			}
			response.Body.Close()
		}
		if status := <-statuses; status != 200 {
			t.Errorf("HTTP/2 %v: status %d", h2, status)
		}
		ts.Close()
	}
}

func TestPush(t *testing.T) {
	w := begun(httptest.NewRecorder(), "GET")
	if err := w.Push("/x", nil); !errors.Is(err, http.ErrNotSupported) {
		t.Error(err)
	}
	w = begun(pusher{}, "GET")
	if err := w.Push("/x", nil); err != nil {
		t.Error(err)
	}
}

type pusher struct{ http.ResponseWriter }

func (pusher) Push(string, *http.PushOptions) error { return nil }

type hijacker struct {
	http.ResponseWriter
	err error
}

func (h hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) { return nil, nil, h.err }

func TestHijack(t *testing.T) {
	w := begun(hijacker{httptest.NewRecorder(), nil}, "GET")
	if _, _, err := http.NewResponseController(w).Hijack(); err != nil || w.status != 101 || w.streamedAt == nil {
		t.Errorf("%v, status %d", err, w.status)
	}
	if err := w.FlushError(); err == nil || w.status != 101 {
		t.Errorf("a flush after hijacking: %v, status %d", err, w.status)
	}
	w = begun(hijacker{httptest.NewRecorder(), nil}, "GET")
	w.WriteHeader(200)
	if _, _, err := http.NewResponseController(w).Hijack(); err != nil || w.status != 200 || w.streamedAt == nil {
		t.Errorf("after a status: %v, status %d, streamed at %v", err, w.status, w.streamedAt)
	}
	w = begun(hijacker{err: io.EOF}, "GET")
	if _, _, err := http.NewResponseController(w).Hijack(); !errors.Is(err, io.EOF) || w.status != 0 {
		t.Errorf("%v, status %d", err, w.status)
	}
}
