package config

// redis.go holds how the Redis is reached in which retries have their timers, and from
// which consumers read.

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Redis is a server, or a master and its replicas that Sentinels watch.
type Redis struct {
	// URL is where Redis is: redis://user@host:6379/0, or rediss:// for TLS. Required,
	// but not with Sentinel, where its user and database count, and rediss:// holds for
	// the Sentinels too, but its host does not.
	URL     Secret `yaml:"url"`
	URLFile string `yaml:"url_file"`
	// Password is the password, so that the URL need not be secret. It goes before
	// one in the URL.
	Password     Secret `yaml:"password"`
	PasswordFile string `yaml:"password_file"`
	// TLS is for rediss://.
	TLS *TLS `yaml:"tls"`
	// Sentinel tells which server is the master. Default: the URL's host is.
	Sentinel *Sentinel `yaml:"sentinel"`
	// Timeout bounds connecting, and a call. Default: 3s.
	Timeout time.Duration `yaml:"timeout"`
}

// Sentinel are the Sentinels that watch a master.
type Sentinel struct {
	// Master is the name that the Sentinels know it by. No default.
	Master string `yaml:"master"`
	// Addresses are host:port of Sentinels; one that answers knows the others. No
	// default.
	Addresses []string `yaml:"addresses"`
	// User and Password are what the Sentinels themselves ask for. Default: nothing.
	User         string `yaml:"user"`
	Password     Secret `yaml:"password"`
	PasswordFile string `yaml:"password_file"`
}

func (r *Redis) setDefaults() { *r = Redis{Timeout: 3 * time.Second} }

// check reads the secrets' files and tries what they make.
func (r *Redis) check(p *problems, key string) {
	if r == nil {
		return
	}
	before := len(p.found)
	p.secret(key+".url", &r.URL, r.URLFile)
	p.secret(key+".password", &r.Password, r.PasswordFile)
	r.TLS.check(p, key+".tls")
	r.Sentinel.check(p, key+".sentinel")
	if r.Timeout <= 0 {
		p.at(key+".timeout", "%s is not above 0", r.Timeout)
	}
	if r.Sentinel == nil && !p.required(key+".url", r.URL, r.URLFile) || len(p.found) > before {
		return
	}
	_, err := r.options()
	var wrong *optionError
	if errors.As(err, &wrong) {
		p.at(join(key, wrong.key), "%s", wrong.text)
	} else if err != nil {
		p.at(key, "%v", err)
	}
}

func (s *Sentinel) check(p *problems, key string) {
	if s == nil {
		return
	}
	p.secret(key+".password", &s.Password, s.PasswordFile)
	if s.Master == "" {
		p.at(key+".master", "not set; write the name that the Sentinels know the master by")
	}
	if len(s.Addresses) == 0 {
		p.at(key+".addresses", "there is none; write host:port of the Sentinels, whose port is mostly 26379")
	}
	for i, address := range s.Addresses {
		if host, port, err := net.SplitHostPort(address); err != nil || host == "" || port == "" {
			p.at(fmt.Sprintf("%s.addresses[%d]", key, i), "%q is not host:port", cut(address))
		}
	}
}

// Open returns a client, which connects when it is first used and again after each
// failover. It repeats nothing by itself, since a script may have done its work though
// its answer was lost. The caller closes it.
func (r *Redis) Open() (redis.UniversalClient, error) {
	o, err := r.options()
	if err != nil {
		return nil, fmt.Errorf("redis: %w", err)
	}
	if r.Sentinel == nil {
		return redis.NewClient(o), nil
	}
	return redis.NewFailoverClient(&redis.FailoverOptions{
		MasterName: r.Sentinel.Master, SentinelAddrs: r.Sentinel.Addresses,
		SentinelUsername: r.Sentinel.User, SentinelPassword: r.Sentinel.Password.Reveal(),
		Username: o.Username, Password: o.Password, DB: o.DB, TLSConfig: o.TLSConfig,
		MaxRetries: o.MaxRetries, DialerRetries: o.DialerRetries,
		DialTimeout: o.DialTimeout, ReadTimeout: o.ReadTimeout, WriteTimeout: o.WriteTimeout,
		ContextTimeoutEnabled: o.ContextTimeoutEnabled,
	}), nil
}

// optionError is what is wrong with one key. Its text never has the URL, in which a
// password may be.
type optionError struct{ key, text string }

func (e *optionError) Error() string { return e.key + ": " + e.text }

// options are those of a client of one server.
func (r *Redis) options() (*redis.Options, error) {
	text := r.URL.Reveal()
	if text == "" {
		text = "redis:///0" // of Sentinels
	}
	parsed, err := url.Parse(text)
	switch {
	case err != nil:
		return nil, &optionError{"url", "not a URL; percent-encode special characters in a password, or write it to password"}
	case parsed.RawQuery != "" || parsed.ForceQuery:
		return nil, &optionError{"url", "must not have a query"}
	}
	if r.Password != "" {
		parsed.User = url.UserPassword(parsed.User.Username(), r.Password.Reveal())
	}
	o, err := redis.ParseURL(parsed.String())
	if err != nil {
		return nil, &optionError{"url", "neither redis://user@host:port/database nor rediss:// nor unix:// followed by a path"}
	}
	if err := r.encrypt(o); err != nil {
		return nil, err
	}
	o.MaxRetries = -1
	o.DialerRetries = 1
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout = r.Timeout, r.Timeout, r.Timeout
	o.ContextTimeoutEnabled = true
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return o, nil
}

// encrypt puts the certificates into the options.
func (r *Redis) encrypt(o *redis.Options) error {
	given, err := r.TLS.Config()
	switch {
	case err != nil:
		return &optionError{"tls", err.Error()}
	case o.TLSConfig == nil && given != nil:
		return &optionError{"tls", "set, but the url does not begin with rediss://"}
	case o.TLSConfig == nil:
		return nil
	}
	name := o.TLSConfig.ServerName
	if r.Sentinel != nil {
		name = "" // each server's own
	}
	if given == nil {
		given = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	o.TLSConfig = given
	if given.ServerName == "" {
		given.ServerName = name
	}
	return nil
}
