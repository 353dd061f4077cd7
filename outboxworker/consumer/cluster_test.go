package consumer

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/weirproxy/weir/internal/rediscluster"
)

// plainScripts are those of consumers without lanes, by their files without the ending.
var plainScripts = map[string]struct {
	*redis.Script
	text string
}{
	"leave-5": {leaveScript, leaveText}, "claim-5": {claimScript, claimText}, "settle-6": {settleScript, settleText},
	"extend-1": {extendScript, extendText}, "keep-1": {keepScript, keepText}, "takeover-1": {takeoverScript, takeoverText},
	"trim-1": {trimScript, trimText}, "forget-1": {forgetScript, forgetText}, "setaside-2": {setAsideScript, setAsideText},
	"repair-3": {repairScript, repairText}, "look-6": {lookScript, lookText}, "list-2": {listScript, listText},
	"replay-6": {replayScript, replayText}, "discard-7": {discardScript, discardText},
}

// A script's file begins with its name, which says how many keys it has, and describes
// each of them.
func TestScriptsSayWhatTheyTake(t *testing.T) {
	key := regexp.MustCompile(`(?m)^-- KEYS\[(\d+)\]`)
	for file, script := range plainScripts {
		_, count, _ := strings.Cut(file, "-")
		if !strings.HasPrefix(script.text, "-- "+file+": ") || strconv.Itoa(len(key.FindAllString(script.text, -1))) != count {
			t.Errorf("%s does not begin with its name, or describes other keys", file)
		}
	}
}

// In a cluster, whose server refuses calls over several slots, all works for streams in
// different slots, and every call of a script has its keys in one slot, as many as its
// file says.
func TestCluster(t *testing.T) {
	t.Parallel()
	client := rediscluster.Start(t)
	recorded := new(rediscluster.Calls)
	client.AddHook(recorded)

	options := quick()
	options.Streams = []string{"events:orders", "{events}:bills", "a{b", "x{tag}y{other}"}
	options.Retries = 1
	var got record
	c := run(t, client, func(_ context.Context, m *Message) error {
		got.add(m)
		switch {
		case strings.HasSuffix(m.ID, "dead") && m.Replays == 0:
			return errRefused
		case m.Attempt == 1:
			return errRefused
		}
		return nil
	}, options)
	for i, name := range options.Streams {
		publish(t, client, name, fmt.Sprint(i, "fine"))
		publish(t, client, name, fmt.Sprint(i, "dead"))
		d := deadOf(t, client, name)
		eventually(t, "one is dead", func() bool { return len(listed(t, d, Filter{})) == 1 })
		if changed, err := d.Replay(t.Context(), Filter{}, Change{}); err != nil || changed.Changed != 1 {
			t.Fatal(changed, err)
		}
		eventually(t, "none is dead", func() bool { return len(listed(t, d, Filter{})) == 0 })
		allSettled(t, client, name)
	}
	s := c.streams[0]
	appended(t, client, s.dead, "a", "b")
	if _, err := deadOf(t, client, s.name).Discard(t.Context(), Filter{}, Change{}); err != nil {
		t.Fatal(err)
	}
	err := errors.Join(client.Set(t.Context(), s.aside, "text", 0).Err(), c.trim(t.Context(), s), c.forget(t.Context(), s),
		client.HSet(t.Context(), s.entries, "x", "y").Err(), c.repair(t.Context(), s))
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the key is set aside", func() bool { return client.Type(t.Context(), s.aside).Val() != "string" })
	// A sign of life, and the extension of a lease.
	if err := c.keepEntries(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	for _, retry := range []bool{false, true} {
		c.held.add(t.Context(), &job{stream: s, id: "1-1", retry: retry})
	}
	if err := errors.Join(c.keepEntries(t.Context(), s), c.extendLeases(t.Context(), s)); err != nil {
		t.Fatal(err)
	}
	c.stop()
	for _, name := range options.Streams {
		operate(t, client, name)
	}

	all := maps.Clone(plainScripts)
	maps.Copy(all, operatorScripts)
	for file, script := range all {
		_, count, _ := strings.Cut(file, "-")
		keys, err := strconv.Atoi(count)
		if err := errors.Join(err, recorded.Check(script.Script, keys)); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}

// What belongs to a stream is in its slot, or its name is refused.
func TestHashTag(t *testing.T) {
	for name, want := range map[string]string{
		"events:orders": "events:orders", "events:{orders}": "orders", "{a}{b}": "a", "a{b": "a{b", "{a}}": "a", "x{{y}": "{y",
		"": "!", "a}b": "!", "{}": "!", "a{}b{c}": "!", strings.Repeat("x", 1025): "!",
	} {
		tag, err := hashTag(name)
		if (err != nil) != (want == "!") || err == nil && tag != want {
			t.Errorf("%.20q: %q, %v, want %q", name, tag, err, want)
		}
	}
}
