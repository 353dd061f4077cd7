package config

// redis.go holds how the Redis is reached in which retries have their timers, and from
// which consumers read, and how Sentinels are, which the sink for Redis
// Streams may have too.

import (
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/weirproxy/weir/internal/redisclient"
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
	o, err := r.options()
	if err == nil {
		err = o.Validate()
	}
	var wrong *redisclient.Problem
	if errors.As(err, &wrong) {
		p.at(join(key, wrong.Key), "%s", wrong.Text)
	} else if err != nil {
		p.at(key, "%v", err)
	}
}

// check reads the secret's file.
func (s *Sentinel) check(p *problems, key string) {
	if s == nil {
		return
	}
	p.secret(key+".password", &s.Password, s.PasswordFile)
	for _, wrong := range s.plain().Problems() {
		p.at(join(key, wrong.Key), "%s", wrong.Text)
	}
}

// plain returns what a client is told, or nil if s is nil.
func (s *Sentinel) plain() *redisclient.Sentinel {
	if s == nil {
		return nil
	}
	return &redisclient.Sentinel{Master: s.Master, Addresses: s.Addresses, User: s.User, Password: s.Password.Reveal()}
}

// Open returns a client, which connects when it is first used and again after each
// failover. It repeats nothing by itself, since a script may have done its work though
// its answer was lost. The caller closes it.
func (r *Redis) Open() (redis.UniversalClient, error) {
	o, err := r.options()
	if err != nil {
		return nil, fmt.Errorf("redis: %w", err)
	}
	client, err := redisclient.New(o)
	if err != nil {
		return nil, fmt.Errorf("redis: %w", err)
	}
	return client, nil
}

// options are the client's own.
func (r *Redis) options() (redisclient.Options, error) {
	certificates, err := r.TLS.Config()
	if err != nil {
		return redisclient.Options{}, fmt.Errorf("tls: %w", err)
	}
	return redisclient.Options{
		URL: r.URL.Reveal(), Password: r.Password.Reveal(), TLS: certificates, Sentinel: r.Sentinel.plain(),
		DialTimeout: r.Timeout, Timeout: r.Timeout,
	}, nil
}
