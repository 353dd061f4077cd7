package monitor

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

// start returns a server that listens on a free port.
func start(t *testing.T, registry *prometheus.Registry, ready func() Readiness) *Server {
	t.Helper()
	s := New(registry, ready, zap.NewNop())
	if err := s.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Error(err)
		}
	})
	return s
}

// get returns status and body of an answer. Connections are not kept: they would
// outlive their listener.
func get(t *testing.T, address, path string) (int, string) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 30 * time.Second}
	answer, err := client.Get("http://" + address + path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(body)
}

func TestMetricsShowTheRegistry(t *testing.T) {
	registry := NewRegistry()
	counter := prometheus.NewCounter(prometheus.CounterOpts{Name: "outbox_example_total", Help: "An example."})
	registry.MustRegister(counter)
	counter.Add(3)
	s := start(t, registry, func() Readiness { return Readiness{} })
	status, body := get(t, s.Address().String(), "/metrics")
	if status != http.StatusOK {
		t.Fatalf("/metrics answers %d", status)
	}
	for _, want := range []string{"outbox_example_total 3", "go_goroutines ", "process_resident_memory_bytes ", "go_build_info{"} {
		if !strings.Contains(body, "\n"+want) {
			t.Errorf("/metrics lacks %q", want)
		}
	}
}

func TestHealthAnswersWhateverIsReady(t *testing.T) {
	s := start(t, NewRegistry(), func() Readiness { return Readiness{} })
	if status, body := get(t, s.Address().String(), "/healthz"); status != http.StatusOK || body != "ok\n" {
		t.Errorf("/healthz answers %d %q", status, body)
	}
	if status, _ := get(t, s.Address().String(), "/elsewhere"); status != http.StatusNotFound {
		t.Errorf("/elsewhere answers %d, want 404", status)
	}
	answer, err := http.Post("http://"+s.Address().String()+"/healthz", "text/plain", nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST /healthz answers %d, want 405", answer.StatusCode)
	}
}

func TestReadinessFollowsTheRelays(t *testing.T) {
	var connected atomic.Bool
	s := start(t, NewRegistry(), func() Readiness {
		o := Outbox{Workers: 4, Error: "the schema has version 0"}
		if connected.Load() {
			o = Outbox{Connected: 4, Workers: 4, Outage: true, PausedSeconds: 1.5}
		}
		return Readiness{Ready: connected.Load(), Outboxes: map[string]Outbox{"orders": o}}
	})
	status, body := get(t, s.Address().String(), "/readyz")
	if want := `{"ready":false,"outboxes":{"orders":{"connected":0,"workers":4,"outage":false,"paused_seconds":0,"error":"the schema has version 0"}}}`; status != http.StatusServiceUnavailable || strings.TrimSpace(body) != want {
		t.Errorf("/readyz answers %d %s, want 503 %s", status, body, want)
	}
	connected.Store(true)
	status, body = get(t, s.Address().String(), "/readyz")
	var got Readiness
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatal(err)
	}
	if status != http.StatusOK || !got.Ready || got.Outboxes["orders"] != (Outbox{Connected: 4, Workers: 4, Outage: true, PausedSeconds: 1.5}) {
		t.Errorf("/readyz answers %d %s", status, body)
	}
}

func TestReadinessOfConsumers(t *testing.T) {
	s := start(t, NewRegistry(), func() Readiness {
		return Readiness{Ready: true, Consumers: map[string]Consumer{"billing": {Connected: true, PausedSeconds: 2}}}
	})
	status, body := get(t, s.Address().String(), "/readyz")
	if want := `{"ready":true,"consumers":{"billing":{"connected":true,"paused_seconds":2}}}`; status != http.StatusOK || strings.TrimSpace(body) != want {
		t.Errorf("/readyz answers %d %s, want 200 %s", status, body, want)
	}
}

func TestListenElsewhere(t *testing.T) {
	s := start(t, NewRegistry(), func() Readiness { return Readiness{} })
	first := s.Address().String()
	if err := s.Listen("localhost:0"); err != nil {
		t.Fatal(err)
	}
	second := s.Address().String()
	if second == first {
		t.Fatalf("it still listens on %s", first)
	}
	if status, _ := get(t, second, "/healthz"); status != http.StatusOK {
		t.Errorf("the new address answers %d", status)
	}
	if conn, err := net.Dial("tcp", first); err == nil {
		_ = conn.Close()
		t.Errorf("the old address %s still answers", first)
	}
}

// 127.0.0.1:9465 is in the way of :9465, though both are the worker's.
func TestListenOnMoreAddressesOfTheSamePort(t *testing.T) {
	s := start(t, NewRegistry(), func() Readiness { return Readiness{} })
	_, port, _ := net.SplitHostPort(s.Address().String())
	if err := s.Listen("127.0.0.1:" + port); err != nil {
		t.Fatal(err)
	}
	if err := s.Listen("0.0.0.0:" + port); err != nil {
		t.Fatal(err)
	}
	if status, _ := get(t, "127.0.0.1:"+port, "/healthz"); status != http.StatusOK {
		t.Errorf("it answers %d", status)
	}
	if err := s.Listen("192.0.2.1:" + port); err == nil {
		t.Fatal("it listens on an address that no machine has")
	}
	if status, _ := get(t, "127.0.0.1:"+port, "/healthz"); status != http.StatusOK {
		t.Errorf("after an address that cannot be had it answers %d", status)
	}
}

func TestListenRefusedGoesOnAsBefore(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	s := start(t, NewRegistry(), func() Readiness { return Readiness{} })
	before := s.Address().String()
	if err := s.Listen(taken.Addr().String()); err == nil {
		t.Fatal("it listens on a taken address")
	}
	if status, _ := get(t, before, "/healthz"); status != http.StatusOK {
		t.Errorf("the old address answers %d", status)
	}
}

func TestListenNowhere(t *testing.T) {
	s := start(t, NewRegistry(), func() Readiness { return Readiness{} })
	address := s.Address().String()
	if err := s.Listen(""); err != nil {
		t.Fatal(err)
	}
	if s.Address() != nil {
		t.Errorf("it listens on %s", s.Address())
	}
	if conn, err := net.Dial("tcp", address); err == nil {
		_ = conn.Close()
		t.Errorf("%s still answers", address)
	}
}

// A request that hangs must not keep the process from ending.
func TestShutdownBreaksOffWhatHangs(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	s := New(NewRegistry(), func() Readiness {
		close(entered)
		<-release
		return Readiness{}
	}, zap.NewNop())
	if err := s.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	address := s.Address().String()
	go func() {
		answer, err := http.Get("http://" + address + "/readyz")
		if err == nil {
			_ = answer.Body.Close()
		}
	}()
	<-entered
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	err := s.Shutdown(ctx)
	close(release)
	if err == nil {
		t.Error("Shutdown reports nothing, though a request was under way")
	}
}
