package exchange

import (
	"net/http"
	"testing"
)

func TestIsStream(t *testing.T) {
	tests := []struct {
		name        string
		status      int
		contentType string
		tunnel      bool
		want        bool
	}{
		{"an answer", 200, "application/json", false, false},
		{"an answer without a body", 204, "", false, false},
		{"a switched protocol", 101, "", false, true},
		{"an open tunnel", 200, "", true, true},
		{"an open tunnel with another 2xx", 204, "", true, true},
		{"a refused tunnel", 403, "", true, false},
		{"a redirected tunnel", 302, "", true, false},
		{"events", 200, "text/event-stream", false, true},
		{"events with a parameter", 200, "text/event-stream; charset=utf-8", false, true},
		{"events with a parameter close by", 200, "text/event-stream;charset=utf-8", false, true},
		{"events in other letters", 200, "Text/Event-Stream", false, true},
		{"a type that begins alike", 200, "text/event-streams", false, false},
		{"a shorter type", 200, "text/event", false, false},
		{"events of a tunnel's refusal", 403, "text/event-stream", true, true},
	}
	for _, tt := range tests {
		header := make(http.Header)
		if tt.contentType != "" {
			header.Set("Content-Type", tt.contentType)
		}
		if got := isStream(tt.status, header, tt.tunnel); got != tt.want {
			t.Errorf("%s: %t, want %t", tt.name, got, tt.want)
		}
	}
	header := http.Header{"Content-Type": {"text/event-stream; charset=utf-8"}}
	if n := testing.AllocsPerRun(100, func() { isStream(200, header, false) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
