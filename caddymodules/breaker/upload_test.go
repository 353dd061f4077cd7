package breaker

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/weirproxy/weir/governance/circuit"
)

// upload is a body of which a part comes every time that it is read, after a while.
type upload struct {
	parts int
	every time.Duration
}

func (u *upload) Read(p []byte) (int, error) {
	time.Sleep(u.every)
	if u.parts == 0 {
		return 0, io.EOF
	}
	u.parts--
	return copy(p, "part"), nil
}

func (*upload) Close() error { return nil }

// Only what a service takes for itself is slow, not what a client takes to send a body.
func TestSlowUploads(t *testing.T) {
	const mark, stall = 2 * time.Second, 30 * time.Second
	readAll := func(_ http.ResponseWriter, r *http.Request) error {
		_, err := io.Copy(io.Discard, r.Body)
		return err
	}
	for name, c := range map[string]struct {
		method string
		every  time.Duration // of the body
		next   caddyhttp.HandlerFunc
		want   circuit.Calls
		state  circuit.State
	}{
		"slow clients": {http.MethodPost, time.Second, readAll, circuit.Calls{Success: 2}, circuit.Closed},
		"a stall": {http.MethodPost, 0, func(w http.ResponseWriter, r *http.Request) error {
			err := readAll(w, r)
			time.Sleep(stall)
			return err
		}, circuit.Calls{Success: 2, Slow: 2}, circuit.Open},
		"a stall after slow clients": {http.MethodPost, time.Second, func(w http.ResponseWriter, r *http.Request) error {
			err := readAll(w, r)
			time.Sleep(stall)
			return err
		}, circuit.Calls{Success: 2, Slow: 2}, circuit.Open},
		"a body that is closed": {http.MethodPost, time.Second, func(_ http.ResponseWriter, r *http.Request) error {
			_, _ = r.Body.Read(make([]byte, 1))
			err := r.Body.Close()
			time.Sleep(stall)
			return err
		}, circuit.Calls{Success: 2, Slow: 2}, circuit.Open},
		"a body that nobody reads": {http.MethodPost, time.Second, func(http.ResponseWriter, *http.Request) error {
			time.Sleep(stall)
			return nil
		}, circuit.Calls{Success: 2, Slow: 2}, circuit.Open},
		"a tunnel": {http.MethodConnect, time.Second, readAll, circuit.Calls{Success: 2, Slow: 2}, circuit.Open},
	} {
		for _, onFailure := range []*FallbackOnFailure{nil, {MaxBody: 1}, {MaxBody: 1000}} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					h := standalone(func(h *Handler) {
						consecutive := 2
						h.SlowCall, h.Consecutive = caddy.Duration(mark), &consecutive
						h.OpenFor = caddy.Duration(time.Minute)
						h.FallbackRaw, h.FallbackOnFailure = []byte("{}"), onFailure
					})
					for range 2 {
						w := httptest.NewRecorder()
						r := httptest.NewRequest(c.method, "http://test/", &upload{parts: 10, every: c.every})
						r = caddyhttp.PrepareRequest(r, caddy.NewReplacer(), w, new(caddyhttp.Server))
						if err := h.ServeHTTP(w, r, c.next); err != nil {
							t.Error(err)
						}
					}
					state, _ := h.breaker.State()
					if got := h.breaker.Snapshot(); got.Calls != c.want || state != c.state || got.InFlight != 0 {
						t.Errorf("it is %s with %+v, %d in flight; want %s with %+v", state, got.Calls, got.InFlight, c.state, c.want)
					}
				})
			})
		}
	}
}
