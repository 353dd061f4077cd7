package config

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/weirproxy/weir/internal/backoff"
)

func TestSchedules(t *testing.T) {
	for _, test := range []struct {
		retry, variable string
		want            []time.Duration
		retries         int
	}{
		{"{}", "", nil, 6},
		{"{retries: 2}", "", nil, 2},
		{"{schedule: [5s, 1m30s]}", "", []time.Duration{5 * time.Second, 90 * time.Second}, 2},
		{"{schedule: standard_webhooks}", "", backoff.StandardWebhooks(), 9},
		{"{}", "standard_webhooks", backoff.StandardWebhooks(), 9},
		{"{schedule: [5s]}", "7s, 1h", []time.Duration{7 * time.Second, time.Hour}, 2},
		{"{schedule: standard_webhooks}", "7s", []time.Duration{7 * time.Second}, 1},
	} {
		environ := []string{"OUTBOXWORKER_OUTBOXES_0_RETRY_SCHEDULE=" + test.variable}
		c := load(t, "database: {url: postgres://worker@db/shop}\noutboxes:\n  - {retry: "+test.retry+", sink: {discard: {}}}\n", environ...)
		s, err := c.Outboxes[0].Settings(&c.Database)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(s.Retry.List, test.want) || s.Retries != test.retries {
			t.Errorf("%s and %q: waits %v, %d retries", test.retry, test.variable, s.Retry.List, s.Retries)
		}
	}
}

func TestNoFatalStatus(t *testing.T) {
	for fatal, want := range map[string]string{"": "[400 410 413 415 422]", "fatal_status: []": "[]", "fatal_status: [409]": "[409]"} {
		c := load(t, "database: {url: postgres://worker@db/shop}\noutboxes:\n  - sink:\n      webhook:\n        url: http://localhost\n        "+fatal+"\n")
		if got := fmt.Sprint(c.Outboxes[0].Sink.Webhook.FatalStatus); got != want {
			t.Errorf("%q: %s, want %s", fatal, got, want)
		}
	}
}
