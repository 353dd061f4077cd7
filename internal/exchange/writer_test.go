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
)

// begun is a writer over rw for a request with method.
func begun(rw http.ResponseWriter, method string) *writer {
	w := new(writer)
	w.begin(rw, httptest.NewRequest(method, "/", nil))
	return w
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
			if w.status != tt.want || w.wroteHeader() != (tt.want != 0) || w.streamedAt.IsZero() == tt.stream {
				t.Errorf("status %d, wrote %v, streamed at %v", w.status, w.wroteHeader(), w.streamedAt)
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
		if _, got := w.Write([]byte("x")); !errors.Is(got, err) || w.clientGone != gone {
			t.Errorf("%v: got %v, client gone %v", err, got, w.clientGone)
		}
	}
	w := begun(httptest.NewRecorder(), "GET")
	if _, err := w.ReadFrom(io.MultiReader(strings.NewReader("x"), errReader{})); err == nil || w.clientGone || !w.copyFailed || w.size != 1 {
		t.Errorf("%v, client gone %v, copy failed %v, size %d", err, w.clientGone, w.copyFailed, w.size)
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
	w := begun(hijacker{err: nil}, "GET")
	if _, _, err := http.NewResponseController(w).Hijack(); err != nil || !w.wroteHeader() || w.streamedAt.IsZero() {
		t.Errorf("%v, wrote %v", err, w.wroteHeader())
	}
	if err := w.FlushError(); err == nil || w.status != 0 {
		t.Errorf("a flush after hijacking: %v, status %d", err, w.status)
	}
	w = begun(hijacker{err: io.EOF}, "GET")
	if _, _, err := http.NewResponseController(w).Hijack(); !errors.Is(err, io.EOF) || w.wroteHeader() {
		t.Errorf("%v, wrote %v", err, w.wroteHeader())
	}
}
