package discovery

// catalogue.go reads the services that others registered with Consul's agents.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/weirproxy/weir/governance/lease"
)

type catalogue struct {
	client       *api.Client
	service, tag string
	passingOnly  bool
}

var errIncomplete = errors.New("the node, the service or a check is missing")

// Catalogue returns a source of the instances of a service in Consul's catalogue that
// have the tag, unless it is empty. Those whose checks are critical, or that are in
// maintenance, are left out; with passingOnly, those with a warning too.
//
// The weight is the one that Consul has for the state of the checks. Scheme, stage,
// version, zone and start (started_at, as RFC 3339 has it) are read from the service's
// meta; without a zone there, it is that of its locality. The id is the service's and
// its node's, or the address if that is none. It fails without a client or a service.
func Catalogue(client *api.Client, service, tag string, passingOnly bool) (Source, error) {
	if client == nil {
		return nil, errors.New("discovery: there is no client")
	}
	// the client puts the name into a path as it is
	if service == "" || len(service) > 256 || service == "." || service == ".." || url.PathEscape(service) != service {
		return nil, fmt.Errorf("service %.200q is empty, too long, or not a part of a path as it is", service)
	}
	return &catalogue{client: client, service: service, tag: tag, passingOnly: passingOnly}, nil
}

func (c *catalogue) Name() string {
	name := "service " + c.service
	if c.tag != "" {
		name += fmt.Sprintf(" with tag %q", c.tag)
	}
	if c.passingOnly {
		name += ", passing"
	}
	return name
}

func (c *catalogue) Ask(ctx context.Context, index uint64, wait time.Duration) (Answer, error) {
	entries, meta, err := c.client.Health().Service(c.service, c.tag, c.passingOnly, options(ctx, index, wait))
	if err != nil {
		return Answer{}, plain(err)
	}
	chain := func() error { // of all that is to be had of a service, what is refused and not left out
		_, _, err := c.client.DiscoveryChain().Get(c.service, nil, options(ctx, 0, 0))
		return err
	}
	if err := founded(len(entries), meta, chain); err != nil {
		return Answer{}, err
	}
	answer := Answer{Instances: make([]lease.Instance, 0, len(entries)), Index: meta.LastIndex}
	for _, entry := range entries {
		if entry == nil || entry.Node == nil || entry.Service == nil || slices.Contains(entry.Checks, nil) {
			answer.skip("", errIncomplete)
			continue
		}
		status := entry.Checks.AggregatedStatus()
		if status != api.HealthPassing && (c.passingOnly || status != api.HealthWarning) {
			continue
		}
		instance, err := fromCatalogue(entry, status)
		if err != nil {
			answer.skip(entry.Service.ID, err)
			continue
		}
		answer.Instances = append(answer.Instances, instance)
	}
	return answer, nil
}

// fromCatalogue makes the instance that an entry is, by the rules of a lease's value.
func fromCatalogue(entry *api.ServiceEntry, status string) (lease.Instance, error) {
	service := entry.Service
	i := lease.Instance{
		ID:      service.ID + "@" + entry.Node.Node,
		Address: service.Address,
		Port:    service.DefaultPort(),
		Scheme:  service.Meta["scheme"],
		Weight:  float64(service.Weights.Passing),
		Stage:   service.Meta["stage"],
		Version: service.Meta["version"],
		Zone:    service.Meta["zone"],
	}
	if i.Address == "" {
		i.Address = entry.Node.Address
	}
	if i.Zone == "" && service.Locality != nil {
		i.Zone = service.Locality.Zone
	}
	if service.Weights == (api.AgentWeights{}) { // as servers before weights were told have it
		i.Weight = 1
	} else if status == api.HealthWarning {
		i.Weight = float64(service.Weights.Warning)
	}
	// others may have given the name another meaning: what is no time is none for us
	if started, err := time.Parse(time.RFC3339, service.Meta["started_at"]); err == nil && started.Year() >= 1970 {
		i.StartedAt = started
	}
	if i.Validate() != nil {
		i.ID = i.HostPort()
	}
	value, err := json.Marshal(i)
	if err != nil {
		return lease.Instance{}, err
	}
	return lease.Decode(value)
}
