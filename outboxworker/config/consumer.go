package config

// consumer.go holds the settings of a consumer, which posts what is in streams to a URL.

import (
	"fmt"
	"slices"
	"time"

	"github.com/weirproxy/weir/outboxworker/consumer"
	"github.com/weirproxy/weir/outboxworker/consumer/deliver"
	"github.com/weirproxy/weir/outboxworker/idempotency/redisclaim"
)

// Consumer is a group of consumers of streams in the Redis of the section redis, and where
// it posts their entries. The defaults are those of consumer.DefaultOptions, but for the
// concurrency, which is the webhook's.
type Consumer struct {
	// Name is the group, and the consumer's name in logs and metrics. No default.
	Name string `yaml:"name"`
	// Streams are the streams that the group reads. No default.
	Streams []string `yaml:"streams"`
	// Start is where a new group begins: 0 at the beginning of a stream, $ at its end.
	Start string `yaml:"start"`
	// Batch is the most entries of one read.
	Batch int `yaml:"batch"`
	// Retry is how messages that failed are tried again.
	Retry ConsumerRetry `yaml:"retry"`
	// BreakerMessages is how many different messages must fail in a row for the receiver
	// to be taken for broken.
	BreakerMessages int `yaml:"breaker_messages"`
	// Ordered keeps the order of keys: the streams are those of a sink with lanes.
	Ordered bool `yaml:"ordered"`
	// Lease is when another consumer of the group takes over what one had that is gone.
	Lease time.Duration `yaml:"lease"`
	// Idempotency is how messages are recognised that come twice.
	Idempotency Idempotency `yaml:"idempotency"`
	// TrimEvery is how often streams are trimmed of what no group needs, 0 for never, and
	// Keep for how long entries are kept in any case.
	TrimEvery time.Duration `yaml:"trim_every"`
	Keep      time.Duration `yaml:"keep"`
	// StopTimeout is how long a stop or a reload waits for messages under way.
	StopTimeout time.Duration `yaml:"stop_timeout"`
	// Webhook is where the entries are posted.
	Webhook Webhook `yaml:"webhook"`
}

// ConsumerRetry is how a message that failed is tried again.
type ConsumerRetry struct {
	// Base is the wait before the first retry. Each further one is twice as long,
	// up to Cap.
	Base time.Duration `yaml:"base"`
	Cap  time.Duration `yaml:"cap"`
	// Retries is how often a message is tried again before it is dead. 0: never.
	Retries int `yaml:"retries"`
	// Schedule has the waits before each retry, and stands for the three above.
	Schedule Schedule `yaml:"schedule"`
}

// retry is the same as an outbox has it, whose timers are another matter.
func (r *ConsumerRetry) retry() *Retry {
	return &Retry{Base: r.Base, Cap: r.Cap, Retries: r.Retries, Schedule: r.Schedule}
}

// Idempotency is where a consumer notes which messages it has handled.
type Idempotency struct {
	// Store is redis or none.
	Store string `yaml:"store"`
	// Lease is how long a message waits whose consumer has died.
	Lease time.Duration `yaml:"lease"`
	// DoneTTL is for how long is remembered that a message is done.
	DoneTTL time.Duration `yaml:"done_ttl"`
}

func (c *Consumer) setDefaults() {
	o, claims := consumer.DefaultOptions(), redisclaim.DefaultSettings()
	var outbox Outbox
	outbox.setDefaults()
	retry := outbox.Retry
	*c = Consumer{
		Start: o.Start, Batch: o.Batch, Retry: ConsumerRetry{Base: retry.Base, Cap: retry.Cap, Retries: retry.Retries}, BreakerMessages: deliver.DefaultSettings().BreakerMessages,
		Lease:       o.Lease,
		Idempotency: Idempotency{Store: "redis", Lease: claims.Lease, DoneTTL: claims.DoneTTL},
		TrimEvery:   o.TrimEvery, Keep: o.Keep, StopTimeout: o.StopTimeout,
	}
	c.Webhook.setDefaults()
}

// checkConsumers checks every consumer by itself, that they differ, and that there is a
// Redis for them.
func (c *Config) checkConsumers(p *problems) {
	seen := make(map[string]int)
	for i := range c.Consumers {
		key := fmt.Sprintf("consumers[%d]", i)
		one := &c.Consumers[i]
		one.check(p, key)
		if first, twice := seen[one.Name]; twice && one.Name != "" {
			p.at(key+".name", "consumers[%d] has the name %q too; a group is served once in a configuration", first, cut(one.Name))
			continue
		}
		seen[one.Name] = i
	}
	if len(c.Consumers) > 0 && c.Redis == nil {
		p.at("redis", "not set, and consumers have their streams there; write its url")
	}
}

// check checks a consumer.
func (c *Consumer) check(p *problems, key string) {
	v := *c
	var fallback Consumer
	fallback.setDefaults()
	v.Webhook.Concurrency = fallback.Webhook.Concurrency // checked with the webhook
	fallback.Name, fallback.Streams = "name", []string{"stream"}
	if v.Name == "" {
		p.at(key+".name", "not set; write the name of the group")
		v.Name = fallback.Name
	} else if _, err := consumer.NewDeadLetters(nil, "stream", v.Name); err != nil {
		p.at(key+".name", "%v", err)
	}
	if len(v.Streams) == 0 {
		p.at(key+".streams", "there is none; write the names of streams, as [events:orders]")
		v.Streams = fallback.Streams
	}
	if c.StopTimeout <= 0 {
		p.at(key+".stop_timeout", "%s is not above 0", c.StopTimeout)
	}
	validated(p, key, v, fallback, func(c *Consumer) error {
		options := c.Options()
		return options.Validate()
	})
	if c.Retry.retry().check(p, key+".retry") {
		policy, _ := c.Retry.retry().schedule()
		if err := policy.Validate(); err != nil {
			p.at(key+".retry", "%v", err)
		}
	}
	c.Idempotency.check(p, key+".idempotency")
	if n := c.BreakerMessages; n < 2 || n > 100 {
		p.at(key+".breaker_messages", "%d is not between 2 and 100", n)
	}
	c.Webhook.check(p, key+".webhook")
}

// check checks what is kept of messages.
func (i *Idempotency) check(p *problems, key string) {
	if !slices.Contains([]string{"redis", "none"}, i.Store) {
		p.at(key+".store", "%q is neither redis nor none", cut(i.Store))
	}
	validated(p, key, *i, Idempotency{Lease: redisclaim.DefaultSettings().Lease, DoneTTL: redisclaim.DefaultSettings().DoneTTL},
		func(i *Idempotency) error {
			settings := i.Settings()
			return settings.Validate()
		})
}

// Settings are those of the store.
func (i *Idempotency) Settings() redisclaim.Settings {
	s := redisclaim.DefaultSettings()
	s.Lease, s.DoneTTL = i.Lease, i.DoneTTL
	return s
}

// Options returns the consumer's own options, without a store, metrics and a log.
func (c *Consumer) Options() consumer.Options {
	o := consumer.DefaultOptions()
	o.Streams, o.Start, o.Batch, o.Concurrency = slices.Clone(c.Streams), c.Start, c.Batch, c.Webhook.Concurrency
	o.Backoff, o.Retries = c.Retry.retry().schedule()
	o.Ordered = c.Ordered
	o.Lease, o.TrimEvery, o.Keep, o.StopTimeout = c.Lease, c.TrimEvery, c.Keep, c.StopTimeout
	return o
}

// Deliverer returns the settings of what posts the entries.
func (c *Consumer) Deliverer() (deliver.Settings, error) {
	settings, err := c.Webhook.settings()
	return deliver.Settings{Webhook: settings, BreakerMessages: c.BreakerMessages}, err
}
