package redisclient

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/redis/go-redis/v9"
)

// Sentinel are the Sentinels that watch a master.
type Sentinel struct {
	// Master is the name that they know it by.
	Master string
	// Addresses are host:port of Sentinels; one that answers knows the others.
	Addresses []string
	// User and Password are what the Sentinels themselves ask for; empty: nothing.
	User, Password string
}

// Problems returns all that is wrong, by the keys master, addresses and addresses[0].
func (s *Sentinel) Problems() (all []Problem) {
	if s.Master == "" {
		all = append(all, Problem{"master", "not set; write the name that the Sentinels know the master by"})
	}
	if len(s.Addresses) == 0 {
		all = append(all, Problem{"addresses", "there is none; write host:port of the Sentinels, whose port is mostly 26379"})
	}
	for i, address := range s.Addresses {
		if host, port, err := net.SplitHostPort(address); err != nil || host == "" || port == "" {
			all = append(all, Problem{fmt.Sprintf("addresses[%d]", i), fmt.Sprintf("%.60q is not host:port", address)})
		}
	}
	return all
}

// client returns a client of the master with the options of a client of one server.
func (s *Sentinel) client(o *redis.Options) *redis.Client {
	client := redis.NewFailoverClient(&redis.FailoverOptions{
		MasterName: s.Master, SentinelAddrs: s.Addresses,
		SentinelUsername: s.User, SentinelPassword: s.Password,
		Username: o.Username, Password: o.Password, DB: o.DB, TLSConfig: o.TLSConfig,
		MaxRetries: o.MaxRetries, DialerRetries: o.DialerRetries,
		DialTimeout: o.DialTimeout, ReadTimeout: o.ReadTimeout, WriteTimeout: o.WriteTimeout,
		ContextTimeoutEnabled: o.ContextTimeoutEnabled,
	})
	client.AddHook(asking{s.Master})
	return client
}

// asking tells the answers of Sentinels, to who is dialled, from those of the master: a
// caller would take them for what it says to a command.
type asking struct{ master string }

// DialHook makes what a Sentinel answered an error that is no redis.Error.
func (a asking) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := next(ctx, network, address)
		var answer redis.Error
		switch {
		case errors.Is(err, redis.Nil):
			return nil, fmt.Errorf("asking the Sentinels: they know no master %q", a.master)
		case errors.As(err, &answer):
			return nil, fmt.Errorf("asking the Sentinels: %s", answer.Error())
		}
		return conn, err
	}
}

// ProcessHook changes nothing.
func (asking) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

// ProcessPipelineHook changes nothing.
func (asking) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}
