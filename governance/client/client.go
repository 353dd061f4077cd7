// Package client is an http.RoundTripper for services that call other services
// without a gateway: it spreads requests over the endpoints of a service by how
// well each one does, and tries another one where that is safe.
//
// What it learns and how it picks is package balance, with the same classes of
// outcome as in the gateway: an answer with a failure status, a refused connection,
// a timeout and a broken connection are the endpoint's failures; a caller that gives
// up and a request that cannot be sent are nobody's.
//
// The package depends on the standard library, on the packages balance and circuit, and on
// internal/retryafter, which needs nothing else.
package client

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/weirproxy/weir/governance/balance"
	"github.com/weirproxy/weir/governance/circuit"
)

// Settings are a Transport's. Only Endpoints is required.
type Settings struct {
	// Endpoints tells where requests can go: Static, a List, or a Source that
	// looks them up.
	Endpoints Source

	// PollEvery is the pause between two looks at a Source; a list is read once.
	// Default: 1s.
	PollEvery time.Duration

	// Balance are the settings of the balancer, and of a circuit breaker for each
	// endpoint if Balance.Breaker is set. Default: balance.DefaultSettings(), without
	// breakers.
	Balance balance.Settings

	// Retries is how many further attempts a request may have, within
	// Balance.RetryBudget. A request is tried again only if its body is empty or
	// can be had again (GetBody, which http.NewRequest sets for bytes and strings),
	// and only if its method is idempotent (RFC 9110, 9.2.2), it has an
	// Idempotency-Key, or no connection could be made. Default: 0, none.
	Retries int

	// FailureStatus are the statuses that count as failures, from 400 on; 4 and 5
	// stand for their classes. Default: 500, 502, 503, 504.
	FailureStatus []int

	// Transport sends the attempts. It sees the endpoint in URL.Host. Whatever error
	// it returns is held against the endpoint, so what can fail by itself, such as
	// fetching a token, belongs around this Transport and not below it. Default:
	// an http.Transport as http.DefaultTransport, but without a proxy, connecting
	// within 3 s, and keeping up to 100 idle connections to each endpoint.
	Transport http.RoundTripper

	// Logger is told when a Source begins to fail and when it works again, of the changes
	// of breakers, and of what they would do if they were not in a dry run. Default: slog.Default().
	Logger *slog.Logger
}

// Transport is an http.RoundTripper over the endpoints of one service. The host of
// a request's URL is the service's name and goes nowhere but into the Host header:
// the endpoint replaces it. It is safe for concurrent use.
type Transport struct {
	next     http.RoundTripper
	owned    *http.Transport // next, if it was made here
	retries  int
	failures [600]bool
	pool     *balance.Pool
	balancer *balance.Balancer

	watcher *watcher
	list    atomic.Pointer[list] // nil until the source has told one, or failed
	retried atomic.Uint64
	denied  atomic.Uint64

	logger       *slog.Logger
	dryRunLogged atomic.Int64 // when, in nanoseconds of Unix time
}

// New returns a Transport. It returns an error that names the first setting that
// makes no sense. A Source is first asked in the background; requests wait for it.
func New(s Settings) (*Transport, error) {
	if s.Balance == (balance.Settings{}) {
		s.Balance = balance.DefaultSettings()
	}
	if s.PollEvery == 0 {
		s.PollEvery = time.Second
	}
	if s.Logger == nil {
		s.Logger = slog.Default()
	}
	switch {
	case s.Endpoints == nil:
		return nil, errors.New("there are no Endpoints; give client.Static(\"host:port\", ...) or another Source")
	case s.PollEvery < 0:
		return nil, fmt.Errorf("setting PollEvery: %v is negative", s.PollEvery)
	case s.Retries < 0:
		return nil, fmt.Errorf("setting Retries: %d is negative", s.Retries)
	}
	if err := s.Balance.Validate(); err != nil {
		return nil, fmt.Errorf("setting Balance: %w", err)
	}
	failures, err := failureStatus(s.FailureStatus)
	if err != nil {
		return nil, err
	}
	t := &Transport{next: s.Transport, retries: s.Retries, failures: failures, pool: balance.NewPool(), logger: s.Logger}
	t.balancer = balance.NewBalancer(t.pool, s.Balance)
	t.balancer.Watch(func(address string, c circuit.Change) { logChange(s.Logger, address, c) })
	if t.next == nil {
		t.owned = newHTTPTransport()
		t.next = t.owned
	}
	if fixed, ok := s.Endpoints.(List); ok {
		if len(fixed) == 0 {
			return nil, errors.New("the list of Endpoints is empty; give at least one")
		}
		l, err := t.newList(fixed)
		if err != nil {
			return nil, fmt.Errorf("setting Endpoints: %w", err)
		}
		t.list.Store(l)
		return t, nil
	}
	t.watcher = t.watch(s)
	return t, nil
}

func logChange(logger *slog.Logger, address string, c circuit.Change) {
	level, message := slog.LevelInfo, "breaker is "+c.To.String()
	if c.To == circuit.Open {
		level = slog.LevelWarn
	}
	logger.Log(context.Background(), level, message, slog.String("endpoint", address),
		slog.String("why", c.Why), slog.Duration("open_for", c.OpenFor))
}

// logEvery is how often at most it is logged what breakers would do if they were not in a
// dry run.
const logEvery = 10 * time.Second

func (t *Transport) wouldSkip(address string) {
	now, last := time.Now().UnixNano(), t.dryRunLogged.Load()
	if now-last < int64(logEvery) || !t.dryRunLogged.CompareAndSwap(last, now) {
		return
	}
	t.logger.Info("a breaker would have had an endpoint skipped, were it not in a dry run; logged at most once in 10 s",
		slog.String("endpoint", address))
}

// newHTTPTransport returns what sends requests if nothing else is given. A proxy
// between would hide which endpoint does not answer, and the two idle connections
// that net/http keeps are too few for one service that calls another.
func newHTTPTransport() *http.Transport {
	dialer := &net.Dialer{Timeout: 3 * time.Second, KeepAlive: 30 * time.Second}
	return &http.Transport{
		DialContext:           dialer.DialContext,
		ForceAttemptHTTP2:     true,
		MaxIdleConnsPerHost:   100,
		IdleConnTimeout:       90 * time.Second,
		TLSHandshakeTimeout:   10 * time.Second,
		ExpectContinueTimeout: time.Second,
	}
}

// RoundTrip implements http.RoundTripper. Its errors are a *NoEndpointError, an
// *EndpointError, or the reason why the request could not be sent.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	l, err := t.ready(req)
	if err != nil {
		closeBody(req)
		return nil, err
	}
	i := l.pick(nil)
	if i < 0 {
		closeBody(req)
		return nil, l.nobody()
	}
	if t.retries == 0 {
		res, _, err := t.attempt(req, l.endpoints[i])
		return res, err
	}
	t.balancer.FirstAttempt()
	res, outcome, err := t.attempt(req, l.endpoints[i])
	if !outcome.Failure() {
		return res, err
	}
	return t.retry(req, l, i, outcome, res, err)
}

// ready returns the endpoints, and waits for them at first.
func (t *Transport) ready(req *http.Request) (*list, error) {
	if req.URL == nil {
		return nil, errors.New("the request has no URL")
	}
	ctx := req.Context()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if l := t.list.Load(); l != nil {
		return l, nil
	}
	select {
	case <-t.watcher.first:
		return t.list.Load(), nil
	case <-t.watcher.ended:
		return nil, &NoEndpointError{Err: errors.New("the Transport is closed")}
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// closeBody closes the body of a request that is not sent, as a RoundTripper must.
func closeBody(req *http.Request) {
	if req.Body != nil {
		req.Body.Close()
	}
}

// Close ends looking at the Source and returns when its Endpoints has. Requests that
// are under way, and later ones, go on with the endpoints known last.
func (t *Transport) Close() {
	if t.watcher != nil {
		t.watcher.stop()
	}
	t.balancer.Close()
	t.CloseIdleConnections()
}

// CloseIdleConnections closes the connections that no request uses. The method of
// http.Client of that name calls it.
func (t *Transport) CloseIdleConnections() {
	if c, ok := t.next.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// Snapshot is the state of a Transport at one time, for people.
type Snapshot struct {
	balance.Snapshot
	// Retried counts the further attempts of requests, and Denied those that the
	// budget did not allow.
	Retried uint64 `json:"retried"`
	Denied  uint64 `json:"retries_denied"`
	// SourceError is why the list of endpoints may be an old one; empty if the
	// Source answers.
	SourceError string `json:"source_error,omitempty"`
}

// Snapshot returns the state now.
func (t *Transport) Snapshot() Snapshot {
	s := Snapshot{Snapshot: t.balancer.Snapshot(), Retried: t.retried.Load(), Denied: t.denied.Load()}
	if l := t.list.Load(); l != nil && l.err != nil {
		s.SourceError = l.err.Error()
	}
	return s
}
