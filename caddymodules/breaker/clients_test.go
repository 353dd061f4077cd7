package breaker

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirproxy/weir/governance/circuit"
	"github.com/weirproxy/weir/internal/freeport"
)

func TestClientsThatLeaveAreNeutral(t *testing.T) {
	listen := freeport.Address(t)
	release := make(chan struct{})
	arrived := make(chan struct{}, 10)
	up := backend(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/begun" {
			fmt.Fprint(w, strings.Repeat("x", 1<<16))
			http.NewResponseController(w).Flush()
		}
		arrived <- struct{}{}
		<-release
	})
	t.Cleanup(func() { close(release) })
	serve(t, site(listen, quick, "reverse_proxy "+up))
	for _, path := range []string{"/", "/begun"} {
		leave("http://"+listen+path, arrived)
	}
	wantCalls(t, 0, 0, 2)
	wantState(t, "closed")
}

// Clients that do not wait for a stalled service have no answer of it, so that it is not
// taken for well.
func TestProbesThatClientsLeaveDoNotCloseIt(t *testing.T) {
	listen := freeport.Address(t)
	var stalls atomic.Bool
	arrived := make(chan struct{}, 10)
	up := backend(t, func(w http.ResponseWriter, r *http.Request) {
		if stalls.Load() {
			arrived <- struct{}{}
			<-r.Context().Done()
			return
		}
		w.WriteHeader(500)
	})
	serve(t, site(listen, "consecutive 2\nopen_for 50ms 50ms\nprobes 3\nrecover_over off", "reverse_proxy "+up))
	open(t, "http://"+listen)
	stalls.Store(true)
	wantState(t, "half_open")
	for range 3 {
		leave("http://"+listen, arrived)
	}
	wantCalls(t, 0, 2, 3)
	wantState(t, "half_open")
}

// Nor is it answered in time when a client leaves before it is slow.
func TestClientsThatLeaveDoNotHideAStall(t *testing.T) {
	listen := freeport.Address(t)
	arrived := make(chan struct{}, 10)
	up := backend(t, func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/early" {
			arrived <- struct{}{}
		}
		<-r.Context().Done()
	})
	serve(t, site(listen, "consecutive 3\nmin_calls 1000\nslow_call 300ms\nopen_for 30s", "reverse_proxy "+up))
	for n := range 3 {
		leave("http://"+listen+"/early", arrived)
		late := make(chan struct{})
		go func() {
			eventually(func() bool { s := view(t).snapshot(); return s.ConsecutiveSlow > n || s.State == "open" })
			close(late)
		}()
		leave("http://"+listen+"/late", late)
	}
	wantState(t, "open")
	if why := view(t).snapshot().Why; why != circuit.WhySlowInARow {
		t.Errorf("it opened for %s, want %s", why, circuit.WhySlowInARow)
	}
}

// A body that is shorter than it says, too long, or not sent in time is nothing against
// the upstream.
func TestBrokenBodiesAreNeutral(t *testing.T) {
	for name, c := range map[string]struct {
		inner string
		body  string
	}{
		"short":    {"", "POST / HTTP/1.1\r\nHost: %s\r\nContent-Length: 100\r\n\r\nabc"},
		"chunks":   {"", "POST / HTTP/1.1\r\nHost: %s\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n"},
		"too long": {"request_body {\n max_size 10\n}", "POST / HTTP/1.1\r\nHost: %s\r\nContent-Length: 20\r\n\r\n01234567890123456789"},
	} {
		for _, onFailure := range []string{"", "fallback {\n respond fallback\n}\nfallback_on_failure\n"} {
			t.Run(name+onFailure[:min(len(onFailure), 8)], func(t *testing.T) {
				listen := freeport.Address(t)
				serve(t, fmt.Sprintf("http://%s {\n route {\n breaker test {\n%s%s\n}\n%s\nreverse_proxy %s\n}\n}\n",
					listen, quick, onFailure, c.inner, backend(t, echo)))
				for range 3 {
					conn, err := net.Dial("tcp", listen)
					if err != nil {
						t.Fatal(err)
					}
					fmt.Fprintf(conn, c.body, listen)
					conn.(*net.TCPConn).CloseWrite()
					conn.SetReadDeadline(time.Now().Add(30 * time.Second))
					answered, _ := io.ReadAll(conn)
					conn.Close()
					if bytes.Contains(answered, []byte("fallback")) {
						t.Errorf("the fallback answered: %s", answered)
					}
				}
				wantCalls(t, 0, 0, 3)
				wantState(t, "closed")
			})
		}
	}
}

// Answers that take long to be read are not slow, but keep their place.
func TestAnswersThatAreReadSlowly(t *testing.T) {
	listen := freeport.Address(t)
	goOn := make(chan struct{})
	up := backend(t, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "one")
		http.NewResponseController(w).Flush()
		<-goOn
		fmt.Fprint(w, "two")
	})
	serve(t, site(listen, "min_calls 1\nslow_call 1s 1%\nmax_concurrent 1\n", "reverse_proxy "+up+" {\n flush_interval -1\n}"))
	res, err := client.Get("http://" + listen)
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(1100 * time.Millisecond) // for the mark to pass
	if s := view(t).snapshot(); s.State != "closed" || s.InFlight != 1 || s.Calls.Slow != 0 {
		t.Errorf("while the answer is read: state %s, %d in flight, %d slow; want closed, 1 and 0", s.State, s.InFlight, s.Calls.Slow)
	}
	wantReply(t, get(t, "http://"+listen), 503, "too-many-concurrent-requests")
	close(goOn)
	if body, err := io.ReadAll(res.Body); err != nil || string(body) != "onetwo" {
		t.Errorf("the answer is %q, %v", body, err)
	}
	res.Body.Close()
	wantCalls(t, 1, 0, 0)
}
