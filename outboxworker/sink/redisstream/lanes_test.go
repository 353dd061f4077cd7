package redisstream

import (
	"strings"
	"testing"

	"github.com/weirproxy/weir/internal/testserver"
	"github.com/weirproxy/weir/outboxworker/sink"
)

// withLanes makes a message's lane the number behind @ in its key.
func withLanes(words ...string) *sink.Batch {
	b := batchOf(words...)
	for i := range b.Messages {
		m := &b.Messages[i]
		if _, lane, found := strings.Cut(m.Key, "@"); found {
			m.Lane = int(lane[0] - '0')
		}
	}
	return b
}

func TestLanesAreStreams(t *testing.T) {
	to, client := open(t, testserver.Redis(t), func(s *Settings) { s.Lanes = true })
	b := withLanes("a/1@0", "a/2@7", "b/1@0", "a/1@0", "a", "a/3@7", "b/2@7")
	to.Deliver(t.Context(), b)
	assertAll(t, b, sink.Delivered)
	assertPayloads(t, client, "events:a:{0}", "0", "4", "3") // 3 waits until 2, of its key, is there
	assertPayloads(t, client, "events:a:{7}", "1", "5")
	assertPayloads(t, client, "events:b:{0}", "2")
	assertPayloads(t, client, "events:b:{7}", "6")
}

func TestLanesOfOneStream(t *testing.T) {
	to, client := open(t, testserver.Redis(t), func(s *Settings) { s.Stream, s.Lanes = "all", true })
	b := withLanes("a/1@0", "{b/2@7", "c/1@0")
	to.Deliver(t.Context(), b)
	assertAll(t, b, sink.Delivered)
	assertPayloads(t, client, "all:{0}", "0", "2")
	assertPayloads(t, client, "all:{7}", "1")
}

// A topic's own brace would be the hash tag of its stream.
func TestTopicsWithABrace(t *testing.T) {
	to, client := open(t, testserver.Redis(t), func(s *Settings) { s.Lanes = true })
	b := withLanes("a{x}/1@1", "a/2@2", "b/1@1", "a}/3@3", "a{/4@4", "a{x}/1@1")
	to.Deliver(t.Context(), b)
	if got := outcomes(b); got != "fdnffn" {
		t.Errorf("outcomes %s", got)
	}
	if r := b.Results[0]; r.Class != "topic" || r.Err == nil || strings.Contains(r.Err.Error(), "x") {
		t.Errorf("class %q, error %v", r.Class, r.Err)
	}
	assertPayloads(t, client, "events:a:{2}", "1")
	if keys, err := client.Keys(t.Context(), "*").Result(); err != nil || len(keys) != 1 {
		t.Errorf("keys %q, error %v", keys, err)
	}
	without, client := open(t, testserver.Redis(t), nil)
	assertAll(t, deliver(t, without, "a{x}/1"), sink.Delivered)
	assertPayloads(t, client, "events:a{x}", "0")
}
