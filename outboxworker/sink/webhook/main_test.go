package webhook

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/weirproxy/weir/outboxworker/sink"
)

var messageID = uuid.MustParse("0198c2f0-1111-7222-8333-444455556666")

// serve starts a receiver that ends with the test.
func serve(t testing.TB, receive http.HandlerFunc) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(receive)
	t.Cleanup(server.Close)
	return server
}

// open returns the deliverer for a URL.
func open(t testing.TB, url string, change func(*Settings)) *deliverer {
	t.Helper()
	settings := DefaultSettings()
	settings.URL = url
	if change != nil {
		change(&settings)
	}
	d, err := newDeliverer(settings)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func message(payload string) *sink.Message {
	return &sink.Message{
		ID: messageID, Topic: "orders", Payload: []byte(payload),
		CreatedAt: time.Date(2026, 1, 2, 3, 4, 5, 678_901_000, time.UTC),
	}
}

// quiet is a log for receivers whose complaints are expected.
func quiet() *log.Logger { return log.New(io.Discard, "", 0) }
