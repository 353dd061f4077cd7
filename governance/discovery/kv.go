package discovery

// kv.go reads the leases of a service.

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/weirproxy/weir/governance/lease"
)

type kv struct {
	client *api.Client
	prefix string // with the service and the last slash
}

var errNoSession = errors.New("no session holds the key, so it is no lease")

// KV returns a source of the instances that hold a lease below prefix/service/, as
// lease.Hold makes them; an empty prefix means lease.DefaultPrefix. It asks for all of
// them at once. Keys that no session holds, whose value is no instance, or whose last
// part is not the id in the value are skipped and counted. It fails if a lease could
// not have that prefix and service.
func KV(client *api.Client, prefix, service string) (Source, error) {
	if client == nil {
		return nil, errors.New("discovery: there is no client")
	}
	if err := (lease.Settings{Prefix: prefix, Service: service}).Validate(); err != nil {
		return nil, err
	}
	if prefix == "" {
		prefix = lease.DefaultPrefix
	}
	// without the last slash, the keys of web2 would be those of web too
	return &kv{client: client, prefix: prefix + "/" + service + "/"}, nil
}

func (k *kv) Name() string { return "kv " + k.prefix }

func (k *kv) Ask(ctx context.Context, index uint64, wait time.Duration) (Answer, error) {
	pairs, meta, err := k.client.KV().List(k.prefix, options(ctx, index, wait))
	if err != nil {
		return Answer{}, plain(err)
	}
	key := func() error {
		_, _, err := k.client.KV().Get(k.prefix, options(ctx, 0, 0))
		return err
	}
	if err := founded(len(pairs), meta, key); err != nil {
		return Answer{}, err
	}
	answer := Answer{Instances: make([]lease.Instance, 0, len(pairs)), Index: meta.LastIndex}
	for _, pair := range pairs {
		if pair == nil || pair.Key == k.prefix { // the folder, as Consul's own pages make it
			continue
		}
		instance, err := k.decode(pair)
		if err != nil {
			answer.skip(pair.Key, err)
			continue
		}
		answer.Instances = append(answer.Instances, instance)
	}
	return answer, nil
}

func (k *kv) decode(pair *api.KVPair) (lease.Instance, error) {
	if pair.Session == "" {
		return lease.Instance{}, errNoSession
	}
	instance, err := lease.Decode(pair.Value)
	if err != nil {
		return lease.Instance{}, err
	}
	if id, ok := strings.CutPrefix(pair.Key, k.prefix); !ok || id != instance.ID {
		return lease.Instance{}, fmt.Errorf("the id in the value is %q", instance.ID)
	}
	return instance, nil
}
