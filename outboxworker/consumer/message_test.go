package consumer

import (
	"context"
	"maps"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirproxy/weir/internal/testserver"
)

// What a handler does to a message is not seen by the next attempt.
func TestMessageIsEachAttemptsOwn(t *testing.T) {
	t.Parallel()
	client := connect(t, testserver.Redis(t))
	publish(t, client, events, "1")
	var attempts atomic.Int32
	seen := make(chan Message, 2)
	run(t, client, func(_ context.Context, m *Message) error {
		seen <- Message{Payload: slices.Clone(m.Payload), Headers: maps.Clone(m.Headers)}
		clear(m.Payload)
		clear(m.Headers)
		if attempts.Add(1) == 1 {
			return Unavailable(errRefused, time.Millisecond)
		}
		return nil
	}, quick())
	allSettled(t, client, events)
	for range 2 {
		if m := <-seen; string(m.Payload) != "secret-1" || m.TraceID() == "" {
			t.Errorf("an attempt has the payload %q and the headers %v", m.Payload, m.Headers)
		}
	}
}

func TestHeadersOfAnyJSON(t *testing.T) {
	var m Message
	err := m.decode(map[string]string{
		"id": "1", "topic": "t", "payload": "",
		"headers": `{"tenant": "a\u0062c", "number": 1.50, "yes": true, "no": null, "object": {"a": 1}, "list": []}`,
	}, "g", 1000)
	want := map[string]string{"tenant": "abc", "number": "1.50", "yes": "true"}
	if err != nil || !maps.Equal(m.Headers, want) {
		t.Errorf("headers %v, %v, want %v", m.Headers, err, want)
	}
	for _, text := range []string{"no JSON", `"a"`, "[]", "7"} {
		if _, err := decodeHeaders(text); err == nil || err.Error() != "the entry's headers are not a JSON object" {
			t.Errorf("%s: %v", text, err)
		}
	}
	if headers, err := decodeHeaders("null"); err != nil || len(headers) > 0 {
		t.Errorf("null: %v, %v", headers, err)
	}
}
