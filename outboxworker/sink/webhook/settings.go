package webhook

// settings.go holds what the sink can be told, and its defaults.

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Settings are what the sink can be told. Zero values are not defaults: begin with
// DefaultSettings.
type Settings struct {
	// URL is where messages are posted, with http or https; it may be a private
	// address. {topic} in its path stands for the message's topic, escaped; it may be
	// nowhere else, since the host must not come from a message. A user and a password
	// in it are sent as basic authentication. No default.
	URL string
	// Concurrency is the most requests at once, and the number of connections that
	// are kept: 1 to 1024. Default: 32.
	Concurrency int
	// Timeout bounds a request, from connecting to the end of the answer, and so how
	// much longer than Batch.Until a delivery may take. Default: 5s.
	Timeout time.Duration
	// IdleTimeout is how long an unused connection is kept. It should be less than the
	// receiver's, so that no request meets a connection that is just being closed;
	// 5 seconds are common there. Default: 4s.
	IdleTimeout time.Duration
	// Secrets sign requests after Standard Webhooks: whsec_ and then 24 to 64 bytes in
	// base64. With two, each request has a signature of both, so that the receiver can
	// change from one to the other. Default: none, which means no signature.
	Secrets []string
	// Headers are added to each request, Authorization for instance. They replace what
	// a message or the sink itself would set, but cannot be webhook-*, ce-*,
	// idempotency-key, Host or what frames the body. Default: none.
	Headers map[string]string
	// Source is the ce-source of each request: a URI reference that names the outbox
	// to the receiver. Default: weir/outbox.
	Source string
	// FatalStatus are statuses, of 300 to 599, after which a message is dead at once.
	// Default: 400, 410, 413, 415, 422.
	FatalStatus []int
	// Proxy is the URL of a proxy for requests: http, https or socks5. The environment
	// is not asked for one. Default: none.
	Proxy string
	// TLS is for https, for instance with a private certificate authority. Default:
	// nil, which means the certificate authorities of the system, and TLS 1.2 or later.
	TLS *tls.Config
}

// DefaultSettings are the defaults.
func DefaultSettings() Settings {
	return Settings{
		Concurrency: 32,
		Timeout:     5 * time.Second,
		IdleTimeout: 4 * time.Second,
		Source:      "weir/outbox",
		FatalStatus: []int{
			http.StatusBadRequest, http.StatusGone, http.StatusRequestEntityTooLarge,
			http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity,
		},
	}
}

// Validate tells what is wrong with the settings. Its errors contain no URL, secret or
// value of a header.
func (s *Settings) Validate() error {
	if _, err := parseTarget(s.URL); err != nil {
		return err
	}
	if _, err := parseSecrets(s.Secrets); err != nil {
		return err
	}
	if _, err := parseProxy(s.Proxy); s.Proxy != "" && err != nil {
		return err
	}
	switch {
	case s.Concurrency < 1 || s.Concurrency > 1024:
		return fmt.Errorf("concurrency: %d is not between 1 and 1024", s.Concurrency)
	case s.Timeout <= 0:
		return fmt.Errorf("timeout: %s is not above 0", s.Timeout)
	case s.IdleTimeout <= 0:
		return fmt.Errorf("idle_timeout: %s is not above 0", s.IdleTimeout)
	case s.Source == "":
		return errors.New("source: not set")
	}
	if _, err := url.Parse(s.Source); err != nil {
		return fmt.Errorf("source: %q is no URI reference", s.Source)
	}
	for _, status := range s.FatalStatus {
		if status < 300 || status > 599 {
			return fmt.Errorf("fatal_status: %d is not between 300 and 599", status)
		}
	}
	return validateHeaders(s.Headers)
}

func validateHeaders(headers map[string]string) error {
	seen := make(map[string]bool)
	for name, value := range headers {
		canonical := http.CanonicalHeaderKey(name)
		switch {
		case !isToken(name):
			return fmt.Errorf("headers: %q is not the name of a header", name)
		case isFraming(canonical) || isOurs(canonical):
			return fmt.Errorf("headers: %s cannot be set", name)
		case !isHeaderValue(value):
			return fmt.Errorf("headers: the value of %s has characters that are not allowed", name)
		case seen[canonical]:
			return fmt.Errorf("headers: %s is there twice", canonical)
		}
		seen[canonical] = true
	}
	return nil
}

// parseProxy leaves out of its errors what was parsed, since a password may be in it.
func parseProxy(proxy string) (*url.URL, error) {
	parsed, err := url.Parse(proxy)
	if err != nil {
		return nil, errors.New("proxy: not a URL")
	}
	switch strings.ToLower(parsed.Scheme) {
	case "http", "https", "socks5":
	default:
		return nil, errors.New("proxy: must begin with http, https or socks5")
	}
	if parsed.Host == "" {
		return nil, errors.New("proxy: has no host")
	}
	return parsed, nil
}
