package redisclient

import (
	"crypto/tls"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/internal/testserver"
)

func TestMain(m *testing.M) { testserver.Main(m) }

func TestProblems(t *testing.T) {
	sentinel := func(master string, addresses ...string) *Sentinel {
		return &Sentinel{Master: master, Addresses: addresses, Password: "s3cret"}
	}
	for _, test := range []struct {
		name string
		o    Options
		want string
	}{
		{"a server", Options{URL: "redis://user:s3cret@localhost:6380/3"}, ""},
		{"TLS", Options{URL: "rediss://h", TLS: new(tls.Config)}, ""},
		{"a socket", Options{URL: "unix://user:s3cret@/run/redis.sock"}, ""},
		{"Sentinels", Options{Sentinel: sentinel("orders", "one:26379", "[::1]:26379")}, ""},
		{"Sentinels and a URL", Options{URL: "rediss://user:s3cret@/1", Sentinel: sentinel("orders", "one:26379")}, ""},
		{"nothing", Options{}, "url: not set"},
		{"no URL at all", Options{URL: "redis://user:s3cret@h:port"}, "url: not a URL"},
		{"a control character", Options{URL: "redis://user:s3cret\n@h"}, "url: not a URL"},
		{"another scheme", Options{URL: "http://user:s3cret@h"}, "url: neither "},
		{"no number of a database", Options{URL: "redis://user:s3cret@h/s3cret"}, "url: neither "},
		{"a query", Options{URL: "redis://user:s3cret@h?max_retries=3"}, "url: must not have a query"},
		{"an empty query", Options{URL: "redis://user:s3cret@h?"}, "url: must not have a query"},
		{"TLS without rediss", Options{URL: "redis://h", TLS: new(tls.Config)}, "tls: "},
		{"Sentinels with TLS without rediss", Options{Sentinel: sentinel("orders", "one:26379"), TLS: new(tls.Config)}, "tls: "},
		{"no master", Options{Sentinel: sentinel("", "one:26379")}, "sentinel.master: "},
		{"no Sentinel", Options{Sentinel: sentinel("orders")}, "sentinel.addresses: "},
		{"a Sentinel without a port", Options{Sentinel: sentinel("orders", "one:26379", "two")}, `sentinel.addresses[1]: "two" is not host:port`},
	} {
		err := test.o.Validate()
		var problem *Problem
		switch {
		case test.want == "":
			if err != nil {
				t.Errorf("%s: %v", test.name, err)
			}
		case !errors.As(err, &problem) || !strings.HasPrefix(err.Error(), test.want):
			t.Errorf("%s: error %v, want %s", test.name, err, test.want)
		case strings.Contains(err.Error(), "s3cret"):
			t.Errorf("%s: a password is in %q", test.name, err)
		}
	}
}

func TestOptions(t *testing.T) {
	o := Options{
		URL: "rediss://worker:s3cret@example.com:6380/3", Password: "new/word", TLS: &tls.Config{MinVersion: tls.VersionTLS13},
		DialTimeout: 2 * time.Second, Timeout: 3 * time.Second,
	}
	got, err := o.client()
	if err != nil {
		t.Fatal(err)
	}
	if got.Addr != "example.com:6380" || got.Username != "worker" || got.Password != "new/word" || got.DB != 3 {
		t.Errorf("the URL became %s, %s, %s, %d", got.Addr, got.Username, got.Password, got.DB)
	}
	if got.TLSConfig.ServerName != "example.com" || got.TLSConfig.MinVersion != tls.VersionTLS13 || o.TLS.ServerName != "" {
		t.Errorf("TLS for %s, and %q was written into the options", got.TLSConfig.ServerName, o.TLS.ServerName)
	}
	if got.MaxRetries != -1 || got.DialerRetries != 1 || got.DialTimeout != 2*time.Second || got.ReadTimeout != 3*time.Second || got.WriteTimeout != 3*time.Second {
		t.Errorf("%d retries, %d dials, timeouts %s, %s, %s", got.MaxRetries, got.DialerRetries, got.DialTimeout, got.ReadTimeout, got.WriteTimeout)
	}
	o.Sentinel = &Sentinel{Master: "orders", Addresses: []string{"one:26379"}}
	if got, err = o.client(); err != nil || got.TLSConfig.ServerName != "" {
		t.Errorf("with Sentinels all servers must have the name %s, %v", got.TLSConfig.ServerName, err)
	}
	o.TLS = nil
	if got, err = o.client(); err != nil || got.TLSConfig.MinVersion != tls.VersionTLS12 || got.TLSConfig.ServerName != "" {
		t.Errorf("without certificates: %+v, %v", got.TLSConfig, err)
	}
}
