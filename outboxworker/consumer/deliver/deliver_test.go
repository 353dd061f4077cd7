package deliver

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirproxy/weir/outboxworker/consumer"
	"github.com/weirproxy/weir/outboxworker/sink/webhook"
)

const messageID = "0190163d-8694-739b-aea5-966c26f8ad91"

// receiver is a server that answers as it was told last.
type receiver struct {
	*httptest.Server

	mu       sync.Mutex
	status   int
	after    string
	requests []*http.Request
	bodies   []string
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := new(receiver)
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		body, _ := io.ReadAll(request.Body)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.requests, r.bodies = append(r.requests, request), append(r.bodies, string(body))
		if r.after != "" {
			w.Header().Set("Retry-After", r.after)
		}
		w.WriteHeader(r.status)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) answer(status int, after string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status, r.after = status, after
}

func open(t *testing.T, url string, change func(*Settings)) *Deliverer {
	t.Helper()
	settings := DefaultSettings()
	settings.Webhook.URL = url
	if change != nil {
		change(&settings)
	}
	d, err := New(settings)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

func message(id string) *consumer.Message {
	return &consumer.Message{ID: id, Topic: "orders", Payload: []byte(`{}`), EntryID: "1767323045678-1", Attempt: 1}
}

// numbered is the id of the nth message.
func numbered(n int) string { return fmt.Sprintf("%s%02d", messageID[:34], n) }

func TestRequest(t *testing.T) {
	const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	r := newReceiver(t)
	r.answer(204, "")
	d := open(t, r.URL+"/in/{topic}", func(s *Settings) { s.Webhook.Secrets = []string{secret} })
	m := message(messageID)
	m.Key, m.HasKey, m.Type, m.BizID, m.Payload = "order-7", true, "order.paid", "o-7", []byte(`{"paid": true}`)
	m.Headers = map[string]string{"traceparent": "00-1", "Tenant": "acme", "Idempotency-Key": "somebody else's"}
	m.CreatedAt = time.Date(2026, 1, 2, 3, 4, 5, 678901000, time.UTC)
	if err := d.Handle(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if err := d.Handle(t.Context(), message(messageID)); err != nil {
		t.Fatal(err)
	}
	request := r.requests[0]
	if request.Method != http.MethodPost || request.URL.Path != "/in/orders" || r.bodies[0] != `{"paid": true}` {
		t.Errorf("%s %s with %q", request.Method, request.URL, r.bodies[0])
	}
	for name, want := range map[string]string{
		"Idempotency-Key": messageID, "Webhook-Id": messageID, "Ce-Id": messageID, "Ce-Type": "order.paid", "Ce-Subject": "order-7",
		"Ce-Bizid": "o-7", "Ce-Time": "2026-01-02T03:04:05.678901Z", "Traceparent": "00-1", "Tenant": "acme", "Content-Type": "application/json",
	} {
		if got := request.Header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if signature := request.Header.Get("Webhook-Signature"); !strings.HasPrefix(signature, "v1,") {
		t.Errorf("the signature is %q", signature)
	}
	// An entry without a time has the one at which it was appended.
	if got := r.requests[1].Header.Get("Ce-Time"); got != "2026-01-02T03:04:05.678Z" {
		t.Errorf("an entry that does not say when it was made has the time %s", got)
	}
}

func TestAnswers(t *testing.T) {
	r := newReceiver(t)
	failure := errors.New("posting to " + r.URL + ": status")
	for _, test := range []struct {
		status int
		after  string
		want   error
		class  string
	}{
		{200, "", nil, ""},
		{204, "5", nil, ""},
		{409, "", consumer.Busy(0), ""},
		{409, "7", consumer.Busy(7 * time.Second), ""},
		{400, "", consumer.Fatal(failure), "status 400"},
		{410, "", consumer.Fatal(failure), "status 410"},
		{422, "9", consumer.Fatal(failure), "status 422"},
		{429, "7", consumer.Unavailable(failure, 7*time.Second), "status 429"},
		{503, "7", consumer.Unavailable(failure, 7*time.Second), "status 503"},
		{503, "", consumer.Unavailable(failure, 0), "status 503"},
		{401, "", consumer.Unavailable(failure, 0), "status 401"},
		{502, "", consumer.Unavailable(failure, 0), "status 502"},
		{500, "", failure, "status 500"},
		{500, "60", consumer.After(failure, time.Minute), "status 500"},
		{404, "", failure, "status 404"},
		{418, "", failure, "status 418"},
		{418, "60", consumer.After(failure, time.Minute), "status 418"},
		{302, "", failure, "status 302"},
	} {
		r.answer(test.status, test.after)
		err := open(t, r.URL, nil).Handle(t.Context(), message(messageID))
		got, want := consumer.Judge(err), consumer.Judge(test.want)
		if got.What != want.What || got.After != want.After || test.class != "" && got.Class != test.class {
			t.Errorf("%d, Retry-After %q: %+v, want %+v of class %q", test.status, test.after, got, want, test.class)
		}
		if err != nil && test.status != 409 && !strings.HasPrefix(err.Error(), fmt.Sprint(failure, " ", test.status)) {
			t.Errorf("%d: %v", test.status, err)
		}
	}
}

func TestNobodyAnswers(t *testing.T) {
	r := newReceiver(t)
	r.Close()
	err := open(t, r.URL, nil).Handle(t.Context(), message(messageID))
	if got := consumer.Judge(err); got.What != "unavailable" || got.After != 0 {
		t.Errorf("%+v", got)
	}
}

// One message that fails for ever is its own fault; several in a row are the receiver's.
func TestReceiverThatFailsEveryMessage(t *testing.T) {
	r := newReceiver(t)
	d := open(t, r.URL, nil)
	expect := func(id int, status int, want string) {
		t.Helper()
		r.answer(status, "")
		if got := consumer.Judge(d.Handle(t.Context(), message(numbered(id)))); got.What != want {
			t.Errorf("message %d, answered %d, is %s, want %s", id, status, got.What, want)
		}
	}
	for range 10 {
		expect(0, 500, "failed")
	}
	expect(1, 500, "failed")
	expect(2, 500, "failed")
	for id := range 5 {
		expect(id, 500, "unavailable")
	}
	expect(3, 502, "unavailable") // says nothing about the messages
	expect(4, 500, "unavailable")
	expect(5, 418, "failed") // an answer that is none of a broken receiver
	expect(4, 500, "failed")
	expect(3, 500, "failed")
	expect(6, 200, "done")
	expect(2, 500, "failed")
	expect(1, 500, "failed")
	expect(0, 409, "busy")
	expect(0, 500, "failed")
}

func TestMessagesThatCannotBePosted(t *testing.T) {
	r := newReceiver(t)
	r.answer(200, "")
	d := open(t, r.URL+"/{topic}", nil)
	for _, test := range []struct{ id, topic, class string }{
		{"", "orders", "malformed"},
		{"order-7", "orders", "malformed"},
		{"{" + messageID + "}", "orders", "malformed"},
		{strings.ReplaceAll(messageID, "-", ""), "orders", "malformed"},
		{messageID, "..", ""},
	} {
		m := message(test.id)
		m.Topic = test.topic
		got := consumer.Judge(d.Handle(t.Context(), m))
		if got.What != "fatal" || test.class != "" && got.Class != test.class {
			t.Errorf("id %q, topic %q: %+v", test.id, test.topic, got)
		}
	}
	if len(r.requests) > 0 {
		t.Error("one was posted")
	}
}

func TestSettings(t *testing.T) {
	settings := DefaultSettings()
	settings.Webhook.URL = "http://localhost"
	if err := settings.Validate(); err != nil {
		t.Error(err)
	}
	for _, n := range []int{1, 101} {
		settings.BreakerMessages = n
		if _, err := New(settings); err == nil || !strings.HasPrefix(err.Error(), "breaker_messages: ") {
			t.Errorf("%d: %v", n, err)
		}
	}
	if _, err := New(Settings{Webhook: webhook.DefaultSettings(), BreakerMessages: 2}); err == nil {
		t.Error("without a URL there is no error")
	}
}
