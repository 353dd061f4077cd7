package redisstream

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
)

// The name of a script's file says how many keys it has, its comment describes them,
// and the call passes as many.
func TestScriptsSayWhatTheyTake(t *testing.T) {
	files, err := filepath.Glob("*.lua")
	if err != nil || len(files) != 1 {
		t.Fatalf("scripts %q, error %v; a further one needs its call here", files, err)
	}
	name := regexp.MustCompile(`^([a-z]+)-(\d)\.lua$`).FindStringSubmatch(files[0])
	if name == nil {
		t.Fatalf("%s is not named name-<number of keys>.lua", files[0])
	}
	text, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	if string(text) != script || !strings.HasPrefix(script, "-- "+name[1]+"-"+name[2]+": ") {
		t.Errorf("the script is not %s, or does not begin with its name", files[0])
	}
	if keys := regexp.MustCompile(`(?m)^-- KEYS\[\d\] `).FindAllString(script, -1); len(keys) != 1 || name[2] != "1" {
		t.Errorf("the comment of %s describes %d keys", files[0], len(keys))
	}
	args := new(encoder).call("s", 0, nil, &chunk{})
	if args[2] != name[2] || args[3] != "s" {
		t.Errorf("the call is %v", args)
	}
}

func TestCall(t *testing.T) {
	messages := messagesOf("a/1", "a/2", "a", "a")
	messages[0].ID = uuid.MustParse("0198c2f0-1111-7222-8333-444455556666")
	messages[0].CreatedAt = time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)
	c := &chunk{run: &run{messages: []int32{0, 2, 3}}, at: []int{0, 1, 2}}
	e := new(encoder)
	first := e.call("events:a", 0, messages, c)
	second := e.call("events:b", 7, messages, c)
	for i, call := range [][]any{first, second} {
		got := plain(t, call)
		if want := []string{"events:a 1 ", "events:b 1 7"}[i]; got[3]+" "+got[2]+" "+got[4] != want || got[0] != "evalsha" || got[1] != scriptName {
			t.Errorf("call %d begins with %q", i, got[:5])
		}
		want := []string{
			"id,topic,key,payload,created_at", "0198c2f0-1111-7222-8333-444455556666", "a", "1", "0", "2026-01-02T03:04:05.000006Z",
			"id,topic,payload,created_at", "00000000-0000-0000-0000-000000000000", "a", "2", "0001-01-01T00:00:00.000000Z",
			"", "00000000-0000-0000-0000-000000000000", "a", "3", "0001-01-01T00:00:00.000000Z",
		}
		if !slices.Equal(got[5:], want) {
			t.Errorf("call %d has\n%q, want\n%q", i, got[5:], want)
		}
	}
	e.recycle()
	for _, arg := range first {
		if arg != nil {
			t.Fatalf("%v is kept", arg)
		}
	}
	if slices.ContainsFunc(e.values[:cap(e.values)], func(v value) bool { return v != nil }) {
		t.Error("bytes are kept")
	}
}

// plain returns arguments as the client writes them.
func plain(t *testing.T, args []any) []string {
	t.Helper()
	var texts []string
	for _, arg := range args {
		switch arg := arg.(type) {
		case string:
			texts = append(texts, arg)
		case *string:
			texts = append(texts, *arg)
		case *value:
			data, err := arg.MarshalBinary()
			if err != nil {
				t.Fatal(err)
			}
			texts = append(texts, string(data))
		default:
			t.Fatalf("an argument of type %T", arg)
		}
	}
	return texts
}

func TestAppendUUID(t *testing.T) {
	for range 100 {
		id := uuid.New()
		if got := string(appendUUID([]byte("x"), id)); got != "x"+id.String() {
			t.Fatalf("%s, want %s", got, id)
		}
	}
}

func TestReply(t *testing.T) {
	call := func(value any, err error) *redis.Cmd {
		return redis.NewCmdResult(value, err)
	}
	for _, test := range []struct {
		name string
		call *redis.Cmd
		n    int
		ok   bool
	}{
		{"all", call([]any{int64(3), ""}, nil), 3, true},
		{"none", call([]any{int64(0), "OOM"}, nil), 0, true},
		{"too many", call([]any{int64(4), ""}, nil), 0, false},
		{"too few without a reason", call([]any{int64(2), ""}, nil), 0, false},
		{"negative", call([]any{int64(-1), "OOM"}, nil), 0, false},
		{"one element", call([]any{int64(3)}, nil), 0, false},
		{"other types", call([]any{"3", int64(0)}, nil), 0, false},
		{"no array", call("OK", nil), 0, false},
		{"an error", call(nil, errors.New("broken")), 0, false},
	} {
		n, _, err := reply(test.call, 3)
		if n != test.n || (err == nil) != test.ok {
			t.Errorf("%s: %d, %v", test.name, n, err)
		}
	}
}

// A batch must not be kept, and 100,000 messages a second must not be garbage.
func BenchmarkCall(b *testing.B) {
	batch := many(500, 100)
	c := &chunk{run: planOne(batch.Messages, byTopic)}
	for i := range batch.Messages {
		c.at = append(c.at, i)
	}
	messages := batch.Messages
	b.ReportAllocs()
	for b.Loop() {
		e := encoders.Get().(*encoder)
		e.call("events:orders", 0, messages, c)
		e.recycle()
	}
}
