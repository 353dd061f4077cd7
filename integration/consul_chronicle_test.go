package integration

// consul_chronicle_test.go notes all that is ever registered of a service.

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/weirproxy/weir/governance/lease"
)

// chronicle has the keys of a service whenever they have changed.
type chronicle struct {
	mu    sync.Mutex
	pages []api.KVPairs
}

// chronicleOf begins to read until the test ends. Consul answers as soon as something has
// changed; what is overwritten in between still shows in the indexes.
func chronicleOf(t testing.TB, client *api.Client, service string) *chronicle {
	t.Helper()
	c := new(chronicle)
	ctx, cancel := context.WithCancel(context.Background())
	var reading sync.WaitGroup
	reading.Go(func() {
		for index := uint64(0); ctx.Err() == nil; {
			options := (&api.QueryOptions{WaitIndex: index, WaitTime: time.Minute, RequireConsistent: true}).WithContext(ctx)
			pairs, meta, err := client.KV().List(lease.DefaultPrefix+"/"+service+"/", options)
			if err != nil {
				if ctx.Err() == nil {
					t.Error(err)
				}
				return
			}
			index = meta.LastIndex
			c.note(pairs)
		}
	})
	t.Cleanup(func() { cancel(); reading.Wait() })
	return c
}

func (c *chronicle) note(pairs api.KVPairs) {
	c.mu.Lock()
	defer c.mu.Unlock()
	same := func(a, b *api.KVPair) bool { return a.Key == b.Key && a.ModifyIndex == b.ModifyIndex }
	if n := len(c.pages); n == 0 || !slices.EqualFunc(c.pages[n-1], pairs, same) {
		c.pages = append(c.pages, pairs)
	}
}

// since returns the pages from one on; the last is what is registered now.
func (c *chronicle) since(page int) []api.KVPairs {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.pages[page:])
}

// at is the number of the last page.
func (c *chronicle) at() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.pages) - 1
}

// only returns the one key that is registered now.
func (c *chronicle) only(t testing.TB) (*api.KVPair, lease.Instance) {
	t.Helper()
	page := c.since(c.at())[0]
	if len(page) != 1 {
		t.Fatalf("there are %d keys, want one", len(page))
	}
	i, err := lease.Decode(page[0].Value)
	if err != nil {
		t.Fatal(err)
	}
	return page[0], i
}

// await waits until what is registered is as wanted, and returns how long that took.
func (c *chronicle) await(t testing.TB, within time.Duration, what string, wanted func([]lease.Instance) bool) time.Duration {
	t.Helper()
	began := time.Now()
	var page api.KVPairs
	ok := Eventually(within, func() bool {
		at := c.at()
		if at < 0 {
			return false
		}
		page = c.since(at)[0]
		var all []lease.Instance
		for _, pair := range page {
			if i, err := lease.Decode(pair.Value); err == nil {
				all = append(all, i)
			}
		}
		return wanted(all)
	})
	if !ok {
		t.Fatalf("%s: not within %v: %s", what, within, written(page))
	}
	return time.Since(began)
}

// written shows keys with their values.
func written(pairs api.KVPairs) (text string) {
	for _, pair := range pairs {
		text += fmt.Sprintf("\n%s = %s, session %s, created %d, modified %d, locked %d times", pair.Key, pair.Value, pair.Session,
			pair.CreateIndex, pair.ModifyIndex, pair.LockIndex)
	}
	return text
}
