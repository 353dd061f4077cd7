package consul

// source.go is what both sources of dynamic upstreams are made of.

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/weirproxy/weir/governance/discovery"
	"github.com/weirproxy/weir/governance/livestate"
	"github.com/weirproxy/weir/internal/inforce"
	"github.com/weirproxy/weir/internal/metricset"
)

const (
	// discoveryKind is the registry's name for what sources keep.
	discoveryKind = "discovery"
	// firstWithin is how long requests wait for the first set, counted from when the
	// source was provisioned.
	firstWithin = 3 * time.Second
)

// cacheFiles has who writes which file. It is a registry of its own because there is
// nothing to see in it.
var cacheFiles livestate.Registry

// query is what a module asks Consul for.
type query interface {
	caddy.Module
	// label names the query within all of a process.
	label() string
	// of returns the source that asks it.
	of(*api.Client) (discovery.Source, error)
	options() *Discovery
}

// source is a source of upstreams while it is in use. What outlives the configuration is
// in watch.
type source struct {
	name        string // in live state, metrics and errors
	asks        discovery.Source
	settings    discovery.Settings
	fingerprint string // of settings and client, to tell whether two sources want the same watch
	log         *slog.Logger

	tls    bool      // whether the proxy speaks TLS to its upstreams
	static bool      // whether it has others to fall back to
	until  time.Time // how long requests may wait for the first set

	watch   *watch
	handle  *livestate.Handle
	file    *livestate.Handle // of the cache file
	current atomic.Pointer[view]
}

// provision checks the settings and takes up the watch. It asks Consul nothing: that
// begins when the configuration is in force.
func (s *source) provision(ctx caddy.Context, q query) error {
	s.until = time.Now().Add(firstWithin)
	s.log = ctx.Slogger()
	s.name = q.label()
	if err := s.configure(ctx, q); err != nil {
		return fmt.Errorf("dynamic %s: %w", s.name, err)
	}
	if err := metricset.Register(ctx.GetMetricsRegistry()); err != nil {
		return err
	}
	s.tls, s.static = proxyOf(ctx)
	if err := s.acquire(ctx, q); err != nil {
		return fmt.Errorf("dynamic %s: %w", s.name, err)
	}
	inforce.Then(ctx, func() { s.handle.Show(s) })
	return nil
}

func (s *source) configure(ctx caddy.Context, q query) (err error) {
	if s.settings, err = q.options().settings(); err != nil {
		return err
	}
	c, err := moduleOf(ctx)
	if err != nil {
		return err
	}
	if s.asks, err = q.of(c.client); err != nil {
		return err
	}
	// the name of what is asked belongs to it: a tag can look like two options in a label
	s.fingerprint, err = fingerprint(s.settings, c.identity+" "+s.asks.Name())
	return err
}

// acquire takes up the live state, and the cache file.
func (s *source) acquire(ctx caddy.Context, q query) (err error) {
	where, err := place(q)
	if err != nil {
		return err
	}
	claim := livestate.Claim{
		Key:           livestate.Key{Kind: discoveryKind, Name: s.name},
		Configuration: ctx.GetMetricsRegistry(),
		Settings:      s.fingerprint,
		Place:         where,
	}
	s.watch, s.handle, err = livestate.Acquire(livestate.Default, claim, func() (*watch, error) { return newWatch(), nil })
	if errors.Is(err, livestate.ErrConflict) {
		return fmt.Errorf("sources of the same instances share a watch, and the name comes from what those are chosen by: %w", err)
	} else if err != nil {
		return err
	}
	s.watch.join(s)
	if s.settings.CacheFile == "" {
		return nil
	}
	file, err := filepath.Abs(s.settings.CacheFile)
	if err != nil {
		return err
	}
	claim.Key = livestate.Key{Kind: "files", Name: file}
	claim.Settings = s.name
	_, s.file, err = livestate.Acquire(&cacheFiles, claim, func() (struct{}, error) { return struct{}{}, nil })
	if errors.Is(err, livestate.ErrConflict) {
		err = fmt.Errorf("cache_file %s is also that of another source: each needs a file of its own", s.settings.CacheFile)
	}
	return err
}

// proxyOf tells whether the proxy that the module belongs to speaks TLS to its upstreams,
// and whether it has static ones to fall back to when the module returns an error.
func proxyOf(ctx caddy.Context) (tls, static bool) {
	modules := ctx.Modules()
	for i := len(modules) - 1; i >= 0; i-- {
		proxy, ok := modules[i].(*reverseproxy.Handler)
		if !ok {
			continue
		}
		// a proxy has no transport yet if it will have the default one, without TLS
		transport, ok := proxy.Transport.(reverseproxy.TLSTransport)
		tls = ok && transport.TLSEnabled()
		// between a module and its proxy can be one that asks several sources
		return tls, len(proxy.Upstreams) > 0 && i == len(modules)-2
	}
	return false, false
}

// Cleanup gives the watch up; the last one to do so ends it.
func (s *source) Cleanup() error {
	if s.watch != nil {
		s.watch.leave(s)
	}
	s.handle.Release()
	s.file.Release()
	return nil
}

// GetUpstreams returns the instances to use now, without asking anyone.
//
// There is no ResetCache, by which reverse_proxy has a source asked anew before a retry: the
// watch has heard of all that Consul could tell then, and until a lease expires Consul
// does not know of an instance's end either. That is what passive health checks or
// success_weighted are for.
func (s *source) GetUpstreams(r *http.Request) ([]*reverseproxy.Upstream, error) {
	set := s.watch.set()
	if set == nil {
		if set = s.watch.first(r.Context(), s.until); set == nil {
			return s.nobody()
		}
	}
	v := s.view(set)
	if len(v.addresses) == 0 {
		return s.nobody()
	}
	return v.upstreams(), nil
}

// nobody is the answer when there is no upstream. An error has the proxy use its static
// ones, but it is also logged for each request; without static ones, the end is the
// same without one: 503.
func (s *source) nobody() ([]*reverseproxy.Upstream, error) {
	if !s.static {
		return nil, nil
	}
	status := s.watch.status()
	set := s.watch.set()
	switch {
	case set == nil && status.Error != "":
		return nil, fmt.Errorf("%s: no instance is known, as there was no answer yet: %s", s.name, status.Error)
	case set == nil:
		return nil, fmt.Errorf("%s: no instance is known, as there was no answer yet", s.name)
	case len(set.Instances) == 0:
		return nil, fmt.Errorf("%s: there are no instances", s.name)
	}
	return nil, fmt.Errorf("%s: none of the %d instances has a scheme that the proxy's transport speaks", s.name, len(set.Instances))
}

// UpstreamInfo tells weight, id and start of an instance to lb_policy success_weighted.
func (s *source) UpstreamInfo(address string) (weight float64, instance string, since time.Time, ok bool) {
	set := s.watch.set()
	if set == nil {
		return 0, "", time.Time{}, false
	}
	return s.view(set).info(address)
}

// view returns what the source makes of a set, made anew when that is another.
func (s *source) view(set *discovery.Set) *view {
	if v := s.current.Load(); v != nil && v.set == set {
		return v
	}
	v := newView(set, s.tls)
	s.current.Store(v)
	return v
}

// Lead implements livestate.Leader: from now on the watch is as this source has it.
func (s *source) Lead() { s.watch.lead(s) }

// after is a source that is asked when the watch before has ended, which writes the
// cache file once more.
type after struct {
	discovery.Source
	before <-chan struct{}
}

func (a after) Ask(ctx context.Context, index uint64, wait time.Duration) (discovery.Answer, error) {
	select {
	case <-a.before:
		return a.Source.Ask(ctx, index, wait)
	case <-ctx.Done():
		return discovery.Answer{}, ctx.Err()
	}
}

// Interface guards
var (
	_ reverseproxy.UpstreamSource = (*source)(nil)
	_ livestate.Detailed          = (*source)(nil)
	_ livestate.Leader            = (*source)(nil)
)
