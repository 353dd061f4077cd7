package balance

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/weirproxy/weir/governance/balance"
	"github.com/weirproxy/weir/governance/circuit"
	"github.com/weirproxy/weir/internal/freeport"
)

// trickle is a body that takes its time.
type trickle struct{ left int }

func (b *trickle) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, io.EOF
	}
	b.left--
	time.Sleep(20 * time.Millisecond)
	return copy(p, "x"), nil
}

// Clients that upload slowly are no sign of a slow upstream; one that has all of a request
// and does not answer is.
func TestSlowUploadsDoNotOpenTheBreaker(t *testing.T) {
	listen := freeport.Address(t)
	up := backend(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		if r.URL.Path == "/stall" {
			<-r.Context().Done()
		}
	})
	serve(t, guardedSite(listen, up, "consecutive 2\nfailure_ratio off\nslow_call 100ms 50%\nmin_calls 2\nopen_for 1m", ""))
	for range 3 {
		res, err := client.Post("http://"+listen, "text/plain", &trickle{left: 20})
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
	}
	if u := upstreamOf(t, "test", up); u.State != "in" || u.Breaker.Calls.Slow != 0 || u.Breaker.Calls.Success != 3 {
		t.Errorf("after slow uploads it is %s with %+v", u.State, u.Breaker.Calls)
	}
	for range 2 {
		go func() {
			// over with the test: stopping waits for it
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+listen+"/stall", &trickle{left: 1})
			if err != nil {
				t.Error(err)
				return
			}
			if res, err := client.Do(req); err == nil {
				res.Body.Close()
			}
		}()
	}
	wantState(t, up, "open")
	client.CloseIdleConnections()
}

// However sending ends, it is the upstream's turn then.
func TestSendingEnds(t *testing.T) {
	for name, end := range map[string]func(*balance.RequestBody){
		"not at all": func(b *balance.RequestBody) { b.Read(make([]byte, 1)) },
		"at its end": func(b *balance.RequestBody) { io.Copy(io.Discard, b) },
		"closed":     func(b *balance.RequestBody) { b.Close() },
		"broken": func(b *balance.RequestBody) {
			b.ReadCloser = io.NopCloser(iotest.ErrReader(errors.New("broken")))
			b.Read(make([]byte, 1))
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			upstreams := reverseproxy.UpstreamPool{{Host: new(reverseproxy.Host), Dial: "a:80"}}
			p := guardedPolicy(upstreams, func(s *circuit.Settings) { s.SlowCall, s.SlowRatio = 8*time.Second, 1 })
			p.Select(upstreams, httptest.NewRequest(http.MethodGet, "/", nil), nil)
			attempt := p.balancer.Begin(p.live.Upstream("a:80"))
			body := attempt.RequestBody(io.NopCloser(&trickle{left: 5}), -1)
			attempt.Sending()
			end(body)
			time.Sleep(time.Minute)
			want := uint64(1)
			if name == "not at all" {
				want = 0
			}
			if got := p.balancer.Snapshot().Upstreams[0].Breaker.Calls.Slow; got != want {
				t.Errorf("%s: a minute later %d calls are slow, want %d", name, got, want)
			}
		})
	}
}
