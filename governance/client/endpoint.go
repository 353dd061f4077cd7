package client

// endpoint.go holds what an endpoint is and where endpoints come from.

import (
	"context"
	"fmt"
	"math"
	"net/url"
	"strings"
	"time"

	"github.com/weirproxy/weir/governance/balance"
)

// Endpoint is one process that answers requests.
type Endpoint struct {
	// Address is host:port, or http://host:port or https://host:port. Without a
	// scheme it is the request's, without a port the scheme's.
	Address string
	// Weight is the endpoint's weight beside the others'. Default: 1. An endpoint
	// that is to get nothing is left out of the list.
	Weight float64
	// Instance identifies the process behind the address, if that is known: when it
	// changes, what was learnt of the address is forgotten.
	Instance string
	// Since is when the instance started, if that is known: slow start counts from
	// then, and otherwise from when the endpoint was first told.
	Since time.Time
}

// Source tells the endpoints of a service.
type Source interface {
	// Endpoints returns all endpoints that are there now. An address that is there
	// twice counts once. After an error, or a list with an endpoint that makes no
	// sense, the last list stays in use.
	//
	// It is called by one goroutine, again and again until the Transport is closed,
	// with a pause of Settings.PollEvery. A source that learns of changes may
	// wait for the next one, but not in its first call: requests wait for that. It
	// must return when ctx ends.
	Endpoints(ctx context.Context) ([]Endpoint, error)
}

// SourceFunc is a function that is a Source.
type SourceFunc func(ctx context.Context) ([]Endpoint, error)

// Endpoints implements Source.
func (f SourceFunc) Endpoints(ctx context.Context) ([]Endpoint, error) { return f(ctx) }

// List is a Source that never changes.
type List []Endpoint

// Static returns the List of addresses, all with the same weight.
func Static(addresses ...string) List {
	list := make(List, len(addresses))
	for i, address := range addresses {
		list[i].Address = address
	}
	return list
}

// Endpoints implements Source.
func (l List) Endpoints(context.Context) ([]Endpoint, error) { return l, nil }

// target is where an endpoint is, and what is known about it.
type target struct {
	scheme   string // empty: the request's
	host     string
	address  string // as it was told
	upstream *balance.Upstream
}

// parse returns the target that e describes.
func (e Endpoint) parse() (*target, error) {
	absolute := e.Address
	if !strings.Contains(absolute, "://") {
		absolute = "//" + absolute
	}
	u, err := url.Parse(absolute)
	fault := ""
	switch {
	case err != nil:
		fault = "is no address"
	case u.Scheme != "" && u.Scheme != "http" && u.Scheme != "https":
		fault = "has another scheme than http and https"
	case u.Hostname() == "":
		fault = "has no host"
	case u.User != nil:
		fault = "has a user"
	case strings.TrimSuffix(u.Path, "/") != "" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		fault = "has more than a host"
	case !(e.Weight >= 0) || math.IsInf(e.Weight, 1):
		return nil, fmt.Errorf("endpoint %q: weight %v is negative or no number", e.Address, e.Weight)
	default:
		return &target{scheme: u.Scheme, host: u.Host, address: e.Address}, nil
	}
	shown := e.Address[strings.LastIndex(e.Address, "@")+1:] // there may be a password before it
	return nil, fmt.Errorf("endpoint %q %s; it must be host:port, or a URL without user and path", shown, fault)
}

// member returns e as the balancer knows it.
func (e Endpoint) member() balance.Member {
	m := balance.Member{
		Address: e.Address, Weight: e.Weight, Advertised: true,
		Instance: e.Instance, Since: e.Since,
	}
	if m.Weight == 0 {
		m.Weight = 1
	}
	return m
}
