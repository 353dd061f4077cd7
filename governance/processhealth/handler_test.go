package processhealth_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/governance/processhealth"
)

func Example() {
	settings := processhealth.DefaultSettings()
	settings.CPU = processhealth.Thresholds{Warning: 0.6, Danger: 0.8}
	monitor, err := processhealth.New(settings)
	if err != nil {
		panic(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	go monitor.Run(ctx)

	// on an address of its own, for who restarts the process and who sends it traffic
	handler := monitor.Handler()
	get := func(path string) {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		fmt.Print(w.Code, " ", w.Body)
	}
	get("/livez")
	get("/readyz")
	monitor.Drain(true) // at the beginning of the shutdown
	get("/readyz")

	// before work that can wait
	if monitor.Verdict().Level == processhealth.Danger {
		fmt.Println("later")
	}
	// Output:
	// 200 {"live":true}
	// 200 {"ready":true,"weight":1}
	// 503 {"ready":false,"reasons":["draining"],"weight":1}
}

func TestHandler(t *testing.T) {
	m := new(processhealth.Monitor)
	tests := []struct {
		method, path string
		status       int
	}{
		{"GET", "/livez", 200}, {"HEAD", "/livez", 200}, {"GET", "/readyz", 200}, {"GET", "/healthz", 200},
		{"POST", "/readyz", 405}, {"GET", "/", 404},
	}
	for _, tt := range tests {
		w := httptest.NewRecorder()
		m.Handler().ServeHTTP(w, httptest.NewRequest(tt.method, tt.path, nil))
		if w.Code != tt.status {
			t.Errorf("%s %s is answered with %d, want %d", tt.method, tt.path, w.Code, tt.status)
		}
		if tt.status == 200 && (w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("Content-Type") != "application/json") {
			t.Errorf("%s %s has the headers %v", tt.method, tt.path, w.Header())
		}
	}
}

// poll starts a monitor with checks and returns its report when all were polled.
func poll(t *testing.T, urls ...string) (*processhealth.Monitor, processhealth.Report) {
	t.Helper()
	settings := processhealth.DefaultSettings()
	for i, u := range urls {
		settings.Checks = append(settings.Checks, processhealth.Check{Name: fmt.Sprint(i), URL: u})
	}
	polled := make(chan string, len(urls))
	settings.OnCheck = func(name string, _ error) { polled <- name }
	m, err := processhealth.New(settings)
	if err != nil {
		t.Fatal(err)
	}
	m.Start()
	t.Cleanup(m.Stop)
	for range urls {
		select {
		case <-polled:
		case <-time.After(10 * time.Second):
			t.Fatal("a check is not polled")
		}
	}
	return m, m.Report()
}

func TestHTTPChecks(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/ok":
			w.WriteHeader(http.StatusNoContent)
		case "/redirect":
			http.Redirect(w, r, "/ok", http.StatusFound)
		default:
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
	defer server.Close()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	secret := "?token=s3cret"
	m, report := poll(t, server.URL+"/ok"+secret, server.URL+"/redirect"+secret, server.URL+"/broken"+secret,
		strings.Replace(gone.URL, "http://", "http://user:s3cret@", 1)+secret)
	for i, want := range []string{"", "the answer's status is 302", "the answer's status is 500", "connect: connection refused"} {
		got := report.Checks[i]
		if got.OK != (want == "") || !strings.HasSuffix(got.Error, want) {
			t.Errorf("check %d is %+v, want %q", i, got, want)
		}
	}
	if r := m.Readiness(); r.Ready || fmt.Sprint(r.Reasons) != "[check 1 check 2 check 3]" {
		t.Errorf("readiness is %+v", r)
	}
	// neither URL nor, in public, address
	all, err := json.Marshal(report)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(all), "s3cret") {
		t.Errorf("the report tells a secret: %s", all)
	}
	public, err := json.Marshal(report.Public())
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(public), "127.0.0.1") || !strings.Contains(string(all), "127.0.0.1") {
		t.Errorf("the public report is %s", public)
	}
}
