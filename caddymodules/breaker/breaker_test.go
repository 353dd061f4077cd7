package breaker

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirproxy/weir/internal/adapttest"
	"github.com/weirproxy/weir/internal/freeport"
)

func TestCaddyfile(t *testing.T) { adapttest.Run(t, "testdata") }

func TestDocumentation(t *testing.T) { adapttest.Page(t, "../../docs/modules/breaker.md") }

// The document's rule: three failures in a row open it, and after 120 s it is half-open.
const threeInARow = "consecutive 3\nfailure_ratio off\nopen_for 120s 120s\nprobes 1\n"

func TestThreeFailuresInARowOpenIt(t *testing.T) {
	listen := freeport.Address(t)
	up := backend(t, func(w http.ResponseWriter, r *http.Request) {
		code, _ := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/"))
		w.WriteHeader(code)
	})
	serve(t, site(listen, threeInARow, "reverse_proxy "+up))
	for _, code := range []int{500, 503, 404, 502, 504} { // the 404 is an answer
		wantReply(t, get(t, fmt.Sprintf("http://%s/%d", listen, code)), code, "")
	}
	wantState(t, "closed")
	get(t, "http://"+listen+"/500")
	wantState(t, "open")
	got := get(t, "http://"+listen+"/200")
	wantReply(t, got, 503, `"type":"urn:weir:problem:breaker-open"`)
	if after, _ := strconv.Atoi(got.Header.Get("Retry-After")); after < 110 || after > 120 {
		t.Errorf("Retry-After is %q, want what is left of 120 s", got.Header.Get("Retry-After"))
	}
	if media := got.Header.Get("Content-Type"); media != "application/problem+json" {
		t.Errorf("Content-Type is %s", media)
	}
	wantCalls(t, 1, 5, 0)
}

func TestItClosesAfterProbes(t *testing.T) {
	listen := freeport.Address(t)
	takeEvents()
	var code atomic.Int32
	code.Store(500)
	up := backend(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(int(code.Load())) })
	serve(t, site(listen, "consecutive 2\nopen_for 100ms 200ms\nprobes 1\nrecover_over off", "reverse_proxy "+up))
	open(t, "http://"+listen)
	code.Store(200)
	if !eventually(func() bool { return get(t, "http://"+listen).StatusCode == 200 }) {
		t.Fatal("it does not close")
	}
	wantState(t, "closed")
	var seen []string
	if !eventually(func() bool { seen = append(seen, takeEvents()...); return len(seen) >= 2 }) {
		t.Fatalf("events are %v, want one that it opened and one that it closed", seen)
	}
	if !strings.HasPrefix(seen[0], "breaker_opened test consecutive 0.") || !strings.HasPrefix(seen[1], "breaker_closed test probes_succeeded") {
		t.Errorf("events are %q", seen)
	}
}

// A back end that is reached, begins answers and breaks them off is not well yet.
func TestProbesThatBreakOffDoNotCloseIt(t *testing.T) {
	listen := freeport.Address(t)
	up := backend(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		w.Write([]byte("begun"))
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	serve(t, site(listen, "consecutive 2\nopen_for 50ms 50ms\nprobes 1\nrecover_over off", "reverse_proxy "+up))
	open(t, "http://"+listen)
	wantState(t, "half_open")
	get(t, "http://"+listen)
	wantCalls(t, 0, 3, 0)
	if s := view(t).snapshot(); s.Opened != 2 {
		t.Errorf("it opened %d times and is %s (%s), want 2 times", s.Opened, s.State, s.Why)
	}
}

// Refused connections and resets are failures.
func TestErrorsOfTheProxyAreFailures(t *testing.T) {
	for name, up := range map[string]string{
		"refused": freeport.Address(t),
		"reset": backend(t, func(w http.ResponseWriter, _ *http.Request) {
			conn, _, _ := http.NewResponseController(w).Hijack()
			conn.Close()
		}),
	} {
		t.Run(name, func(t *testing.T) {
			listen := freeport.Address(t)
			serve(t, site(listen, quick, "reverse_proxy "+up))
			for range 2 {
				wantReply(t, get(t, "http://"+listen), 502, "The upstream did not give a valid answer.")
			}
			wantState(t, "open")
			wantCalls(t, 0, 2, 0)
		})
	}
}

// An answer that breaks off is a failure, and the client sees that it broke off.
func TestBrokenOffAnswersAreFailures(t *testing.T) {
	listen := freeport.Address(t)
	up := backend(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		w.Write([]byte("begun"))
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	serve(t, site(listen, quick, "reverse_proxy "+up))
	for range 2 {
		if got := get(t, "http://"+listen); got.StatusCode != 200 || !strings.HasPrefix(got.text, "broken") {
			t.Errorf("got %d %q, want an answer that breaks off", got.StatusCode, got.text)
		}
	}
	wantState(t, "open")
	wantCalls(t, 0, 2, 0)
}

// What a stalled upstream has not answered in slow_call opens the breaker, before any
// timeout.
func TestStallOpensIt(t *testing.T) {
	listen := freeport.Address(t)
	release := make(chan struct{})
	up := backend(t, func(http.ResponseWriter, *http.Request) { <-release })
	serve(t, site(listen, "min_calls 5\nslow_call 200ms 80%\nopen_for 30s\n", "reverse_proxy "+up))
	for range 6 {
		go canceledGet("http://"+listen, time.Minute)
	}
	wantState(t, "open")
	if s := view(t).snapshot(); s.Calls.Success+s.Calls.Failure+s.Calls.Neutral != 0 || s.InFlight < 5 {
		t.Errorf("it opened with %d calls in flight after %+v, want it to open before any is over", s.InFlight, s.Calls)
	}
	close(release)
}

func TestConcurrencyIsLimited(t *testing.T) {
	listen := freeport.Address(t)
	release := make(chan struct{})
	up := backend(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/stay" {
			<-release
		}
	})
	serve(t, site(listen, "max_concurrent 1", "reverse_proxy "+up))
	done := make(chan struct{})
	go func() {
		defer close(done)
		canceledGet("http://"+listen+"/stay", 10*time.Second)
	}()
	if !eventually(func() bool { return view(t).snapshot().InFlight == 1 }) {
		t.Fatal("no call is in flight")
	}
	got := get(t, "http://"+listen)
	wantReply(t, got, 503, "too-many-concurrent-requests")
	if got.Header.Get("Retry-After") != "1" {
		t.Errorf("Retry-After is %q, want 1", got.Header.Get("Retry-After"))
	}
	close(release)
	<-done
	wantCalls(t, 1, 0, 0)
	wantReply(t, get(t, "http://"+listen), 200, "")
	if n := view(t).snapshot().Refused["max_concurrent"]; n != 1 {
		t.Errorf("%d are counted as refused, want 1", n)
	}
}

func TestRetryAfterLengthensTheOpenTime(t *testing.T) {
	listen := freeport.Address(t)
	up := backend(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "60")
		w.WriteHeader(503)
	})
	serve(t, site(listen, "consecutive 2\nopen_for 1s 5m", "reverse_proxy "+up))
	open(t, "http://"+listen)
	if left := view(t).snapshot().OpenFor; left < 50 || left > 60 {
		t.Errorf("it is open for %v s, want 60 as the upstream asks", left)
	}
}

func TestDryRunRefusesNothing(t *testing.T) {
	listen := freeport.Address(t)
	serve(t, site(listen, quick+"dry_run\nfallback {\n respond fallback\n}", "reverse_proxy "+backend(t, status(500))))
	for range 5 {
		wantReply(t, get(t, "http://"+listen), 500, "")
	}
	s := view(t).snapshot()
	if s.State != "open" || s.WouldRefuse["open"] != 3 || s.Refused["open"] != 0 || s.Fallbacks.Refused != 0 {
		t.Errorf("state %s, would refuse %v, refused %v; want open and 3 that would be refused", s.State, s.WouldRefuse, s.Refused)
	}
}

// What is not enforced leaves answers alone, and sends no request twice.
func TestOnlyWhatIsEnforcedReplacesFailures(t *testing.T) {
	listen := freeport.Address(t)
	serve(t, site(listen, "consecutive 100\ndry_run\nfallback {\n respond fallback\n}\nfallback_on_failure", "reverse_proxy "+backend(t, status(500))))
	for _, c := range []struct {
		command string
		status  int
	}{
		{`{"state":"auto"}`, 500},
		{`{"dry_run":false}`, 200},
		{`{"state":"disabled"}`, 500},
		{`{"state":"closed"}`, 200},
		{`{"dry_run":true}`, 500},
	} {
		control(t, c.command)
		wantReply(t, get(t, "http://"+listen), c.status, "")
	}
	if n := view(t).snapshot().Fallbacks.Failure; n != 2 {
		t.Errorf("%d fallbacks are counted, want 2", n)
	}
}

// An operator can try a running breaker out.
func TestDryRunByAnOperator(t *testing.T) {
	listen := freeport.Address(t)
	serve(t, site(listen, quick, "reverse_proxy "+backend(t, status(500))))
	open(t, "http://"+listen)
	control(t, `{"dry_run":true}`)
	wantReply(t, get(t, "http://"+listen), 500, "")
	control(t, `{"dry_run":false}`)
	wantReply(t, get(t, "http://"+listen), 503, "breaker-open")
}

func TestSnapshotIsJSON(t *testing.T) {
	listen := freeport.Address(t)
	serve(t, site(listen, quick, "respond ok"))
	get(t, "http://"+listen)
	encoded, err := json.Marshal(view(t).Snapshot())
	if err != nil {
		t.Fatal(err)
	}
	var shown map[string]any
	if err := json.Unmarshal(encoded, &shown); err != nil {
		t.Fatal(err)
	}
	for _, field := range []string{"name", "state", "calls", "window", "settings", "refused", "fallbacks"} {
		if shown[field] == nil {
			t.Errorf("%s is missing in %s", field, encoded)
		}
	}
	if shown["decision"] != nil {
		t.Errorf("there is a decision in %s", encoded)
	}
}
