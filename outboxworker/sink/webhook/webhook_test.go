package webhook

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirproxy/weir/outboxworker/sink"
)

func TestRequest(t *testing.T) {
	type got struct {
		method, uri, host string
		body              []byte
		length            int64
		header            http.Header
	}
	requests := make(chan got, 1)
	server := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		requests <- got{r.Method, r.RequestURI, r.Host, body, r.ContentLength, r.Header}
	})
	d := open(t, server.URL+"/hooks/{topic}?x=1", func(s *Settings) { s.Secrets = []string{vectorSecret} })
	for _, payload := range []string{"", "\x00\xff\r\n", string(make([]byte, 4<<20))} {
		m := message(payload)
		m.Topic = "a/b"
		m.Headers = []byte(`{"traceparent": "00-1"}`)
		if r := d.Deliver(t.Context(), m); r.Outcome != sink.Delivered || r.Err != nil {
			t.Fatalf("%s: %v", r.Outcome, r.Err)
		}
		r := <-requests
		if r.method != "POST" || r.uri != "/hooks/a%2Fb?x=1" || r.host != server.Listener.Addr().String() {
			t.Errorf("%s %s of %s", r.method, r.uri, r.host)
		}
		if string(r.body) != payload || r.length != int64(len(payload)) {
			t.Errorf("%d bytes arrived, Content-Length %d, want %d", len(r.body), r.length, len(payload))
		}
		stamp := r.header.Get("Webhook-Timestamp")
		second, err := strconv.ParseInt(stamp, 10, 64)
		if age := time.Since(time.Unix(second, 0)); err != nil || age < 0 || age > time.Minute {
			t.Errorf("webhook-timestamp %s: %s ago, error %v", stamp, age, err)
		}
		if r.header.Get("Webhook-Signature") != sign(d.keys, messageID.String(), stamp, []byte(payload)) {
			t.Errorf("webhook-signature %s", r.header.Get("Webhook-Signature"))
		}
		if r.header.Get("Traceparent") != "00-1" || r.header.Get("Ce-Id") != messageID.String() || r.header.Get("Accept-Encoding") != "" {
			t.Errorf("headers %v", r.header)
		}
	}
}

func TestTopicThatLeadsAstrayIsFatal(t *testing.T) {
	d := open(t, "http://127.0.0.1:1/secret-word/{topic}", nil)
	m := message("")
	m.Topic = "../admin"
	assertResult(t, "..", d.Deliver(t.Context(), m), sink.Fatal, "posting to http://127.0.0.1:1: the topic ")
}

// count makes a receiver that counts its connections.
func count(t *testing.T, receive http.HandlerFunc) (*httptest.Server, *atomic.Int64) {
	t.Helper()
	connections := new(atomic.Int64)
	server := httptest.NewUnstartedServer(receive)
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	return server, connections
}

func TestConnectionsAreKept(t *testing.T) {
	for _, status := range []int{200, 500} {
		server, connections := count(t, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.WriteHeader(status)
			_, _ = w.Write(make([]byte, 60<<10)) // less than what is drained
		})
		settings := DefaultSettings()
		settings.URL, settings.Concurrency = server.URL, 4
		to, err := New(settings)
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			b := &sink.Batch{Results: make([]sink.Result, 100)}
			for range b.Results {
				b.Messages = append(b.Messages, *message("payload"))
			}
			to.Deliver(t.Context(), b)
			for i, r := range b.Results {
				if want := map[int]sink.Outcome{200: sink.Delivered, 500: sink.Failed}[status]; r.Outcome != want {
					t.Fatalf("message %d: %s, %v", i, r.Outcome, r.Err)
				}
			}
		}
		if n := connections.Load(); n < 1 || n > 4 {
			t.Errorf("status %d: 300 messages took %d connections, want 4 at most", status, n)
		}
		if err := to.Close(); err != nil {
			t.Error(err)
		}
	}
}

// An answer without an end costs neither the memory nor the time that it would take.
func TestEndlessAnswer(t *testing.T) {
	server, connections := count(t, func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 8<<10)); err != nil {
				return
			}
		}
	})
	d := open(t, server.URL, nil)
	for range 2 {
		began := time.Now()
		assertResult(t, "endless", d.Deliver(t.Context(), message("{}")), sink.Delivered, "")
		if took := time.Since(began); took > 4*time.Second {
			t.Errorf("took %s", took)
		}
	}
	if n := connections.Load(); n != 2 {
		t.Errorf("%d connections, want a new one after an answer that was not read to its end", n)
	}
}

func TestKeysKeepTheirOrder(t *testing.T) {
	var mu sync.Mutex
	arrived := make(map[string][]string)
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		key := r.Header.Get("Ce-Subject")
		arrived[key] = append(arrived[key], string(body))
		if key == "3" && len(arrived[key]) == 2 {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	settings := DefaultSettings()
	settings.URL = server.URL
	to, err := New(settings)
	if err != nil {
		t.Fatal(err)
	}
	b := &sink.Batch{Results: make([]sink.Result, 100)}
	for i := range b.Results {
		m := *message(strconv.Itoa(i))
		m.Key, m.HasKey = strconv.Itoa(i%10), true
		b.Messages = append(b.Messages, m)
	}
	to.Deliver(t.Context(), b)
	for key := range 10 {
		var want []string
		for i := key; i < 100 && (key != 3 || i < 20); i += 10 {
			want = append(want, strconv.Itoa(i))
		}
		if got := arrived[strconv.Itoa(key)]; fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("key %d: %v arrived, want %v", key, got, want)
		}
	}
	if b.Results[13].Outcome != sink.Failed || b.Results[23].Outcome != sink.NotSent || b.Results[99].Outcome != sink.Delivered {
		t.Errorf("results %v, %v, %v", b.Results[13], b.Results[23], b.Results[99])
	}
	if err := to.Close(); err != nil {
		t.Error(err)
	}
}

func TestHTTP2(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.ProtoMajor != 2 || string(body) != "payload" {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	d := open(t, server.URL, func(s *Settings) { s.TLS = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12} })
	for range 3 {
		assertResult(t, "HTTP/2", d.Deliver(t.Context(), message("payload")), sink.Delivered, "")
	}
}

func TestProxy(t *testing.T) {
	proxy := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.RequestURI != "http://receiver.invalid/hooks" || r.Header.Get("Proxy-Authorization") != "Basic dTpzZWNyZXQtd29yZA==" {
			w.WriteHeader(http.StatusProxyAuthRequired)
		}
	})
	with := func(proxy string) func(*Settings) { return func(s *Settings) { s.Proxy = proxy } }
	address := proxy.Listener.Addr().String()
	d := open(t, "http://receiver.invalid/hooks", with("http://u:secret-word@"+address))
	assertResult(t, "a proxy", d.Deliver(t.Context(), message("")), sink.Delivered, "")
	d = open(t, "http://receiver.invalid/hooks", with("http://"+address))
	assertResult(t, "a proxy without a password", d.Deliver(t.Context(), message("")), sink.Unreachable, "posting to http://receiver.invalid: status 407")

	// Without the setting there is none, whatever the environment has.
	if d = open(t, "http://receiver.invalid/hooks", nil); d.transport.Proxy != nil {
		t.Error("a proxy is looked for though none is set")
	}
}

func BenchmarkWebhook(b *testing.B) {
	server := serve(b, func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) })
	settings := DefaultSettings()
	settings.URL, settings.Secrets = server.URL, []string{vectorSecret}
	to, err := New(settings)
	if err != nil {
		b.Fatal(err)
	}
	batch := &sink.Batch{Results: make([]sink.Result, 1000)}
	for range batch.Results {
		batch.Messages = append(batch.Messages, *message(fmt.Sprintf(`{"text":"%0240d"}`, 0)))
	}
	b.ReportAllocs()
	for b.Loop() {
		to.Deliver(b.Context(), batch)
	}
	b.ReportMetric(float64(b.N)*1000/b.Elapsed().Seconds(), "messages/s")
	if r := batch.Results[999]; r.Outcome != sink.Delivered {
		b.Error(r.Err)
	}
	if err := to.Close(); err != nil {
		b.Error(err)
	}
}
