package webhook

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/outboxworker/sink"
)

var now = time.Unix(1_767_323_045, 999)

func TestHeaders(t *testing.T) {
	d := open(t, "http://127.0.0.1:1/", func(s *Settings) {
		s.Secrets = []string{vectorSecret}
		s.Headers = map[string]string{"authorization": "Bearer x", "X-Fixed": "mine"}
		s.Source = "urn:weir:shop"
	})
	m := &sink.Message{
		ID: messageID, Topic: "orders", Key: "ключ 1", HasKey: true, Type: `a"b%c`, BizID: "o-7\x00", Payload: []byte(`{}`),
		CreatedAt: time.Date(2026, 1, 2, 4, 4, 5, 678_901_000, time.FixedZone("", 3600)),
		Headers:   []byte(`{"traceparent": "00-1", "x-fixed": "theirs", "X-Number": 1.50, "x-true": true}`),
	}
	want := http.Header{
		"Authorization": {"Bearer x"}, "X-Fixed": {"mine"}, "User-Agent": {"weir-outbox"}, "Content-Type": {"application/json"},
		"Traceparent": {"00-1"}, "X-Number": {"1.50"}, "X-True": {"true"},
		"Ce-Specversion": {"1.0"}, "Ce-Id": {messageID.String()}, "Ce-Source": {"urn:weir:shop"}, "Ce-Type": {"a%22b%25c"},
		"Ce-Subject": {"%D0%BA%D0%BB%D1%8E%D1%87%201"}, "Ce-Time": {"2026-01-02T03:04:05.678901Z"}, "Ce-Topic": {"orders"}, "Ce-Bizid": {"o-7%00"},
		"Webhook-Id": {messageID.String()}, "Idempotency-Key": {messageID.String()}, "Webhook-Timestamp": {"1767323045"},
		"Webhook-Signature": {sign(d.keys, messageID.String(), "1767323045", []byte(`{}`))},
	}
	assertHeaders(t, d.headers(m, now), want)
}

func TestHeadersOfABareMessage(t *testing.T) {
	d := open(t, "http://127.0.0.1:1/", nil)
	want := http.Header{
		"User-Agent": {"weir-outbox"}, "Content-Type": {"application/octet-stream"},
		"Ce-Specversion": {"1.0"}, "Ce-Id": {messageID.String()}, "Ce-Source": {"weir/outbox"}, "Ce-Type": {"orders"},
		"Ce-Time": {"2026-01-02T03:04:05.678901Z"}, "Ce-Topic": {"orders"},
		"Webhook-Id": {messageID.String()}, "Idempotency-Key": {messageID.String()}, "Webhook-Timestamp": {"1767323045"},
	}
	assertHeaders(t, d.headers(message(""), now), want)
}

func assertHeaders(t *testing.T, got, want http.Header) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(got)) {
		if !slices.Equal(got[name], want[name]) {
			t.Errorf("%s is %q, want %q", name, got[name], want[name])
		}
	}
	for name := range want {
		if _, ok := got[name]; !ok {
			t.Errorf("%s is missing", name)
		}
	}
}

func TestContentTypes(t *testing.T) {
	d := open(t, "http://127.0.0.1:1/", nil)
	for _, test := range []struct{ payload, headers, want string }{
		{`{"a": 1}`, "", "application/json"},
		{`{"a": `, "", "application/octet-stream"},
		{"\"\xff\"", "", "application/octet-stream"},
		{`1`, `{"Content-Type": "text/plain; charset=utf-8"}`, "text/plain; charset=utf-8"},
		{`1`, `{"content-type": ""}`, "application/json"},
		{`1`, `{"content-type": "a\r\nb"}`, "application/json"},
		{`1`, `{"content-type": ["a"]}`, "application/json"},
	} {
		m := message(test.payload)
		m.Headers = []byte(test.headers)
		if got := d.headers(m, now).Get("Content-Type"); got != test.want {
			t.Errorf("%q, %s: %s, want %s", test.payload, test.headers, got, test.want)
		}
	}
}

func TestMessageHeaders(t *testing.T) {
	for _, test := range []struct{ headers, want string }{
		{"", ""},
		{"null", ""},
		{"[1]", ""},
		{`{"a": "b"`, ""},
		{`{"tracestate": "a=b,c=d", "X-A": "größe"}`, "Tracestate=a=b,c=d X-A=größe"},
		{`{"b": "2", "B": "1"}`, "B=2"},
		{`{"a": {}, "b": [], "c": null, "d": -1e3, "e": false}`, "D=-1e3 E=false"},
		{`{"a b": "1", "": "1", "a:": "1", "ä": "1", "a\n": "1"}`, ""},
		{`{"a": "x\r\nInjected: y", "b": "\u0000", "c": "\u007f", "d": " x", "e": "x\t", "f": "a\tb"}`, "F=a\tb"},
		{`{"host": "evil", "Content-Length": "0", "connection": "close", "Transfer-Encoding": "x", "te": "x", "trailer": "x",
		   "upgrade": "x", "expect": "100-continue", "keep-alive": "x", "proxy-connection": "x", "HTTP2-Settings": "x"}`, ""},
		{`{"webhook-id": "x", "Webhook-Anything": "x", "CE-ID": "x", "ce-anything": "x", "Idempotency-key": "x"}`, ""},
		{`{"authorization": "x", "Proxy-Authorization": "x", "cookie": "x", "set-cookie": "x", "forwarded": "x",
		   "x-forwarded-for": "x", "X-FORWARDED-HOST": "x", "x-real-ip": "x"}`, ""},
	} {
		header := make(http.Header)
		addMessageHeaders(header, []byte(test.headers))
		var got []string
		for _, name := range slices.Sorted(maps.Keys(header)) {
			got = append(got, name+"="+strings.Join(header[name], "|"))
		}
		if text := strings.Join(got, " "); text != test.want {
			t.Errorf("%s: %q, want %q", test.headers, text, test.want)
		}
	}
}

// Whatever a message holds, there is a request, and it arrives.
func FuzzHeaders(f *testing.F) {
	server := serve(f, func(http.ResponseWriter, *http.Request) {})
	d := open(f, server.URL+"/{topic}", nil)
	f.Add("orders", "k", "t", "b", []byte(`{"a": "b"}`))
	f.Add("\r\n\x00", "\xff", "\x7f", "%", []byte(`{"a\n": "b\r\n", "x": "\ud800"}`))
	f.Fuzz(func(t *testing.T, topic, key, kind, bizID string, headers []byte) {
		if len(topic)+len(key)+len(kind)+len(bizID)+len(headers) > 10_000 {
			return // the receiver takes no more
		}
		m := &sink.Message{ID: messageID, Topic: topic, Key: key, HasKey: true, Type: kind, BizID: bizID, Headers: headers}
		if r := d.Deliver(t.Context(), m); r.Outcome != sink.Delivered && r.Outcome != sink.Fatal {
			t.Fatalf("%s: %v", r.Outcome, r.Err)
		}
	})
}
