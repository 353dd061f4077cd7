package redisstream

import (
	"crypto/tls"
	"strings"
	"testing"
	"time"
)

func TestSettings(t *testing.T) {
	valid := func() Settings {
		s := DefaultSettings()
		s.URL = "redis://relay:secret-word@localhost:6380/3"
		return s
	}
	for _, test := range []struct {
		name   string
		change func(*Settings)
		want   string
	}{
		{"the defaults", func(*Settings) {}, ""},
		{"TLS", func(s *Settings) { s.URL, s.TLS = "rediss://h", new(tls.Config) }, ""},
		{"a socket", func(s *Settings) { s.URL = "unix://relay:secret-word@/run/redis.sock" }, ""},
		{"no URL", func(s *Settings) { s.URL = "" }, "url: not set"},
		{"no URL that can be used", func(s *Settings) { s.URL = "http://relay:secret-word@h" }, "url: "},
		{"TLS without rediss", func(s *Settings) { s.TLS = new(tls.Config) }, "tls: "},
		{"Sentinels", func(s *Settings) {
			s.URL, s.Sentinel = "", &Sentinel{Master: "orders", Addresses: []string{"one:26379"}}
		}, ""},
		{"Sentinels without a master", func(s *Settings) {
			s.Sentinel = &Sentinel{Addresses: []string{"one:26379"}, Password: "secret-word"}
		}, "sentinel.master: "},
		{"no stream", func(s *Settings) { s.Stream = "" }, "stream: "},
		{"lanes", func(s *Settings) { s.Stream, s.Lanes = "a:{topic}:{topic}", true }, ""},
		{"a brace with lanes", func(s *Settings) { s.Stream, s.Lanes = "{a}:{topic}", true }, "stream: "},
		{"a closing brace with lanes", func(s *Settings) { s.Stream, s.Lanes = "a}", true }, "stream: "},
		{"a negative length", func(s *Settings) { s.MaxLen = -1 }, "max_len: "},
		{"no message", func(s *Settings) { s.ChunkMessages = 0 }, "chunk_messages: "},
		{"too many messages", func(s *Settings) { s.ChunkMessages = 5001 }, "chunk_messages: "},
		{"no time to dial", func(s *Settings) { s.DialTimeout = 0 }, "dial_timeout: "},
		{"no time", func(s *Settings) { s.Timeout = time.Second }, "timeout: "},
	} {
		s := valid()
		test.change(&s)
		_, err := New(s)
		switch {
		case test.want == "":
			if err != nil {
				t.Errorf("%s: %v", test.name, err)
			}
		case err == nil || !strings.HasPrefix(err.Error(), test.want):
			t.Errorf("%s: error %v, want %s", test.name, err, test.want)
		case strings.Contains(err.Error(), "secret-word"):
			t.Errorf("%s: a password is in %q", test.name, err)
		}
	}
}

// The client, of a server or of Sentinels, repeats nothing and is told everything.
func TestClient(t *testing.T) {
	s := DefaultSettings()
	s.URL, s.Password = "redis://relay:secret@example.com:6380/3", "new"
	for _, sentinel := range []*Sentinel{nil, {Master: "orders", Addresses: []string{"one:26379"}}} {
		s.Sentinel = sentinel
		to, err := New(s)
		if err != nil {
			t.Fatal(err)
		}
		o := to.client.Options()
		if o.MaxRetries != 0 || o.DialerRetries != 1 || o.DialTimeout != 2*time.Second || o.ReadTimeout != 3*time.Second || o.WriteTimeout != 3*time.Second {
			t.Errorf("%d retries, %d dials, timeouts %s, %s, %s", o.MaxRetries, o.DialerRetries, o.DialTimeout, o.ReadTimeout, o.WriteTimeout)
		}
		if o.Username != "relay" || o.Password != "new" || o.DB != 3 || (o.Addr == "example.com:6380") != (sentinel == nil) {
			t.Errorf("the URL became %s, %s, %s, %d", o.Addr, o.Username, o.Password, o.DB)
		}
		if err := to.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestStreamNames(t *testing.T) {
	for template, want := range map[string]string{
		"events:{topic}": "events:a b", "{topic}": "a b", "all": "all", "{{topic}}:{topic}": "{a b}:a b",
	} {
		if got := (&Settings{Stream: template}).stream(target{topic: "a b", lane: 3}); got != want {
			t.Errorf("%s: %s, want %s", template, got, want)
		}
	}
	lanes := Settings{Stream: "events:{topic}", Lanes: true}
	if got, want := lanes.stream(target{topic: "a b", lane: 3}), "events:a b:{3}"; got != want {
		t.Errorf("with lanes: %s, want %s", got, want)
	}
}
