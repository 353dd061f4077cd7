package webhook

import (
	"strings"
	"testing"
)

// settingsTests are changes of valid settings, and how the errors begin.
var settingsTests = []struct {
	name   string
	change func(*Settings)
	want   string
}{
	{"the defaults", func(*Settings) {}, ""},
	{"a private address", func(s *Settings) { s.URL = "http://10.0.0.1/{topic}" }, ""},
	{"much", func(s *Settings) {
		s.Secrets = []string{vectorSecret, vectorSecret}
		s.Headers = map[string]string{"Authorization": "Bearer x", "User-Agent": "shop", "Content-Type": "text/plain", "X-Empty": ""}
		s.FatalStatus = []int{300, 599}
		s.Proxy = "socks5://u:secret-word@localhost:1080"
	}, ""},
	{"no URL", func(s *Settings) { s.URL = "" }, "url: not set"},
	{"no concurrency", func(s *Settings) { s.Concurrency = 0 }, "concurrency: "},
	{"too much concurrency", func(s *Settings) { s.Concurrency = 1025 }, "concurrency: "},
	{"no time", func(s *Settings) { s.Timeout = 0 }, "timeout: "},
	{"no idle time", func(s *Settings) { s.IdleTimeout = 0 }, "idle_timeout: "},
	{"no source", func(s *Settings) { s.Source = "" }, "source: not set"},
	{"a bad source", func(s *Settings) { s.Source = "%zz" }, "source: "},
	{"a bad secret", func(s *Settings) { s.Secrets = []string{"secret-word"} }, "secrets: "},
	{"a success as fatal", func(s *Settings) { s.FatalStatus = []int{410, 299} }, "fatal_status: 299 "},
	{"no status", func(s *Settings) { s.FatalStatus = []int{600} }, "fatal_status: 600 "},
	{"no name", func(s *Settings) { s.Headers = map[string]string{"": "x"} }, "headers: "},
	{"a bad name", func(s *Settings) { s.Headers = map[string]string{"a b": "x"} }, "headers: "},
	{"a bad value", func(s *Settings) { s.Headers = map[string]string{"A": "secret-word\n"} }, "headers: the value of A "},
	{"a name twice", func(s *Settings) { s.Headers = map[string]string{"x-a": "1", "X-A": "2"} }, "headers: X-A is there twice"},
	{"Host", func(s *Settings) { s.Headers = map[string]string{"host": "x"} }, "headers: host cannot be set"},
	{"a length", func(s *Settings) { s.Headers = map[string]string{"Content-Length": "1"} }, "headers: "},
	{"a signature", func(s *Settings) { s.Headers = map[string]string{"webhook-signature": "1"} }, "headers: "},
	{"an event's id", func(s *Settings) { s.Headers = map[string]string{"CE-ID": "1"} }, "headers: "},
	{"a bad proxy", func(s *Settings) { s.Proxy = "http://u:secret-word@h:port" }, "proxy: "},
	{"a proxy of another kind", func(s *Settings) { s.Proxy = "ftp://u:secret-word@h" }, "proxy: "},
	{"a proxy without a host", func(s *Settings) { s.Proxy = "http:secret-word" }, "proxy: "},
}

func TestSettings(t *testing.T) {
	for _, test := range settingsTests {
		s := DefaultSettings()
		s.URL = "https://example.com/hooks"
		test.change(&s)
		to, err := New(s)
		switch {
		case test.want == "":
			if err != nil {
				t.Errorf("%s: %v", test.name, err)
			} else if err := to.Close(); err != nil {
				t.Errorf("%s: %v", test.name, err)
			}
		case err == nil || !strings.HasPrefix(err.Error(), test.want):
			t.Errorf("%s: error %v, want %s", test.name, err, test.want)
		case strings.Contains(err.Error(), "secret-word"):
			t.Errorf("%s: a secret is in %q", test.name, err)
		}
	}
}
