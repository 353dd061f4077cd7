package consul

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirproxy/weir/internal/freeport"
)

func TestServiceLeaseHealth(t *testing.T) {
	var connections, hits atomic.Int32
	mux := http.NewServeMux()
	for path, status := range map[string]int{"/200": 200, "/299": 299, "/302": 302, "/404": 404, "/500": 500} {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) {
			hits.Add(1)
			w.Header().Set("Location", "/200")
			w.WriteHeader(status)
		})
	}
	mux.HandleFunc("/hangs", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	server := httptest.NewUnstartedServer(mux)
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	server.Start()
	defer server.Close()

	for _, c := range []struct {
		path, want string
		timeout    time.Duration
	}{
		{"/200", "", 10 * time.Second},
		{"/299", "", 10 * time.Second},
		{"/302", "the status is 302", 10 * time.Second},
		{"/404", "the status is 404", 10 * time.Second},
		{"/500", "the status is 500", 10 * time.Second},
		{"/hangs", "no answer within 50ms", 50 * time.Millisecond},
	} {
		err := newHealthCheck(server.URL+c.path, time.Second, c.timeout).ask(t.Context())
		if got := errorText(err); got != c.want {
			t.Errorf("%s: %q, want %q", c.path, got, c.want)
		}
	}
	if got := hits.Load(); got != 5 {
		t.Errorf("%d requests arrived, want 5: a redirection is not followed", got)
	}

	connections.Store(0)
	check := newHealthCheck(server.URL+"/200", time.Second, 10*time.Second)
	for range 3 {
		if err := check.ask(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if got := connections.Load(); got != 3 {
		t.Errorf("3 questions took %d connections: one that is kept does not show that new ones are taken", got)
	}
	if check.client.Transport.(*http.Transport).Proxy != nil {
		t.Error("a proxy is asked in place of the service")
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// What the URL holds is nobody's business.
func TestServiceLeaseHealthErrorIsWithoutTheURL(t *testing.T) {
	err := newHealthCheck("http://user:hunter2@"+freeport.Address(t)+"/?key=hunter2", time.Second, 10*time.Second).ask(t.Context())
	if err == nil || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "refused") {
		t.Errorf("the error is %v", err)
	}
}
