package document

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// AllowHosts reads from the hosts in the list by https, and from loopback addresses and localhost also by http. A
// host is "example.com", which means the scheme's own port, or "example.com:8443". Redirects must stay within the
// list. A file of more than maxBytes is an error. Everything else is refused. How long a read may take is the
// client's Timeout and the context's to say.
func AllowHosts(client *http.Client, hosts []string, maxBytes int64) Read {
	allowed := make([]string, len(hosts))
	for i, host := range hosts {
		allowed[i] = strings.ToLower(host)
		if strings.HasSuffix(host, "]") { // [::1] without a port
			allowed[i] = strings.Trim(allowed[i], "[]")
		}
	}
	own := *client
	own.CheckRedirect = func(r *http.Request, via []*http.Request) error {
		if len(via) >= 10 {
			return fmt.Errorf("%s redirects more than ten times", via[0].URL)
		}
		if err := mayFetch(r.URL, allowed); err != nil {
			return fmt.Errorf("%s redirects to another place: %w", via[0].URL, err)
		}
		return nil
	}
	return func(ctx context.Context, location *url.URL) ([]byte, error) {
		if err := mayFetch(location, allowed); err != nil {
			return nil, err
		}
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, location.String(), nil)
		if err != nil {
			return nil, err
		}
		r.Header.Set("Accept", "application/yaml, application/json, */*;q=0.5")
		response, err := own.Do(r)
		if err != nil {
			return nil, err
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return nil, fmt.Errorf("%s answers %s", location, response.Status)
		}
		return readAll(response.Body, maxBytes, location.String())
	}
}

// mayFetch tells why a URL may not be fetched.
func mayFetch(u *url.URL, allowed []string) error {
	host := strings.ToLower(u.Hostname())
	switch {
	case u.Scheme != "https" && u.Scheme != "http" || host == "":
		return &Refused{fmt.Sprintf("%s is not a URL that may be fetched", u.Redacted())}
	case u.User != nil:
		return &Refused{"a URL with a user is not fetched"}
	}
	usual := map[string]string{"https": "443", "http": "80"}[u.Scheme]
	port := cmp.Or(u.Port(), usual)
	name := net.JoinHostPort(host, port)
	if !slices.Contains(allowed, name) && (port != usual || !slices.Contains(allowed, host)) {
		if port == usual {
			name = host
		}
		return &Refused{fmt.Sprintf("the host %s is not among those that may be asked: allow it (allow_refs %[1]s)", name)}
	}
	if u.Scheme == "http" && !isLoopback(host) {
		return &Refused{fmt.Sprintf("%s is asked by https only", host)}
	}
	return nil
}

func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}
