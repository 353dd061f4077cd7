package discovery

// trouble_test.go has what goes wrong between here and Consul. Whatever it is, the set
// stays and there is no busy loop.

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

func refuse(*http.Request) (*http.Response, error) {
	return nil, errors.New("dial tcp 127.0.0.1:8500: connect: connection refused")
}

func status(code int, body string) func(*http.Request) (*http.Response, error) {
	return func(*http.Request) (*http.Response, error) { return reply(code, nil, body), nil }
}

// cut answers with all headers and the first part of a body, as a server does that
// stops in the middle.
func cut(body string) func(*http.Request) (*http.Response, error) {
	return func(*http.Request) (*http.Response, error) {
		index := uint64(500)
		return reply(200, &index, body), nil
	}
}

type closer struct{}

func (closer) Close() error { return nil }

func TestTheSetStaysWhileConsulIsInTrouble(t *testing.T) {
	half := jsonOf([]map[string]any{{"Key": web + "web-0001", "Session": "s", "Value": []byte(jsonOf(instance(1)))}})
	page := strings.Repeat("<p>no</p>", 10000)
	for name, test := range map[string]struct {
		instead func(*http.Request) (*http.Response, error)
		tells   string
	}{
		"down":             {refuse, "connection refused"},
		"no leader":        {status(500, "No cluster leader"), "status 500: \"No cluster leader\""},
		"too many":         {status(429, "Your IP is issuing too many concurrent connections"), "status 429"},
		"token revoked":    {status(403, "ACL not found"), "status 403: \"ACL not found\""},
		"a proxy's page":   {status(502, page), "status 502"},
		"a proxy's 404":    {status(404, "not found"), "has no index"},
		"no JSON":          {status(200, page), "invalid character"},
		"null":             {status(200, "null"), "has no index"},
		"an empty list":    {status(200, "[]"), "has no index"},
		"rights lost":      {filtered, "may not read"},
		"half an answer":   {cut(half[:len(half)/2]), "unexpected EOF"},
		"an empty body":    {cut(""), "EOF"},
		"another type":     {cut(`{"Key": "x"}`), "cannot unmarshal"},
		"a broken body":    {broken, "connection reset"},
		"redirect to self": {redirect, "stopped after 10 redirects"},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, nil, func(t *testing.T, c *consul, w *watched) {
				time.Sleep(time.Minute)
				set := w.Snapshot()
				c.questions()
				c.behave(test.instead)
				time.Sleep(10 * time.Minute)
				if w.Snapshot() != set {
					t.Error("the set changed")
				}
				s := w.Status()
				if s.Up || !strings.Contains(s.Error, test.tells) || len(s.Error) > 400 || time.Since(s.Since) != 10*time.Minute {
					t.Errorf("the status is %+v, want it down for 10m with %q", s, test.tells)
				}
				// 0.5 s doubling to 5 s, of which a half may be taken off
				asked := countAsked(c.questions())
				if asked < 120 || asked > 240 {
					t.Errorf("%d questions in 10 minutes, want about 160", asked)
				}

				c.put(instance(4))
				c.behave(nil)
				time.Sleep(mostBack + time.Second)
				w.expect(instances(1, 4)...)
				if s := w.Status(); !s.Up || s.Error != "" || time.Since(s.Since) > mostBack+time.Second {
					t.Errorf("the status is %+v, want it up", s)
				}
				// what there is may be of a Consul that began anew
				if asked := c.questions(); asked[0].index != "" {
					t.Errorf("the first question after the trouble is for the index %q", asked[0].index)
				}
				if w.log.count("there is no answer") != 1 || w.log.count("there are answers again") != 1 || len(w.log.all()) != 2 {
					t.Errorf("lines %q, want one for each change", w.log.all())
				}
			})
		})
	}
}

func broken(*http.Request) (*http.Response, error) {
	index := uint64(500)
	response := reply(200, &index, "")
	response.Body = failing{}
	return response, nil
}

type failing struct{ closer }

func (failing) Read([]byte) (int, error) {
	return iotest.ErrReader(errors.New("connection reset")).Read(nil)
}

// filtered is how Consul answers a token that may read nothing.
func filtered(*http.Request) (*http.Response, error) {
	index := uint64(500)
	response := reply(404, &index, "")
	response.Header.Set("X-Consul-Results-Filtered-By-ACLs", "true")
	return response, nil
}

func redirect(r *http.Request) (*http.Response, error) {
	response := reply(302, nil, "")
	response.Header.Set("Location", r.URL.String())
	return response, nil
}

// countAsked counts questions; those that follow a redirect are one.
func countAsked(asked []question) int {
	n := 0
	for i, q := range asked {
		if i == 0 || q.at.After(asked[i-1].at) {
			n++
		}
	}
	return n
}

func hang(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// A server, or what is between, that takes questions and never says anything.
func TestAnHourOfBlocking(t *testing.T) {
	run(t, nil, func(t *testing.T, c *consul, w *watched) {
		set := w.Snapshot()
		time.Sleep(time.Minute)
		c.behave(hang)
		c.questions()
		time.Sleep(time.Hour)
		if asked := len(c.questions()); asked < 60 || asked > 360 {
			// without an index, an answer must come at once
			t.Errorf("%d questions in an hour", asked)
		}
		if s := w.Status(); s.Up || s.Error != "there is no answer in time" || w.Snapshot() != set {
			t.Errorf("the status is %+v", s)
		}
		c.behave(nil)
		time.Sleep(answerWithin + mostBack)
		if !w.Status().Up {
			t.Error("it is not up again")
		}
	})
}

// A blocking query may take a sixteenth longer than it was asked to wait.
func TestConsulMayTakeLongerThanItWasAskedTo(t *testing.T) {
	run(t, func(s *Settings) { s.Wait = 10 * time.Minute }, func(t *testing.T, c *consul, w *watched) {
		time.Sleep(24 * time.Hour)
		if s := w.Status(); s.Errors != 0 || s.Answers < 24*60/11 {
			t.Errorf("the status is %+v, want no error in a day", s)
		}
	})
}

func TestAQuestionDoesNotWaitForEver(t *testing.T) {
	run(t, nil, func(t *testing.T, c *consul, w *watched) {
		time.Sleep(time.Second)
		c.mu.Lock()
		c.instead = hang // for the questions after the one that waits
		c.mu.Unlock()
		time.Sleep(time.Minute + time.Minute/16)
		if s := w.Status(); !s.Up || s.Answers != 2 {
			t.Fatalf("the status is %+v, want the second answer", s)
		}
		time.Sleep(time.Minute + time.Minute/16 + answerWithin - time.Second)
		if !w.Status().Up {
			t.Error("the question was given up too early")
		}
		time.Sleep(2 * time.Second)
		if s := w.Status(); s.Up || s.Error != "there is no answer in time" {
			t.Errorf("the status is %+v, want it down", s)
		}
	})
}
