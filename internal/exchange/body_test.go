package exchange

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// A transport closes the body when the upstream fails, and may still read it then in another
// goroutine. HTTP/2 has an error of its own for that. A client that breaks off is at fault.
func TestWhoseFaultABodyIs(t *testing.T) {
	for _, h2 := range []bool{false, true} {
		for _, leaves := range []bool{false, true} {
			failed := make(chan bool, 1)
			ts := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body := &Body{ReadCloser: r.Body}
				if _, err := io.ReadFull(body, make([]byte, 4)); err != nil {
					t.Error(err)
				}
				if !leaves {
					body.Close()
				}
				if n, err := io.Copy(io.Discard, body); err == nil {
					t.Errorf("%d bytes more, and no error", n)
				}
				failed <- body.Failed()
			}))
			ts.EnableHTTP2 = h2
			ts.StartTLS()
			body, more := io.Pipe()
			go func() {
				_, _ = io.WriteString(more, "part")
				if leaves {
					more.CloseWithError(io.ErrUnexpectedEOF)
				} else {
					more.Close() // HTTP/1 waits for the rest of what is closed
				}
			}()
			response, err := ts.Client().Post(ts.URL, "text/plain", body)
			if err == nil {
				response.Body.Close()
			}
			if got := <-failed; got != leaves {
				t.Errorf("HTTP/2 %v, the client leaves %v: failed %v", h2, leaves, got)
			}
			ts.Close()
		}
	}
}

func TestBodyThatEnds(t *testing.T) {
	body := &Body{ReadCloser: io.NopCloser(strings.NewReader("abc"))}
	if text, err := io.ReadAll(body); string(text) != "abc" || err != nil || body.Failed() {
		t.Errorf("%q, %v, failed %v", text, err, body.Failed())
	}
}
