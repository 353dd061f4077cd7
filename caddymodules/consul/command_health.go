package consul

// command_health.go asks a service whether it is well.

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// healthCheck asks a URL now and then.
type healthCheck struct {
	url      string
	client   *http.Client
	interval time.Duration
}

// newHealthCheck makes a check that takes a status of 2xx within timeout for an answer.
func newHealthCheck(url string, interval, timeout time.Duration) *healthCheck {
	return &healthCheck{url: url, interval: interval, client: &http.Client{
		Timeout: timeout,
		// It is the service that is asked, not a proxy before it, and by a new connection each
		// time: one that is kept says nothing about whether others can still connect.
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// watch asks at once and then each interval, and sends nil or what is wrong, until ctx
// ends.
func (h *healthCheck) watch(ctx context.Context, verdicts chan<- error) {
	ticker := time.NewTicker(h.interval)
	defer ticker.Stop()
	for {
		select {
		case verdicts <- h.ask(ctx):
		case <-ctx.Done():
			return
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// ask returns nil if the service is well.
func (h *healthCheck) ask(ctx context.Context) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, h.url, nil)
	if err != nil {
		return err
	}
	r.Header.Set("User-Agent", "weir-"+commandName)
	answer, err := h.client.Do(r)
	if err != nil {
		var withURL *url.Error // in which there may be a token
		if errors.As(err, &withURL) {
			if withURL.Timeout() {
				return fmt.Errorf("no answer within %s", h.client.Timeout)
			}
			return withURL.Err
		}
		return err
	}
	answer.Body.Close()
	if answer.StatusCode < 200 || answer.StatusCode > 299 {
		return fmt.Errorf("the status is %d", answer.StatusCode)
	}
	return nil
}
