package cli

// redis.go holds the clients of the Redis of the configuration. A process has one, and two
// for a while when a reload exchanges it.

import (
	"errors"
	"reflect"
	"sync"

	"github.com/redis/go-redis/v9"

	"github.com/weirproxy/weir/outboxworker/config"
)

// clients are those that are open. Its methods may be called from several goroutines.
type clients struct {
	mu   sync.Mutex
	open []openClient
}

type openClient struct {
	settings *config.Redis
	redis.UniversalClient
}

// of returns the client of a Redis, which all who ask for the same one share.
func (c *clients) of(settings *config.Redis) (redis.UniversalClient, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, open := range c.open {
		if reflect.DeepEqual(open.settings, settings) {
			return open.UniversalClient, nil
		}
	}
	client, err := settings.Open()
	if err != nil {
		return nil, err
	}
	c.open = append(c.open, openClient{settings, client})
	return client, nil
}

// keep closes the clients of all others, which nobody uses any more. nil closes all.
func (c *clients) keep(settings *config.Redis) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var kept []openClient
	var failed error
	for _, open := range c.open {
		if settings != nil && reflect.DeepEqual(open.settings, settings) {
			kept = append(kept, open)
			continue
		}
		failed = errors.Join(failed, open.Close())
	}
	c.open = kept
	return failed
}
