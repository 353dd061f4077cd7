// Package redisclient makes clients of Redis that repeat nothing by themselves, since a
// script may have done its work though its answer was lost: clients of one server, or of
// whichever server Sentinels say is the master.
package redisclient

import (
	"crypto/tls"
	"net/url"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Options are what a client can be told. There are no defaults.
type Options struct {
	// URL is redis://user:password@host:port/database, rediss:// for TLS, or
	// unix://user:password@/path/to/socket, without a query. With Sentinel it may be
	// empty, and its host does not count.
	URL string
	// Password goes before one in the URL.
	Password string
	// TLS is for rediss://; nil means the certificate authorities of the system, and
	// TLS 1.2 or later. It is not changed.
	TLS *tls.Config
	// Sentinel tells which server is the master. nil: the URL's host is.
	Sentinel *Sentinel
	// DialTimeout bounds connecting to a server, and Timeout reading and writing.
	DialTimeout, Timeout time.Duration
}

// Problem is what is wrong with one of the options. Its text never has the URL, in which
// a password may be.
type Problem struct {
	// Key is the option as configurations name it: url, tls or sentinel.master.
	Key string
	// Text says what is wrong.
	Text string
}

func (p *Problem) Error() string { return p.Key + ": " + p.Text }

// Validate returns the first *Problem, or nil.
func (o *Options) Validate() error {
	_, err := o.client()
	return err
}

// New returns a client, which connects when it is first used, and again after each
// failover. Its error is a *Problem. The caller closes it.
func New(o Options) (*redis.Client, error) {
	client, err := o.client()
	switch {
	case err != nil:
		return nil, err
	case o.Sentinel != nil:
		return o.Sentinel.client(client), nil
	}
	return redis.NewClient(client), nil
}

// client are the options of a client of one server.
func (o *Options) client() (*redis.Options, error) {
	text := o.URL
	if o.Sentinel != nil {
		for _, wrong := range o.Sentinel.Problems() {
			return nil, &Problem{"sentinel." + wrong.Key, wrong.Text}
		}
		if text == "" {
			text = "redis:///0"
		}
	}
	if text == "" {
		return nil, &Problem{"url", "not set"}
	}
	parsed, err := url.Parse(text)
	switch {
	case err != nil:
		// The error repeats the URL; its cause may repeat a part.
		return nil, &Problem{"url", "not a URL; percent-encode special characters in a password, or write it to password"}
	case parsed.RawQuery != "" || parsed.ForceQuery:
		return nil, &Problem{"url", "must not have a query"}
	}
	if o.Password != "" {
		parsed.User = url.UserPassword(parsed.User.Username(), o.Password)
	}
	client, err := redis.ParseURL(parsed.String())
	if err != nil {
		return nil, &Problem{"url", "neither redis://user@host:port/database nor rediss:// nor unix:// followed by a path"}
	}
	if err := o.encrypt(client); err != nil {
		return nil, err
	}
	client.MaxRetries = -1
	client.DialerRetries = 1
	client.DialTimeout, client.ReadTimeout, client.WriteTimeout = o.DialTimeout, o.Timeout, o.Timeout
	client.ContextTimeoutEnabled = true
	client.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return client, nil
}

// encrypt puts the certificates into the options.
func (o *Options) encrypt(client *redis.Options) error {
	switch {
	case client.TLSConfig == nil && o.TLS != nil:
		return &Problem{"tls", "set, but the url does not begin with rediss://"}
	case client.TLSConfig == nil:
		return nil
	}
	name := client.TLSConfig.ServerName
	if o.Sentinel != nil {
		name = "" // each server's own
	}
	client.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	if o.TLS != nil {
		client.TLSConfig = o.TLS.Clone()
	}
	if client.TLSConfig.ServerName == "" {
		client.TLSConfig.ServerName = name
	}
	return nil
}
