package rediscluster

// calls.go has the hook that records calls.

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/redis/go-redis/v9"
)

// Calls is a hook of a client that records the keys of the calls of scripts, also of calls
// that fail. The zero value is ready. Calls in pipelines are not recorded.
type Calls struct {
	mu   sync.Mutex
	keys map[string][][]string // by the script's digest
}

// DialHook changes nothing.
func (c *Calls) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessPipelineHook changes nothing.
func (c *Calls) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// ProcessHook records EVALSHA, which is how redis.Script calls first.
func (c *Calls) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if args := cmd.Args(); cmd.Name() == "evalsha" {
			keys := make([]string, args[2].(int))
			for i := range keys {
				keys[i] = args[3+i].(string)
			}
			c.add(args[1].(string), keys)
		}
		return next(ctx, cmd)
	}
}

func (c *Calls) add(digest string, keys []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.keys == nil {
		c.keys = make(map[string][][]string)
	}
	c.keys[digest] = append(c.keys[digest], keys)
}

// Of returns the keys of each call of a script so far, in the order of the calls.
func (c *Calls) Of(script *redis.Script) [][]string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.keys[script.Hash()])
}

// Check returns an error unless a script was called, with that many keys each time, all of
// them in one slot.
func (c *Calls) Check(script *redis.Script, keys int) error {
	calls := c.Of(script)
	if len(calls) == 0 {
		return errors.New("not called")
	}
	for _, call := range calls {
		if len(call) != keys {
			return fmt.Errorf("called with %d keys, want %d: %q", len(call), keys, call)
		}
		for _, key := range call {
			if Slot(key) != Slot(call[0]) {
				return fmt.Errorf("called with keys of several slots: %q", call)
			}
		}
	}
	return nil
}
