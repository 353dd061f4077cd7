package retryqueue

import (
	"errors"
	"path"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/weirproxy/weir/internal/rediscluster"
)

// The whole of a queue works in a cluster, and every call's keys are in one slot and as
// many as the script's file says.
func TestCluster(t *testing.T) {
	client := rediscluster.Start(t)
	recorded := new(rediscluster.Calls)
	client.AddHook(recorded)
	q, _ := openOn(t, client)
	listen(t, q)
	assertNotWhole(t, q)
	rebuild(t, q, Timer{1, -time.Second})
	c := claim(t, q, 1, lease)
	assertIDs(t, c, 1)
	hint := q.hint.next()
	if _, err := q.Return(t.Context(), Returned{c.Claims[0], 0}); err != nil {
		t.Fatal(err)
	}
	select {
	case <-hint:
	case <-time.After(time.Minute):
		t.Error("no hint")
	}
	if _, err := q.Done(t.Context(), claimEventually(t, q, 1, lease).Claims...); err != nil {
		t.Fatal(err)
	}
	schedule(t, q, Timer{2, time.Hour})
	if err := q.Remove(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	assertStats(t, q, 0, 0, 0)
	if err := errors.Join(client.Del(t.Context(), q.due).Err(), client.Set(t.Context(), q.due, "text", 0).Err()); err != nil {
		t.Fatal(err)
	}
	assertNotWhole(t, q)

	for file, script := range scripts {
		if err := recorded.Check(script.Script, script.keysOf(t, file)); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		for _, call := range recorded.Of(script.Script) {
			for _, key := range call {
				if !strings.HasPrefix(key, "retry:{orders}:") {
					t.Errorf("%s is called with %q", file, call)
				}
			}
		}
	}
}

type named struct {
	*redis.Script
	text string
}

var scripts = map[string]named{
	"claim-4.lua": {claimScript, claimText}, "schedule-2.lua": {scheduleScript, scheduleText},
	"settle-2.lua": {settleScript, settleText}, "finish-1.lua": {finishScript, finishText},
	"setaside-3.lua": {setAsideScript, setAsideText}, "stats-4.lua": {statsScript, statsText},
}

// keysOf is the number of keys in the name of a script's file, which must be that of its
// header and of its code.
func (s named) keysOf(t *testing.T, file string) int {
	t.Helper()
	base := strings.TrimSuffix(file, path.Ext(file))
	keys, err := strconv.Atoi(base[strings.LastIndex(base, "-")+1:])
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(s.text, "-- "+base+": ") {
		t.Errorf("%s does not begin with its name", file)
	}
	header, code, _ := strings.Cut(s.text, "\n\n")
	for _, part := range []struct{ name, text string }{{"header", header}, {"code", code}} {
		most := 0
		for _, found := range regexp.MustCompile(`KEYS\[(\d+)\]`).FindAllStringSubmatch(part.text, -1) {
			n, err := strconv.Atoi(found[1])
			if err != nil {
				t.Fatal(err)
			}
			most = max(most, n)
		}
		if most != keys {
			t.Errorf("%s: the %s has %d keys", file, part.name, most)
		}
	}
	return keys
}
