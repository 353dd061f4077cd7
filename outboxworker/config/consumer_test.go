package config

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/internal/backoff"
	"github.com/weirproxy/weir/outboxworker/consumer"
	"github.com/weirproxy/weir/outboxworker/consumer/deliver"
	"github.com/weirproxy/weir/outboxworker/idempotency/redisclaim"
)

// loaded returns the only consumer of a configuration.
func loaded(t *testing.T, content string) *Consumer {
	t.Helper()
	c, err := Load(written(t, content), nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Consumers) != 1 {
		t.Fatalf("%d consumers", len(c.Consumers))
	}
	return &c.Consumers[0]
}

// What a consumer does without further settings is what the packages do.
func TestDefaultsAreTheConsumersOwn(t *testing.T) {
	c := loaded(t, `
redis: {url: redis://localhost}
consumers: [{name: shipping, streams: [events:orders], webhook: {url: "http://localhost/"}}]
`)
	want := consumer.DefaultOptions()
	want.Streams = []string{"events:orders"}
	want.Concurrency = 32 // the webhook's
	if got := c.Options(); !reflect.DeepEqual(got, want) {
		t.Errorf("options %+v\nwant    %+v", got, want)
	}
	if got := c.Idempotency.Settings(); got != redisclaim.DefaultSettings() || c.Idempotency.Store != "redis" {
		t.Errorf("idempotency %+v", c.Idempotency)
	}
	settings := deliver.DefaultSettings()
	settings.Webhook.URL = "http://localhost/"
	got, err := c.Deliverer()
	if err != nil || got.BreakerMessages != settings.BreakerMessages || got.Webhook.URL != settings.Webhook.URL ||
		got.Webhook.Timeout != settings.Webhook.Timeout || !reflect.DeepEqual(got.Webhook.FatalStatus, settings.Webhook.FatalStatus) {
		t.Errorf("deliverer %+v, %v", got, err)
	}
}

func TestEveryKeyOfAConsumerReachesIt(t *testing.T) {
	c := loaded(t, `
redis: {url: redis://localhost}
consumers:
  - name: shipping
    streams: [a, b]
    start: $
    batch: 7
    retry: {base: 2s, cap: 1m, retries: 0}
    breaker_messages: 5
    ordered: true
    lease: 20s
    idempotency: {store: none, lease: 40s, done_ttl: 24h}
    trim_every: 0s
    keep: 2h
    stop_timeout: 4s
    webhook: {url: "http://localhost/in", concurrency: 3}
`)
	want := consumer.DefaultOptions()
	want.Streams, want.Start, want.Batch, want.Concurrency = []string{"a", "b"}, "$", 7, 3
	want.Backoff, want.Retries = backoff.Policy{Base: 2 * time.Second, Cap: time.Minute}, 0
	want.Ordered, want.Lease, want.TrimEvery, want.Keep, want.StopTimeout = true, 20*time.Second, 0, 2*time.Hour, 4*time.Second
	if got := c.Options(); !reflect.DeepEqual(got, want) {
		t.Errorf("options %+v\nwant    %+v", got, want)
	}
	scheduled := *c
	scheduled.Retry.Schedule = Schedule{time.Second, time.Minute}
	if got := scheduled.Options(); !reflect.DeepEqual(got.Backoff, backoff.Policy{List: []time.Duration{time.Second, time.Minute}}) || got.Retries != 2 {
		t.Errorf("with a schedule: %+v, %d retries", got.Backoff, got.Retries)
	}
	if got := c.Idempotency.Settings(); got != (redisclaim.Settings{Lease: 40 * time.Second, DoneTTL: 24 * time.Hour}) || c.Idempotency.Store != "none" {
		t.Errorf("idempotency %+v", c.Idempotency)
	}
	if got, err := c.Deliverer(); err != nil || got.BreakerMessages != 5 || got.Webhook.URL != "http://localhost/in" || got.Webhook.Concurrency != 3 {
		t.Errorf("deliverer %+v, %v", got, err)
	}
	// A field that was added to the options must get a key, or a reason not to. Not keys:
	// the consumer's name, the store, metrics, suspects and log, which are made when it runs, and
	// limits that nobody has to change.
	if n := reflect.TypeFor[consumer.Options]().NumField(); n != 19 {
		t.Errorf("consumer.Options has %d fields; this test, Consumer and the page know 19", n)
	}
}

// Consumers alone need no database; a database that is there for outboxes is checked.
func TestConsumersNeedNoDatabase(t *testing.T) {
	const consumers = "consumers: [{name: a, streams: [s], webhook: {url: \"http://localhost/\"}}]\nredis: {url: redis://localhost}\n"
	if _, err := Load(written(t, consumers), nil); err != nil {
		t.Error(err)
	}
	_, err := Load(written(t, consumers+"outboxes: [{sink: {discard: {}}}]\n"), nil)
	if err == nil || !strings.Contains(err.Error(), "database.url: not set") {
		t.Errorf("with an outbox and no database: %v", err)
	}
	if _, err := LoadDatabase(written(t, consumers), nil); err == nil {
		t.Error("a command that needs the database does not say so")
	}
}
