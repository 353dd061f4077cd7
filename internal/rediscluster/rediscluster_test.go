package rediscluster

import (
	"testing"

	"github.com/redis/go-redis/v9"
)

func TestSlot(t *testing.T) {
	// The first from the specification, the others from CLUSTER KEYSLOT.
	for key, want := range map[string]int{"123456789": 0x31c3, "foo": 12182, "a{foo}b": 12182, "{}foo": 9500} {
		if got := Slot(key); got != want {
			t.Errorf("%s is in slot %d, want %d", key, got, want)
		}
	}
}

// The server sees the slots as Slot does, and Check finds every call that is wrong.
func TestCalls(t *testing.T) {
	client := Start(t)
	calls := new(Calls)
	client.AddHook(calls)
	for _, key := range []string{"a", "a{foo}b", "{}foo", "a{b", "x{{y}"} {
		if got := client.ClusterKeySlot(t.Context(), key).Val(); got != int64(Slot(key)) {
			t.Errorf("%s is in slot %d, not %d", key, got, Slot(key))
		}
	}
	script, never := redis.NewScript("return #KEYS"), redis.NewScript("return 0")
	call := func(keys ...string) error { return script.Run(t.Context(), client, keys, "argument").Err() }
	if err := call("{a}1", "{a}2"); err != nil {
		t.Fatal(err)
	}
	if err := calls.Check(script, 2); err != nil {
		t.Error(err)
	}
	if calls.Check(script, 1) == nil || calls.Check(never, 0) == nil {
		t.Error("another number of keys, or no call, is nothing wrong")
	}
	if err := call("a", "b"); err == nil {
		t.Error("a call over two slots is made")
	}
	if calls.Check(script, 2) == nil {
		t.Error("a call over two slots is nothing wrong")
	}
	if got := calls.Of(script); len(got) != 2 || len(got[1]) != 2 || got[1][1] != "b" {
		t.Errorf("recorded %q", got)
	}
}
