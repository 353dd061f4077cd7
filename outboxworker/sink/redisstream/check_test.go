package redisstream

import (
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/internal/testserver"
	"github.com/weirproxy/weir/outboxworker/localserver"
)

func TestCheck(t *testing.T) {
	server := testserver.RedisWith(t, localserver.RedisOptions{AppendFsync: "always", Settings: map[string]string{"maxmemory-policy": "noeviction"}})
	to, client := open(t, server, nil)
	for _, test := range []struct{ name, value, warning string }{
		{"maxmemory-policy", "noeviction", ""},
		{"appendfsync", "everysec", ""},
		{"appendfsync", "no", "appendfsync is no: "},
		{"appendfsync", "always", ""},
		{"maxmemory-policy", "allkeys-lru", "maxmemory-policy is allkeys-lru: "},
		{"maxmemory-policy", "noeviction", ""},
		{"appendonly", "no", "appendonly is no: "},
	} {
		if err := client.ConfigSet(t.Context(), test.name, test.value).Err(); err != nil {
			t.Fatal(err)
		}
		warnings, err := to.Check(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		text := strings.Join(warnings, "\n")
		if test.warning == "" && text != "" || !strings.HasPrefix(text, test.warning) || len(warnings) > 1 {
			t.Errorf("%s %s: %q, want %q", test.name, test.value, text, test.warning)
		}
	}
}

// Where there may be a failover, the master should not go on alone.
func TestCheckWithSentinels(t *testing.T) {
	server := testserver.RedisWith(t, localserver.RedisOptions{AppendFsync: "always", Settings: map[string]string{"maxmemory-policy": "noeviction"}})
	address := testserver.Sentinel(t, server, "orders", time.Minute)
	to, client := open(t, server, func(s *Settings) {
		s.URL, s.Sentinel = "", &Sentinel{Master: "orders", Addresses: []string{address}}
	})
	assertEventuallyDelivered(t, to)
	for value, want := range map[string]int{"0": 1, "1": 0} {
		if err := client.ConfigSet(t.Context(), "min-replicas-to-write", value).Err(); err != nil {
			t.Fatal(err)
		}
		warnings, err := to.Check(t.Context())
		if err != nil || len(warnings) != want || want == 1 && !strings.HasPrefix(warnings[0], "min-replicas-to-write is 0: ") {
			t.Errorf("%s: %q, error %v", value, warnings, err)
		}
	}
	if err := client.ConfigSet(t.Context(), "min-replicas-to-write", "1").Err(); err != nil {
		t.Fatal(err)
	}
	b := deliver(t, to, "a/1")
	if got := outcomes(b); got != "u" || !strings.Contains(b.Results[0].Err.Error(), "NOREPLICAS") {
		t.Errorf("a master that is alone: outcome %s, %v", got, b.Results[0].Err)
	}
}

func TestCheckWithoutTheRightToAsk(t *testing.T) {
	server := testserver.Redis(t)
	_, client := open(t, server, nil)
	if err := client.Do(t.Context(), "ACL", "SETUSER", "relay", "on", ">secret", "~*", "+@all", "-config").Err(); err != nil {
		t.Fatal(err)
	}
	to, _ := open(t, server, func(s *Settings) { s.URL = strings.Replace(s.URL, "redis://", "redis://relay:secret@", 1) })
	warnings, err := to.Check(t.Context())
	if err != nil || len(warnings) != 3 {
		t.Fatalf("%q, error %v", warnings, err)
	}
	for i, name := range []string{"maxmemory-policy", "appendonly", "appendfsync"} {
		if !strings.HasPrefix(warnings[i], name+" is unknown: NOPERM ") {
			t.Errorf("%q", warnings[i])
		}
	}
}

func TestCheckOfARedisThatIsAway(t *testing.T) {
	server := testserver.Redis(t)
	to, _ := open(t, server, nil)
	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	if warnings, err := to.Check(t.Context()); err == nil || !strings.HasPrefix(err.Error(), "asking Redis: ") {
		t.Errorf("%q, error %v", warnings, err)
	}
}
