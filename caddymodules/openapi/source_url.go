package openapi

// source_url.go reads documents over HTTP.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/weirproxy/weir/governance/contract/document"
)

const (
	// readTimeout bounds one look at a URL, with all files that the document refers to.
	readTimeout = 10 * time.Second
	// maxRedirects is how many are followed.
	maxRedirects = 5
)

// newTransport is what documents are read by. Looks are too far apart for connections to be kept.
func newTransport() *http.Transport {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
		TLSHandshakeTimeout:   5 * time.Second,
		ResponseHeaderTimeout: readTimeout,
		DisableKeepAlives:     true,
		ForceAttemptHTTP2:     true,
	}
}

// urlSource is a URL, with the files of its host and folder that it refers to.
type urlSource struct {
	url    *url.URL
	client *http.Client
	limit  int64
	refer  document.Read // what is not of its folder
}

func newURLSource(s trackSettings, client *http.Client) (*urlSource, error) {
	at, err := url.Parse(s.Source)
	if err != nil || at.Host == "" || at.Fragment != "" {
		return nil, errors.New("the document's URL is none: it must be like https://example.com/openapi.yaml")
	}
	own := *client
	own.CheckRedirect = sameHost
	return &urlSource{
		url: at, client: &own, limit: s.MaxDocument,
		refer: document.AllowHosts(client, s.AllowRefs, s.MaxDocument),
	}, nil
}

// sameHost has redirects stay where the operator's trust is.
func sameHost(r *http.Request, via []*http.Request) error {
	first := via[0].URL
	switch {
	case len(via) > maxRedirects:
		return fmt.Errorf("it redirects more than %d times", maxRedirects)
	case !strings.EqualFold(r.URL.Host, first.Host):
		return fmt.Errorf("it redirects to the host %s: give that URL if you trust it", r.URL.Host)
	case first.Scheme == "https" && r.URL.Scheme != "https":
		return errors.New("it redirects from https to http")
	}
	return nil
}

func (u *urlSource) origin() string { return originURL }
func (u *urlSource) shown() string  { return public(u.url).String() }

func (u *urlSource) root(ctx context.Context, last *texts) (*texts, error) {
	location := u.shown()
	response, text, err := u.get(ctx, u.url, last)
	if err != nil {
		return nil, err
	}
	x := &texts{location: location, files: map[string][]byte{location: text}}
	if response.StatusCode == http.StatusNotModified {
		x.files[location], x.etag, x.modified = last.files[last.location], last.etag, last.modified
	} else {
		x.etag, x.modified = response.Header.Get("ETag"), response.Header.Get("Last-Modified")
	}
	return x, nil
}

// get asks for a URL, for what has changed since last if that is known. The answer is 200, or 304 without a text.
func (u *urlSource) get(ctx context.Context, at *url.URL, last *texts) (*http.Response, []byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return nil, nil, failed(at, err)
	}
	request.Header.Set("Accept", "application/yaml, application/json;q=0.9, */*;q=0.1")
	request.Header.Set("User-Agent", "weir")
	conditional := last != nil && (last.etag != "" || last.modified != "")
	if conditional && last.etag != "" {
		request.Header.Set("If-None-Match", last.etag)
	}
	if conditional && last.modified != "" {
		request.Header.Set("If-Modified-Since", last.modified)
	}
	response, err := u.client.Do(request)
	if err != nil {
		return nil, nil, failed(at, err)
	}
	defer response.Body.Close()
	switch {
	case response.StatusCode == http.StatusNotModified && conditional:
		return response, nil, nil
	case response.StatusCode != http.StatusOK:
		return nil, nil, failed(at, fmt.Errorf("it answered %s", response.Status))
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, u.limit+1))
	switch {
	case err != nil:
		return nil, nil, failed(at, err)
	case int64(len(text)) > u.limit:
		return nil, nil, failed(at, tooLarge(u.limit))
	}
	return response, text, nil
}

// public is a URL without what may be a secret: user and query.
func public(at *url.URL) *url.URL {
	shown := *at
	shown.User, shown.RawQuery, shown.ForceQuery = nil, "", false
	return &shown
}

// failed is an error that names the URL as it is shown; those of net/http name all of it.
func failed(at *url.URL, err error) error {
	var asked *url.Error
	if errors.As(err, &asked) {
		err = asked.Err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("it did not answer within %s", readTimeout)
	}
	return fmt.Errorf("%s: %w", public(at), err)
}

func (u *urlSource) reference(ctx context.Context, location *url.URL) ([]byte, error) {
	if !u.inFolder(location) {
		return u.refer(ctx, location)
	}
	asked := *location
	asked.User = u.url.User
	_, text, err := u.get(ctx, &asked, nil)
	return text, err
}

// inFolder reports whether a file is of the document's host and in its folder or below.
func (u *urlSource) inFolder(location *url.URL) bool {
	folder := u.url.Path[:strings.LastIndex(u.url.Path, "/")+1]
	return location.Scheme == u.url.Scheme && location.Host == u.url.Host &&
		strings.HasPrefix(location.Path, folder) &&
		path.Clean(location.Path) == location.Path && // no dots, also none that were encoded
		!strings.Contains(location.Path, `\`) && !strings.Contains(strings.ToLower(location.EscapedPath()), "%2f")
}
