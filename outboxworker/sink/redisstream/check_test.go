package redisstream

import (
	"strings"
	"testing"

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
