package warmup

// ready.go holds the readiness check.

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
)

const (
	defaultInterval = caddy.Duration(time.Second)
	defaultTimeout  = caddy.Duration(2 * time.Second)

	// What is less polls all the time, or gives no service the time to answer.
	leastInterval = caddy.Duration(100 * time.Millisecond)
	leastTimeout  = caddy.Duration(time.Millisecond)
)

// Ready is a readiness check: a GET that any 2xx answers. Redirects are not
// followed.
type Ready struct {
	// URL is asked, http or https. Required.
	URL string `json:"url,omitempty"`
	// Interval is the time between two polls, give or take a tenth, at least 100ms.
	// Default: 1s.
	Interval caddy.Duration `json:"interval,omitempty"`
	// Timeout is how long a poll may take, at least 1ms. Default: 2s.
	Timeout caddy.Duration `json:"timeout,omitempty"`
}

// configure fills in the defaults and checks the rest.
func (c *Ready) configure() error {
	if c.Interval == 0 {
		c.Interval = defaultInterval
	}
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	if c.Interval < leastInterval {
		return fmt.Errorf("ready: interval %s is less than %s", time.Duration(c.Interval), time.Duration(leastInterval))
	}
	if c.Timeout < leastTimeout {
		return fmt.Errorf("ready: timeout %s is less than %s", time.Duration(c.Timeout), time.Duration(leastTimeout))
	}
	u, err := url.Parse(c.URL)
	switch {
	case err != nil: // whose text has the URL, password and all
		return fmt.Errorf("ready: the URL is none; give one such as http://127.0.0.1:8080/health")
	case u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return fmt.Errorf("ready: %q is not a URL such as http://127.0.0.1:8080/health", c.shown())
	case strings.ContainsAny(c.URL, "{}"):
		return fmt.Errorf("ready: %q contains a placeholder: the check belongs to no request", c.shown())
	}
	return nil
}

// shown is the URL without what may be secret, or empty without a check.
func (c *Ready) shown() string {
	if c == nil {
		return ""
	}
	u, err := url.Parse(c.URL)
	if err != nil {
		return ""
	}
	bare := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, Opaque: u.Opaque}
	return bare.String()
}

// answers polls once.
func (c *Ready) answers(ctx context.Context, client *http.Client) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(c.Timeout))
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.URL, nil)
	if err != nil {
		return false // checked before
	}
	r.Header.Set("User-Agent", "weir warm_up")
	res, err := client.Do(r)
	if err != nil {
		return false
	}
	defer func() { _ = res.Body.Close() }()
	// A body that is read lets the connection be used again.
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10))
	return res.StatusCode >= 200 && res.StatusCode < 300
}

// newTransport goes to the service itself: a proxy of the environment could answer
// in its place.
func newTransport() *http.Transport {
	return &http.Transport{MaxIdleConnsPerHost: 1, IdleConnTimeout: time.Minute, TLSHandshakeTimeout: 10 * time.Second}
}

func newClient(transport http.RoundTripper) *http.Client {
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
