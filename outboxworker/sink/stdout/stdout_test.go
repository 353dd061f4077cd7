package stdout

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/weirproxy/weir/outboxworker/sink"
)

var id = uuid.MustParse("0198c2f0-1111-7222-8333-444455556666")

func open(t *testing.T, w io.Writer) sink.Sink {
	t.Helper()
	to, err := New(Settings{Writer: w})
	if err != nil {
		t.Fatal(err)
	}
	return to
}

func batchOf(messages ...sink.Message) *sink.Batch {
	return &sink.Batch{Messages: messages, Results: make([]sink.Result, len(messages))}
}

func TestLines(t *testing.T) {
	at := time.Date(2026, 1, 2, 4, 4, 5, 678_901_234, time.FixedZone("", 3600))
	for _, test := range []struct {
		name    string
		message sink.Message
		want    string
	}{
		{
			"everything", sink.Message{
				ID: id, Topic: "orders", Key: "42", HasKey: true, Type: "order.paid", BizID: "o-7", CreatedAt: at,
				Headers: []byte(`{"traceparent": "00-1"}`), Payload: []byte("{\"amount\":\n 12.50, \"html\": \"<&>\"}"),
			},
			`{"id":"0198c2f0-1111-7222-8333-444455556666","topic":"orders","key":"42","type":"order.paid","biz_id":"o-7",` +
				`"created_at":"2026-01-02T03:04:05.678901Z","headers":{"traceparent":"00-1"},"payload":{"amount":12.50,"html":"<&>"}}`,
		},
		{
			"nothing", sink.Message{ID: id, Topic: "t", CreatedAt: at},
			`{"id":"0198c2f0-1111-7222-8333-444455556666","topic":"t","created_at":"2026-01-02T03:04:05.678901Z","payload_base64":""}`,
		},
		{
			"an empty key", sink.Message{ID: id, Topic: "t", HasKey: true, CreatedAt: at, Payload: []byte("1")},
			`{"id":"0198c2f0-1111-7222-8333-444455556666","topic":"t","key":"","created_at":"2026-01-02T03:04:05.678901Z","payload":1}`,
		},
		{
			"no JSON", sink.Message{ID: id, Topic: "t", CreatedAt: at, Payload: []byte{0, 0xff}, Headers: []byte("{")},
			`{"id":"0198c2f0-1111-7222-8333-444455556666","topic":"t","created_at":"2026-01-02T03:04:05.678901Z","headers_base64":"ew==","payload_base64":"AP8="}`,
		},
		{
			"JSON that is not UTF-8", sink.Message{ID: id, Topic: "t", CreatedAt: at, Payload: []byte("\"\xff\"")},
			`{"id":"0198c2f0-1111-7222-8333-444455556666","topic":"t","created_at":"2026-01-02T03:04:05.678901Z","payload_base64":"Iv8i"}`,
		},
		{
			"a far year", sink.Message{ID: id, Topic: "t", CreatedAt: time.Date(20_000, 1, 1, 0, 0, 0, 0, time.UTC), Payload: []byte("null")},
			`{"id":"0198c2f0-1111-7222-8333-444455556666","topic":"t","created_at":"20000-01-01T00:00:00.000000Z","payload":null}`,
		},
	} {
		var out bytes.Buffer
		b := batchOf(test.message)
		open(t, &out).Deliver(t.Context(), b)
		if out.String() != test.want+"\n" || b.Results[0].Outcome != sink.Delivered {
			t.Errorf("%s: %s, wrote\n%swant\n%s", test.name, b.Results[0].Outcome, out.String(), test.want)
		}
	}
}

// limited takes so many bytes and then fails, until it is mended.
type limited struct {
	bytes.Buffer
	left int
	err  error
}

func (l *limited) Write(p []byte) (int, error) {
	n := min(l.left, len(p))
	l.left -= n
	l.Buffer.Write(p[:n])
	if n < len(p) {
		return n, l.err
	}
	return n, nil
}

func number(n int) sink.Message {
	return sink.Message{ID: id, Topic: "t", Payload: []byte(strconv.Itoa(n))}
}

func TestFailedWrites(t *testing.T) {
	var one bytes.Buffer
	open(t, &one).Deliver(t.Context(), batchOf(number(1)))
	line := one.Len()
	broken := errors.New("broken pipe")
	for _, test := range []struct {
		name     string
		left     int
		err      error
		outcomes string
		lines    string
	}{
		{"at once", 0, broken, "unn", "1 2 3"},
		{"inside of the first", 5, broken, "unn", "torn 1 2 3"},
		{"between two", line, broken, "dun", "1 2 3"},
		{"inside of the second", line + 5, broken, "dun", "1 torn 2 3"},
		{"before the last line break", 3*line - 1, broken, "ddu", "1 2 3 3"},
		{"short without an error", line + 5, nil, "dun", "1 torn 2 3"},
	} {
		w := &limited{left: test.left, err: test.err}
		to := open(t, w)
		b := batchOf(number(1), number(2), number(3))
		to.Deliver(t.Context(), b)
		got, rest := "", 3
		for i, r := range b.Results {
			got += string(r.Outcome.String()[0])
			if r.Outcome == sink.Delivered {
				rest--
			}
			if r.Outcome == sink.Unreachable && (!errors.Is(r.Err, broken) && !errors.Is(r.Err, io.ErrShortWrite) || !strings.HasPrefix(r.Err.Error(), "writing ")) {
				t.Errorf("%s: message %d: %v", test.name, i, r.Err)
			}
		}
		if got != test.outcomes {
			t.Errorf("%s: outcomes %s, want %s", test.name, got, test.outcomes)
		}
		// Once the writer is mended, what is sent again begins a line of its own.
		w.left = 1 << 20
		to.Deliver(t.Context(), &sink.Batch{Messages: b.Messages[3-rest:], Results: make([]sink.Result, rest)})
		if lines := payloads(w.String()); lines != test.lines {
			t.Errorf("%s: lines %q, want %q\n%s", test.name, lines, test.lines, w.String())
		}
	}
}

// payloads returns the payloads of lines, and "torn" for those that are no JSON.
func payloads(out string) string {
	var found []string
	for text := range strings.Lines(out) {
		var l struct{ Payload int }
		if json.Unmarshal([]byte(text), &l) != nil {
			found = append(found, "torn")
		} else {
			found = append(found, strconv.Itoa(l.Payload))
		}
	}
	return strings.Join(found, " ")
}

func TestStopsBetweenWrites(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	w := writerFunc(func(p []byte) (int, error) {
		cancel()
		return len(p), nil
	})
	large := number(1)
	large.Payload = []byte(strings.Repeat("1", flushBytes/2))
	b := batchOf(large, large, large, large)
	open(t, w).Deliver(ctx, b)
	if b.Results[1].Outcome != sink.Delivered || b.Results[2].Outcome != sink.NotSent || b.Results[3].Outcome != sink.NotSent {
		t.Errorf("results %v", b.Results)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestWorkersDoNotMixLines(t *testing.T) {
	var out bytes.Buffer
	to := open(t, &out)
	var workers sync.WaitGroup
	for w := range 4 {
		workers.Go(func() {
			for n := range 50 {
				to.Deliver(t.Context(), batchOf(number(100*w+n), number(100*w+n)))
			}
		})
	}
	workers.Wait()
	lines := payloads(out.String())
	if n := len(strings.Fields(lines)); n != 400 || strings.Contains(lines, "torn") {
		t.Errorf("%d lines: %s", n, lines)
	}
	if err := to.Close(); err != nil {
		t.Error(err)
	}
}

func TestSettings(t *testing.T) {
	if s := DefaultSettings(); s.Validate() != nil {
		t.Errorf("the defaults: %v", s.Validate())
	}
	if _, err := New(Settings{}); err == nil || !strings.Contains(err.Error(), "writer") {
		t.Errorf("without a writer: %v", err)
	}
}

// Whatever a message holds: one line, JSON, and the payload comes out of it again.
func FuzzLine(f *testing.F) {
	f.Add("orders", "k", true, []byte(`{"a": [1, "x\u2028"]}`), []byte(`{"h": "v"}`), int64(0))
	f.Add("\xff\n", "", false, []byte{0, 0xff, '\n'}, []byte("{"), int64(1)<<60)
	f.Add("", "\n", true, []byte("\"\xff\""), []byte("null"), int64(-1)<<60)
	f.Fuzz(func(t *testing.T, topic, key string, hasKey bool, payload, headers []byte, seconds int64) {
		m := sink.Message{ID: id, Topic: topic, Key: key, HasKey: hasKey, Payload: payload, Headers: headers, CreatedAt: time.Unix(seconds, 0)}
		var out bytes.Buffer
		out.WriteString("before\n")
		if err := appendLine(&out, &m); err != nil {
			t.Fatal(err)
		}
		text, ok := strings.CutPrefix(out.String(), "before\n")
		if !ok || strings.Count(text, "\n") != 1 || !strings.HasSuffix(text, "\n") {
			t.Fatalf("not one line: %q", text)
		}
		var l line
		decoder := json.NewDecoder(strings.NewReader(text))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&l); err != nil {
			t.Fatalf("%v: %q", err, text)
		}
		if err := samePayload(&l, payload); err != nil {
			t.Fatalf("%v: %q", err, text)
		}
		if (l.Key != nil) != hasKey {
			t.Fatalf("key: %q", text)
		}
	})
}

func samePayload(l *line, payload []byte) error {
	if l.PayloadBase64 != nil {
		if !bytes.Equal(*l.PayloadBase64, payload) || l.Payload != nil {
			return fmt.Errorf("payload %q instead of %q", *l.PayloadBase64, payload)
		}
		return nil
	}
	var got, want bytes.Buffer
	if err := errors.Join(json.Compact(&got, l.Payload), json.Compact(&want, payload)); err != nil {
		return err
	}
	if got.String() != want.String() {
		return fmt.Errorf("payload %q instead of %q", got.String(), want.String())
	}
	return nil
}

func BenchmarkStdout(b *testing.B) {
	to, err := New(Settings{Writer: io.Discard})
	if err != nil {
		b.Fatal(err)
	}
	m := sink.Message{ID: id, Topic: "orders", Key: "42", HasKey: true, Payload: []byte(`{"a":"` + strings.Repeat("x", 248) + `"}`)}
	batch := &sink.Batch{Results: make([]sink.Result, 2000)}
	for range 2000 {
		batch.Messages = append(batch.Messages, m)
	}
	b.ReportAllocs()
	for b.Loop() {
		to.Deliver(b.Context(), batch)
	}
	b.ReportMetric(float64(b.N)*2000/b.Elapsed().Seconds(), "messages/s")
}
