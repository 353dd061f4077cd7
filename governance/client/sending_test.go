package client

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// slowBody is a body of three bytes, a minute each.
type slowBody struct{ left int }

func (b *slowBody) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, io.EOF
	}
	b.left--
	time.Sleep(time.Minute)
	return copy(p, "x"), nil
}

// As long as the caller is still sending, it is not the endpoint that is slow.
func TestSlowUploadsDoNotOpenTheBreaker(t *testing.T) {
	for name, send := range map[string]func(body io.ReadCloser){
		"reads to the end": func(body io.ReadCloser) { io.Copy(io.Discard, body) },
		"closes it":        func(body io.ReadCloser) { body.Read(make([]byte, 1)); body.Close() },
	} {
		synctest.Test(t, func(t *testing.T) {
			settings := guarded()
			settings.Breaker.SlowCall, settings.Breaker.SlowRatio = time.Second, 0.8
			stall := time.Duration(0)
			transport := newTransport(t, Settings{
				Endpoints: Static("a:1"), Balance: settings, Logger: slog.New(slog.DiscardHandler),
				Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
					send(r.Body)
					time.Sleep(stall)
					return answer(r, 200), nil
				}),
			})
			post := func() {
				for range 3 {
					res, err := (&http.Client{Transport: transport}).Post("http://orders/", "text/plain", &slowBody{left: 3})
					if err != nil {
						t.Fatal(err)
					}
					res.Body.Close()
				}
			}
			post()
			if u := upstream(t, transport); u.State != "in" || u.Breaker.Calls.Slow != 0 {
				t.Errorf("%s: after slow uploads the endpoint is %s with %+v", name, u.State, u.Breaker.Calls)
			}
			stall = 2 * time.Second
			post()
			if n := upstream(t, transport).Breaker.Calls.Slow; n != 3 {
				t.Errorf("%s: of three requests that stall once they are sent, %d are slow", name, n)
			}
		})
	}
}

// What a dry run would have skipped is logged, and not too often.
func TestDryRunIsLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		settings := guarded()
		settings.Breaker.DryRun = true
		settings.Breaker.OpenFor = time.Minute
		s := &service{statuses: map[string]int{"a:1": 500, "b:1": 200}, header: http.Header{}}
		transport := newTransport(t, Settings{
			Endpoints: Static("a:1", "b:1"), Balance: settings, Transport: s,
			Logger: slog.New(slog.NewTextHandler(&log, nil)),
		})
		s.during(t, transport, 15*time.Second)
		if n := strings.Count(log.String(), "dry run"); n != 2 || !strings.Contains(log.String(), "endpoint=a:1") {
			t.Errorf("in 15 s the log has %d entries, want 2: %s", n, &log)
		}
		if s.got["a:1"] == 0 {
			t.Error("nothing went to the endpoint that was to be skipped")
		}
	})
}
