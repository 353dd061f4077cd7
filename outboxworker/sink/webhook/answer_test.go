package webhook

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/outboxworker/sink"
)

// assertResult checks an outcome and how its error begins; "" is no error.
func assertResult(t *testing.T, name string, got sink.Result, outcome sink.Outcome, text string) {
	t.Helper()
	if got.Outcome != outcome {
		t.Errorf("%s: %s, want %s: %v", name, got.Outcome, outcome, got.Err)
	}
	if (got.Err == nil) != (text == "") || got.Err != nil && !strings.HasPrefix(got.Err.Error(), text) {
		t.Errorf("%s: error %v, want %q", name, got.Err, text)
	}
}

func TestStatuses(t *testing.T) {
	d := open(t, "http://127.0.0.1:1/", func(s *Settings) { s.FatalStatus = []int{422, 503} })
	plain := open(t, "http://127.0.0.1:1/", nil)
	want := map[int]sink.Outcome{
		400: sink.Fatal, 410: sink.Fatal, 413: sink.Fatal, 415: sink.Fatal, 422: sink.Fatal,
		401: sink.Unreachable, 407: sink.Unreachable, 429: sink.Throttled,
		403: sink.Failed, 404: sink.Failed, 408: sink.Failed, 425: sink.Failed,
		502: sink.Unreachable, 503: sink.Unreachable, 504: sink.Unreachable,
	}
	for status := 100; status < 1000; status++ {
		outcome, ok := want[status]
		switch {
		case ok:
		case status >= 200 && status < 300:
			outcome = sink.Delivered
		case status >= 500 && status < 600:
			outcome = sink.Failed
		default:
			outcome = sink.Refused
		}
		if got := plain.judge(status, nil, time.Now()); got.Outcome != outcome {
			t.Errorf("%d: %s, want %s", status, got.Outcome, outcome)
		}
	}
	for _, status := range []int{422, 503} {
		if got := d.judge(status, http.Header{"Retry-After": {"7"}}, time.Now()); got.Outcome != sink.Fatal || got.RetryAfter != 0 {
			t.Errorf("%d as fatal_status: %v", status, got)
		}
	}
	if got := d.judge(410, nil, time.Now()); got.Outcome != sink.Refused {
		t.Errorf("410 without being in fatal_status: %s", got.Outcome)
	}
}

func TestThrottling(t *testing.T) {
	for _, test := range []struct {
		status  int
		value   string
		outcome sink.Outcome
		wait    time.Duration
	}{
		{429, "7", sink.Throttled, 7 * time.Second},
		{429, "", sink.Throttled, time.Second},
		{429, "soon", sink.Throttled, time.Second},
		{429, "99999", sink.Throttled, time.Hour},
		{503, "7", sink.Throttled, 7 * time.Second},
		{503, "soon", sink.Throttled, time.Second},
		{503, "", sink.Unreachable, 0},
		{500, "7", sink.Failed, 7 * time.Second},
		{500, "99999", sink.Failed, time.Hour},
		{500, "", sink.Failed, 0},
		{409, "soon", sink.Refused, time.Second},
		{409, "", sink.Refused, 0},
		{400, "7", sink.Fatal, 0},
	} {
		server := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			if test.value != "" {
				w.Header().Set("Retry-After", test.value)
			}
			w.WriteHeader(test.status)
		})
		got := open(t, server.URL, nil).Deliver(t.Context(), message("{}"))
		assertResult(t, test.value, got, test.outcome, "posting to "+server.URL+": status ")
		if want := fmt.Sprintf("status %d", test.status); got.Class != want {
			t.Errorf("%d: class %q, want %q", test.status, got.Class, want)
		}
		if got.RetryAfter != test.wait {
			t.Errorf("%d, %q: retry after %s, want %s", test.status, test.value, got.RetryAfter, test.wait)
		}
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	followed := false
	other := serve(t, func(http.ResponseWriter, *http.Request) { followed = true })
	for _, status := range []int{301, 302, 303, 307, 308} {
		server := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", other.URL)
			w.WriteHeader(status)
		})
		assertResult(t, "redirect", open(t, server.URL, nil).Deliver(t.Context(), message("{}")), sink.Refused, "posting to "+server.URL+": status 3")
	}
	if followed {
		t.Error("a redirect was followed")
	}
}

func TestExcerpts(t *testing.T) {
	for _, test := range []struct{ name, body, want string }{
		{"nothing", "", ""},
		{"spaces", " \r\n", ""},
		{"a line", "no such topic\n", ": no such topic"},
		{"bytes", "\x00\xff", ": \x00\xff"},
		{"much", strings.Repeat("x", 100_000), ": " + strings.Repeat("x", 1024)},
	} {
		server := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = w.Write([]byte(test.body))
		})
		got := open(t, server.URL, nil).Deliver(t.Context(), message("{}"))
		if want := "posting to " + server.URL + ": status 500" + test.want; got.Outcome != sink.Failed || got.Err.Error() != want {
			t.Errorf("%s: %s, %q", test.name, got.Outcome, got.Err)
		}
	}
}

// A receiver that repeats the request must not bring secrets into errors, which are
// stored and shown.
// A receiver that repeats a token repeats neither the path around it nor a header's name.
func TestPartsOfSecretsInAnswers(t *testing.T) {
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusNotFound)
		parts := strings.Split(r.URL.Path, "/")
		_, _ = w.Write([]byte("no hook " + parts[3] + ", key " + r.Header.Get("X-Api-Key")))
	})
	d := open(t, server.URL+"/services/T000/LONGSECRETTOKEN", func(s *Settings) {
		s.Headers = map[string]string{"X-API-Key": "hunter2"}
	})
	got := d.Deliver(t.Context(), message("{}"))
	assertResult(t, "404", got, sink.Failed, "posting to "+server.URL+": status 404: no hook [redacted], key [redacted]")
}

func TestSecretsInAnswers(t *testing.T) {
	users := make(chan string, 1)
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusNotFound)
		user, password, _ := r.BasicAuth()
		users <- user + ":" + password
		_, _ = w.Write([]byte(strings.Join([]string{
			"cannot POST", r.URL.Path, r.RequestURI, r.URL.Query().Get("token"), r.Header.Get("X-Api-Key"), r.Header.Get("Authorization"),
			user, password, vectorSecret, vectorSecret[6:], strings.Repeat("-", 850), r.Header.Get("X-Api-Key"), "end",
		}, " ")))
	})
	address, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	address.User = url.UserPassword("relay", "secret-password")
	d := open(t, address.String()+"/services/secret-path/{topic}?token=secret%2Dtoken", func(s *Settings) {
		s.Secrets = []string{vectorSecret}
		// One of the values is the beginning of the token in the URL.
		s.Headers = map[string]string{"X-API-Key": "Key secret-key", "X-Other": "secret-t"}
	})
	got := d.Deliver(t.Context(), message("{}"))
	assertResult(t, "404", got, sink.Failed, "posting to "+server.URL+": status 404: cannot POST [redacted]orders [redacted]orders?[redacted] [redacted] [redacted] ")
	if basic := <-users; basic != "relay:secret-password" {
		t.Errorf("the URL's user arrived as %q", basic)
	}
	for _, secret := range []string{"secret", "c2VjcmV0", "MfKQ9"} {
		if strings.Contains(got.Err.Error(), secret) {
			t.Errorf("%s is in %q", secret, got.Err)
		}
	}
}
