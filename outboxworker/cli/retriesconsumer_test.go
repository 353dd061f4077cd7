package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/weirproxy/weir/internal/testserver"
	"github.com/weirproxy/weir/outboxworker/consumer"
)

func TestRetriesOfAConsumer(t *testing.T) {
	for name, ordered := range map[string]bool{"streams": false, "lanes": true} {
		t.Run(name, func(t *testing.T) {
			l := newFailed(t, ordered, 8, 5, "retries")
			list := func(args ...string) (all []retry) {
				t.Helper()
				_, out, errOut := l.run(append([]string{"retries", "list", "--output", "json"}, args...)...)
				if err := json.Unmarshal([]byte(out), &all); err != nil {
					t.Fatalf("%v: %s%s", err, out, errOut)
				}
				return all
			}
			all := list()
			first := all[0]
			if len(all) != 8 || first.Topic != "orders" || first.Entry == "" || !strings.HasPrefix(first.Stream, "orders") || first.Bytes != 6 ||
				first.State != "retry" || first.Attempts != 1 || first.Due == nil || time.Until(*first.Due) < time.Hour {
				t.Fatalf("%+v", all)
			}
			code, out, errOut := l.run("retries", "list", "--limit", "2")
			if code != 0 || !strings.HasPrefix(out, "ENTRY ") || strings.Count(out, "\n") != 3 || errOut != "There are more than these 2: see --limit.\n" || strings.Contains(out, "secret") {
				t.Errorf("list: exit %d, %s%s", code, out, errOut)
			}
			if code, _, errOut := l.run("retries", "list", "--limit", "8"); code != 0 || errOut != "" {
				t.Errorf("a list of all: exit %d, %s", code, errOut)
			}
			for args, want := range map[string]int{
				"--topic refunds --text OUT": 4, "--id " + first.Entry + " --stream " + first.Stream: 1, "--id m3 --id m4": 2, "--key k5": 1,
				"--class failed --since 1h": 8, "--until 1h": 0, "--state parked": 0, "--class other": 0,
			} {
				if found := list(strings.Fields(args)...); len(found) != want {
					t.Errorf("%s: %+v", args, found)
				}
			}

			code, out, _ = l.run("retries", "run-now", "--topic", "orders", "--limit", "3")
			if code != 0 || !strings.HasPrefix(out, "ENTRY ") || !strings.Contains(out, "Would try at once 3 of 4 messages.") || len(l.audit()) != 0 {
				t.Errorf("dry run: exit %d, %s", code, out)
			}
			code, out, errOut = l.run("retries", "run-now", "--topic", "orders", "--limit", "3", "--rate", "1000", "--yes", "--reason", "mended")
			if code != 0 || !strings.HasPrefix(out, "Made due 3 of 4 messages.\nRun: ") {
				t.Errorf("run-now: exit %d, %s%s", code, out, errOut)
			}
			code, out, _ = l.run("retries", "run-now", "--all", "--output", "json")
			if code != 0 || !strings.Contains(out, `"would_change": 5`) || !strings.Contains(out, `"due": 3`) {
				t.Errorf("dry run after that: exit %d, %s", code, out)
			}
			code, out, _ = l.run("retries", "run-now", "--all", "--yes")
			if code != exitPartly || !strings.Contains(out, "Made due 5 of 8 messages.\nSkipped: 3, due already.\n") {
				t.Errorf("run-now of the rest: exit %d, %s", code, out)
			}
			if code, out, errOut := l.run("retries", "run-now", "--id", "m99", "--yes"); code != exitNothing {
				t.Errorf("run-now of none: exit %d, %s%s", code, out, errOut)
			}
			entries := l.audit()
			messages := int64(0)
			for _, e := range entries {
				messages += e.Messages
			}
			last := entries[len(entries)-1]
			filter := string(last.Filter)
			if messages != 8 || last.Action != "run-now" || last.Reason != "mended" || !strings.HasPrefix(last.Actor, "ann@") ||
				!strings.Contains(filter, `"topic"`) || !strings.Contains(filter, `"limit": 3`) || !strings.Contains(filter, `"rate": 1000`) {
				t.Errorf("the audit: %+v, %s", entries, filter)
			}
			if code, out, _ := l.run("audit", "--action", "run-now", "--id", first.Entry, "--stream", first.Stream); code != 0 || strings.Count(out, "\n") != 2 {
				t.Errorf("the audit of an entry: exit %d, %s", code, out)
			}
		})
	}
}

// A stream that is named twice is meant once: lists end, and counts are right.
func TestAStreamThatIsNamedTwice(t *testing.T) {
	l := newFailed(t, false, 4, 5, "retries")
	twice := func(args ...string) (int, string) {
		t.Helper()
		code, out, errOut := l.run(append(args, "--stream", "orders", "--stream", "refunds", "--stream", "orders", "--output", "ndjson")...)
		return code, out + errOut
	}
	for _, args := range []string{"retries list", "find --key k0", "stats", "audit"} {
		once := map[string]int{"retries list": 4, "find --key k0": 1, "stats": 2, "audit": 0}[args]
		if _, out := twice(strings.Fields(args)...); strings.Count(out, "{") != once {
			t.Errorf("%s: %s", args, out)
		}
	}
	pipe := l.client.Pipeline()
	for i := range 1000 { // a page of a list
		name := fmt.Sprint("1-", i)
		pipe.HSet(t.Context(), "consumer:{orders}:billing:orders:entries", name, "x")
		pipe.ZAdd(t.Context(), "consumer:{orders}:billing:orders:due", redis.Z{Score: 4e12, Member: name})
	}
	if _, err := pipe.Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
	ended := make(chan string, 1)
	go func() {
		_, out := twice("retries", "run-now", "--all")
		ended <- out
	}()
	select {
	case out := <-ended:
		if !strings.Contains(out, `"would_change":1004,`) {
			t.Error(out)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("the count of what would be made due does not end")
	}
}

// audit is what the audit tells, the last first.
func (l *letters) audit() (all []audited) {
	l.Helper()
	_, out, errOut := l.run("audit", "--output", "json")
	if err := json.Unmarshal([]byte(out), &all); err != nil {
		l.Fatalf("%v: %s%s", err, out, errOut)
	}
	return all
}

// Of an ordered group those are told apart that wait behind another of their key.
func TestParkedRetriesOfAConsumer(t *testing.T) {
	l := newFailed(t, true, 1, 5, "retries")
	lane := consumer.LaneStreams("orders")[0]
	base := "consumer:{0}:billing:" + lane + ":"
	// As the owner of the lane parks it.
	entry := l.client.XAdd(t.Context(), &redis.XAddArgs{Stream: lane, Values: []any{"id", "m7", "topic", "orders", "key", "k0", "payload", "secret"}}).Val()
	members := l.client.ZRange(t.Context(), base+"parked", 0, -1).Val()
	if len(members) != 1 {
		t.Fatal(members)
	}
	ms, seq, _ := strings.Cut(entry, "-")
	member := fmt.Sprintf("%s:%020s-%020s:%s", members[0][:40], ms, seq, entry)
	l.client.ZAdd(t.Context(), base+"parked", redis.Z{Member: strings.ReplaceAll(member, " ", "0")})
	l.client.HSet(t.Context(), base+"entries", entry, "\x98\xa2id\xa2m7\xa5topic\xa6orders\xa3key\xa2k0\xa7payload\xa6secret")
	code, out, errOut := l.run("retries", "list", "--state", "parked")
	if code != 0 || !strings.Contains(out, entry) || strings.Count(out, "\n") != 2 {
		t.Errorf("list: exit %d, %s%s", code, out, errOut)
	}
	code, out, _ = l.run("retries", "run-now", "--state", "parked")
	if code != 0 || !strings.Contains(out, "Would try at once 0 of 1 messages.\nSkipped: 1, parked behind another message of their key.\n") {
		t.Errorf("dry run: exit %d, %s", code, out)
	}
	code, out, _ = l.run("find", "--key", "k0", "--output", "ndjson")
	if code != 0 || !strings.Contains(out, `"place":"deferred","state":"retry"`) || !strings.Contains(out, `"place":"deferred","state":"parked"`) {
		t.Errorf("find: exit %d, %s", code, out)
	}
	code, out, _ = l.run("stats", "--stream", lane)
	if code != 0 || strings.Join(strings.Fields(out), " ") == "" || !strings.Contains(strings.Join(strings.Fields(out), " "), " '"+lane+"' 2 1 0 1 1 0 0 0 ") {
		t.Errorf("stats: exit %d, %s", code, out)
	}
}

func TestFindOfAConsumer(t *testing.T) {
	l := newFailed(t, false, 4, 5, "retries")
	first := l.client.XRange(t.Context(), "refunds", "-", "+").Val()[0]
	code, out, errOut := l.run("find", "--id", "m1")
	if code != 0 || !strings.HasPrefix(out, "ENTRY ") || strings.Count(out, "\n") != 2 || !strings.Contains(out, first.ID+"  refunds  deferred  retry ") || errOut != "" {
		t.Errorf("by the id of a message: exit %d, %s%s", code, out, errOut)
	}
	code, out, _ = l.run("find", "--id", first.ID, "--output", "ndjson")
	if code != 0 || strings.Count(out, "\n") < 2 || !strings.Contains(out, `"place":"acknowledged","stream":"refunds","entry":"`+first.ID) {
		t.Errorf("by the id of an entry: exit %d, %s", code, out)
	}
	unread := l.client.XAdd(t.Context(), &redis.XAddArgs{Stream: "orders", Values: []any{"id", "m9", "topic", "orders", "key", "k1", "payload", "secret"}}).Val()
	if code, out, _ := l.run("find", "--id", unread); code != 0 || !strings.Contains(out, unread+"  orders  unread ") {
		t.Errorf("what nobody has read: exit %d, %s", code, out)
	}
	if code, _, errOut := l.run("find", "--id", "m9"); code != exitNothing || errOut != "Nothing matches.\n" {
		t.Errorf("what nobody has read, by the id of the message: exit %d, %s", code, errOut)
	}
	l.client.XReadGroup(t.Context(), &redis.XReadGroupArgs{Group: "billing", Consumer: "c", Streams: []string{"orders", ">"}})
	code, out, errOut = l.run("find", "--key", "k1", "--limit", "1")
	if code != 0 || !strings.Contains(out, "  orders  pending ") || strings.Count(out, "\n") != 2 || errOut != "There are more than these 1: see --limit.\n" {
		t.Errorf("what a consumer has: exit %d, %s%s", code, out, errOut)
	}
	if strings.Contains(out, "secret") {
		t.Error("find shows a payload")
	}

	var o, e bytes.Buffer
	hasty := &findOperation{operation: operation{process: Process{Out: &o, Err: &e}, file: l.file, output: formTable, limit: 1}, consumerChoice: consumerChoice{consumer: "billing"}}
	coded, key := (*codedError)(nil), "k1"
	if err := hasty.findOfConsumer(t.Context(), consumer.Search{Key: &key}); !errors.As(err, &coded) || coded.code != exitPartly || !strings.Contains(e.String(), "It took too long to look among the deferred messages of stream refunds; one may be there.\n") || strings.Count(e.String(), "\n") != 6 {
		t.Errorf("without time: %v, %s%s", err, o.String(), e.String())
	}
}

func TestStatsOfAConsumer(t *testing.T) {
	l := newFailed(t, false, 4, 5, "retries")
	if code, out, _ := l.run("retries", "run-now", "--id", "m0", "--yes"); code != 0 {
		t.Fatal(out)
	}
	code, out, errOut := l.run("stats", "--output", "json")
	var all []streamStats
	if err := json.Unmarshal([]byte(out), &all); err != nil || code != 0 {
		t.Fatalf("exit %d: %v: %s%s", code, err, out, errOut)
	}
	if one := all[0]; len(all) != 2 || one.Stream != "orders" || one.Length != 2 || one.Unread == nil || *one.Unread != 0 || one.Pending != 0 || one.Retry != 2 ||
		one.NextDue == nil || !(one.OverdueSeconds >= 0 && one.OverdueSeconds < 60) {
		t.Errorf("%s", out)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 350*time.Millisecond)
	defer cancel()
	var o, e bytes.Buffer
	if code := Execute(ctx, Process{Args: []string{"stats", "--watch=100ms", "--consumer", "billing", "-c", l.file}, Out: &o, Err: &e}); code != 0 {
		t.Errorf("exit %d, %s", code, e.String())
	}
	lines := strings.Split(o.String(), "\n")
	if len(lines) < 2 || !strings.HasPrefix(lines[0], "AT ") || !strings.HasSuffix(strings.Join(strings.Fields(lines[1]), " "), "Z 4 0 0 4 0 0 0 0") {
		t.Errorf("%s", o.String())
	}
}

// What is no entry's, or was written by others, is neither lost nor in the way.
func TestForeignRetries(t *testing.T) {
	l := newFailed(t, false, 2, 5, "retries")
	base := "consumer:{orders}:billing:orders:"
	l.client.ZAdd(t.Context(), base+"due", redis.Z{Score: 1e300, Member: "a foreign member"}, redis.Z{Score: 1e300, Member: "no MessagePack"})
	l.client.HSet(t.Context(), base+"entries", "no MessagePack", "\xc1")
	code, out, errOut := l.run("retries", "list", "--output", "ndjson")
	if code != 0 || strings.Count(out, "\n") != 3 || !strings.Contains(out, `"entry":"no MessagePack"`) || strings.Contains(out, "a foreign member") {
		t.Errorf("list: exit %d, %s%s", code, out, errOut)
	}
	if code, out, _ := l.run("retries", "run-now", "--all", "--yes"); code != 0 || !strings.HasPrefix(out, "Made due 3 of 3 messages.") {
		t.Errorf("run-now: exit %d, %s", code, out)
	}
	if err := l.client.Set(t.Context(), base+"due", "a string", 0).Err(); err != nil {
		t.Fatal(err)
	}
	code, out, errOut = l.run("retries", "list", "--stream", "orders")
	if code != exitNothing || !strings.Contains(errOut, "a key of the consumers was of the wrong type and has been renamed") {
		t.Errorf("exit %d, %s%s", code, out, errOut)
	}
}

func TestMistakesAboutRetriesOfConsumers(t *testing.T) {
	server := testserver.Redis(t)
	file := written(t, fmt.Sprintf("redis: {url: %q}\nconsumers: [{name: billing, streams: [orders]}]\n", server.URL()))
	for _, c := range []struct{ args, err string }{
		{"retries list --consumer mail", `--consumer: the configuration has no consumer "mail": it has billing`},
		{"retries list --consumer billing --state delayed", "--state: nothing is delayed at consumers; retry and parked are"},
		{"retries list --consumer billing --state handling", "--state"},
		{"retries list --consumer billing --id 1-1 --id m1", "--id: give ids of entries or ids of messages"},
		{"retries list --consumer billing --outbox outbox", "--outbox and --consumer are given"},
		{"retries list --stream orders", "--stream is given without --consumer"},
		{"retries run-now --consumer billing", "nothing is selected"},
		{"find --consumer billing", "give exactly one of --id, --biz-id and --key"},
		{"find --consumer billing --outbox outbox --id m1", "--outbox and --consumer are given"},
		{"find --stream orders --id m1", "--stream is given without --consumer"},
		{"stats --consumer billing --outbox outbox", "--outbox and --consumer are given"},
		{"stats --consumer ma{il --stream orders", "the group"},
	} {
		code, out, errOut := execute(t, nil, append(strings.Fields(c.args), "-c", file)...)
		if code != exitUsage || out != "" || !strings.HasPrefix(errOut, "outboxworker: "+c.err) {
			t.Errorf("%s: exit %d, %s%s", c.args, code, out, errOut)
		}
	}
}
