package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/weirproxy/weir/internal/backoff"
	"github.com/weirproxy/weir/internal/testserver"
	"github.com/weirproxy/weir/outboxworker/consumer"
)

// letters is a Redis with the dead letters of a group.
type letters struct {
	*testing.T
	client *redis.Client
	file   string
}

// newLetters makes dead letters: n messages of a stream, or of the lanes of one, that a
// handler fails.
func newLetters(t *testing.T, ordered bool, n int) *letters {
	t.Helper()
	return newFailed(t, ordered, n, 0, "dead")
}

// newFailed makes messages that failed, and wait for hours if they may be tried again, as
// the command of that name lists them.
func newFailed(t *testing.T, ordered bool, n, retries int, command string) *letters {
	t.Helper()
	server := testserver.Redis(t)
	options, err := redis.ParseURL(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	l := &letters{T: t, client: redis.NewClient(options)}
	t.Cleanup(func() { _ = l.client.Close() })
	l.file = written(t, fmt.Sprintf("redis: {url: %q}\nconsumers:\n  - {name: billing, streams: [orders, refunds], ordered: %v, webhook: {url: 'http://127.0.0.1:1/'}}\n", server.URL(), ordered))
	for i := range n {
		stream := []string{"orders", "refunds"}[i%2]
		if ordered {
			stream = consumer.LaneStreams(stream)[i%consumer.Lanes]
		}
		if err := l.client.XAdd(t.Context(), &redis.XAddArgs{Stream: stream, Values: []any{
			"id", fmt.Sprintf("m%d", i), "topic", []string{"orders", "refunds"}[i%2], "key", fmt.Sprintf("k%d", i), "payload", "secret",
		}}).Err(); err != nil {
			t.Fatal(err)
		}
	}
	o := consumer.DefaultOptions()
	o.Streams, o.Ordered, o.Retries = []string{"orders", "refunds"}, ordered, retries
	o.Backoff = backoff.Policy{Base: 3 * time.Hour, Cap: 100 * time.Hour}
	c, err := consumer.New(l.client, "billing", func(_ context.Context, m *consumer.Message) error {
		return errors.New("out of stock: item 4711")
	}, o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	eventually(t, "all have failed", func() bool {
		_, out, _ := l.run(command, "list", "--output", "ndjson", "--limit", "0")
		return strings.Count(out, "\n") == n
	})
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	return l
}

func (l *letters) run(args ...string) (code int, out, errOut string) {
	l.Helper()
	return execute(l.T, []string{"USER=ann"}, append(args, "--consumer", "billing", "-c", l.file)...)
}

// listed are the dead letters that a command line lists.
func (l *letters) listed(args ...string) (all []deadLetter) {
	l.Helper()
	_, out, errOut := l.run(append([]string{"dead", "list", "--output", "json"}, args...)...)
	if err := json.Unmarshal([]byte(out), &all); err != nil {
		l.Fatalf("%v: %s%s", err, out, errOut)
	}
	return all
}

func TestDeadLettersOfAConsumer(t *testing.T) {
	for name, ordered := range map[string]bool{"streams": false, "lanes": true} {
		t.Run(name, func(t *testing.T) {
			l := newLetters(t, ordered, 8)
			all := l.listed()
			first := all[0]
			if len(all) != 8 || first.Topic != "orders" || first.Letter == "" || first.Entry == "" || !strings.HasPrefix(first.Stream, "orders") || first.Bytes != 6 {
				t.Fatalf("%+v", all)
			}
			code, out, errOut := l.run("dead", "list", "--limit", "2")
			if code != 0 || !strings.HasPrefix(out, "LETTER ") || strings.Count(out, "\n") != 3 || errOut != "There are more than these 2: see --limit.\n" || strings.Contains(out, "secret") {
				t.Errorf("list: exit %d, %s%s", code, out, errOut)
			}
			if found := l.listed("--topic", "refunds", "--text", "OUT OF"); len(found) != 4 {
				t.Errorf("by topic: %+v", found)
			}
			if found := l.listed("--id", first.Letter, "--stream", first.Stream); len(found) != 1 || found[0].ID != first.ID {
				t.Errorf("by the id of a dead letter: %+v", found)
			}
			if found := l.listed("--stream", "orders", "--stream", "orders"); len(found) != 4 {
				t.Errorf("of a stream: %+v", found)
			}
			if found := l.listed("--id", "m3", "--id", "m4"); len(found) != 2 {
				t.Errorf("by ids of messages: %+v", found)
			}
			var groups []deadGroup
			_, out, _ = l.run("dead", "groups", "--output", "json")
			if err := json.Unmarshal([]byte(out), &groups); err != nil || len(groups) != 1 || groups[0].Count != 8 || groups[0].Shape != "out of stock: item <n>" || len(groups[0].Topics) != 2 {
				t.Errorf("groups: %v, %s", err, out)
			}
			code, out, errOut = l.run("dead", "show", "m5", "--payload")
			if code != 0 || !strings.Contains(out, "\npayload, utf-8:\nsecret\n") || !strings.Contains(out, "\nkey       k5\n") {
				t.Errorf("show: exit %d, %s%s", code, out, errOut)
			}
			if code, _, _ := l.run("dead", "show", "m99"); code != exitNothing {
				t.Errorf("show of none: exit %d", code)
			}

			code, out, _ = l.run("dead", "replay", "--group", groups[0].Fingerprint[:4], "--limit", "3")
			if code != 0 || !strings.Contains(out, "Would replay 3 of 8 messages.") || l.client.Exists(t.Context(), "consumer:{orders}:billing:orders:audit").Val() != 0 {
				t.Errorf("dry run: exit %d, %s", code, out)
			}
			code, out, errOut = l.run("dead", "replay", "--all", "--limit", "3", "--yes", "--reason", "a test")
			if code != 0 || !strings.HasPrefix(out, "Replayed 3 of 8 messages.\nRun: ") {
				t.Errorf("replay: exit %d, %s%s", code, out, errOut)
			}
			code, out, _ = l.run("dead", "replay", "--all", "--output", "json")
			if code != 0 || !strings.Contains(out, `"would_change": 5`) || !strings.Contains(out, `"replaying": 3`) {
				t.Errorf("dry run after that: exit %d, %s", code, out)
			}
			code, out, _ = l.run("dead", "replay", "--all", "--yes", "--rate", "1000")
			if code != exitPartly || !strings.Contains(out, "Replayed 5 of 8 messages.\nSkipped: 3, being replayed already.\n") {
				t.Errorf("replay of the rest: exit %d, %s", code, out)
			}
			code, out, _ = l.run("dead", "discard", "--topic", "refunds", "--yes", "--actor", "bob", "--output", "ndjson")
			if code != 0 || !strings.Contains(out, `"matched":4,"changed":4`) || len(l.listed()) != 4 {
				t.Errorf("discard: exit %d, %s", code, out)
			}
			l.audited(ordered)
		})
	}
}

// audited checks what the audit tells of these commands.
func (l *letters) audited(ordered bool) {
	l.Helper()
	code, out, errOut := l.run("audit", "--output", "json")
	var all []audited
	if err := json.Unmarshal([]byte(out), &all); err != nil || code != 0 {
		l.Fatalf("%v: exit %d, %s%s", err, code, out, errOut)
	}
	runs, messages := make(map[string]bool), int64(0)
	for _, e := range all {
		runs[e.Run] = true
		messages += e.Messages
	}
	last := all[len(all)-1]
	if len(runs) != 3 || messages != 12 || all[0].Action != "discard" || all[0].Actor != "bob" || last.Action != "replay" || last.Reason != "a test" || !strings.HasPrefix(last.Actor, "ann@") {
		l.Errorf("the audit: %s", out)
	}
	code, out, errOut = l.run("audit", "--run", last.Run, "--limit", "1")
	if code != 0 || strings.Count(out, "\n") != 2 || (errOut != "") != ordered {
		l.Errorf("the first run: exit %d, %s%s", code, out, errOut)
	}
	if code, _, _ := l.run("audit", "--actor", "eve"); code != exitNothing {
		l.Errorf("exit %d", code)
	}
}

// A rate holds for a command as a whole, also where each stream has one message.
func TestARateIsOfAllStreams(t *testing.T) {
	l := newLetters(t, false, 3)
	began := time.Now()
	code, out, errOut := l.run("dead", "discard", "--all", "--yes", "--rate", "4")
	if took := time.Since(began); code != 0 || !strings.HasPrefix(out, "Discarded 3 of 3 messages.\n") || took < 500*time.Millisecond {
		t.Errorf("exit %d after %s, %s%s", code, took, out, errOut)
	}
}

// Of very many groups the largest are shown, and a group names a few topics.
func TestManyGroupsAndTopics(t *testing.T) {
	l := newLetters(t, false, 0)
	pipe := l.client.Pipeline()
	for i := range mostGroups + 30 {
		for _, stream := range []string{"orders", "refunds"} {
			pipe.XAdd(t.Context(), &redis.XAddArgs{Stream: "consumer:{" + stream + "}:billing:" + stream + ":dead", Values: []any{
				"dead_entry", "1-1", "dead_attempts", 1, "dead_class", "", "dead_error", "", "dead_fingerprint", fmt.Sprintf("%016x", max(i, 29)), "dead_replays", 0,
				"dead_first_failed_at", 1, "id", i, "topic", fmt.Sprintf("%s-%d", stream, i), "payload", "",
			}})
		}
	}
	if _, err := pipe.Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
	code, out, errOut := l.run("dead", "groups", "--output", "json")
	var groups []deadGroup
	if err := json.Unmarshal([]byte(out), &groups); err != nil || code != 0 || len(groups) != mostGroups || groups[0].Count != 60 || len(groups[0].Topics) != 20 ||
		errOut != "These are the largest groups, there may be more than 1000: select some of them.\n" {
		t.Errorf("%v, exit %d, %d groups, %s", err, code, len(groups), errOut)
	}
	_, out, _ = l.run("dead", "groups", "--output", "json", "--stream", "orders", "--group", fmt.Sprintf("%016x", 29))
	if err := json.Unmarshal([]byte(out), &groups); err != nil || len(groups) != 1 || groups[0].Count != 30 || len(groups[0].Topics) != 20 {
		t.Errorf("of one stream: %v, %s", err, out)
	}
}

// What others put among the dead letters does not say of which stream it is; pages go on
// behind it all the same.
func TestForeignDeadLetters(t *testing.T) {
	l := newLetters(t, false, 0)
	const n = 1001 // more than a page
	pipe := l.client.Pipeline()
	for range n {
		pipe.XAdd(t.Context(), &redis.XAddArgs{Stream: "consumer:{refunds}:billing:refunds:dead", Values: []any{"foreign", "field"}})
	}
	if _, err := pipe.Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
	all := l.listed("--limit", "0")
	if len(all) != n || all[0].Stream != "refunds" || all[0].Class != "foreign" {
		t.Errorf("%d are listed, the first as %+v", len(all), all[0])
	}
	code, out, _ := l.run("dead", "replay", "--all")
	if code != 0 || !strings.Contains(out, "Would replay 0 of 1001 messages.\nSkipped: 1001, no dead letters of a consumer.\n") {
		t.Errorf("exit %d, %s", code, out)
	}
}

// A key that is no stream is set aside, and that is told.
func TestDeadLettersOfAWrongType(t *testing.T) {
	l := newLetters(t, false, 0)
	if err := l.client.Set(t.Context(), "consumer:{refunds}:billing:refunds:dead", "a string", 0).Err(); err != nil {
		t.Fatal(err)
	}
	code, out, errOut := l.run("dead", "list")
	if code != exitNothing || !strings.Contains(errOut, "a key of the consumers was of the wrong type and has been renamed") || !strings.Contains(errOut, "consumer:{refunds}:billing:refunds:dead") {
		t.Errorf("exit %d, %s%s", code, out, errOut)
	}
}

func TestMistakesAboutConsumers(t *testing.T) {
	server := testserver.Redis(t)
	file := written(t, fmt.Sprintf("redis: {url: %q}\nconsumers: [{name: billing, streams: [orders]}, {name: search, streams: [orders]}]\n", server.URL()))
	alone := written(t, fmt.Sprintf("redis: {url: %q}\n", server.URL()))
	away := written(t, "redis: {url: 'redis://127.0.0.1:1'}\nconsumers: [{name: billing, streams: [orders]}]\n")
	const noRedis = "connecting to Redis: dial tcp 127.0.0.1:1: connect: connection refused\n  fix: check redis.url and the password"
	for _, c := range []struct {
		args string
		code int
		err  string
	}{
		{"dead list --consumer billing -c " + away, exitError, noRedis},
		{"retries run-now --all --yes --consumer billing -c " + away, exitError, noRedis},
		{"stats --consumer billing -c " + away, exitError, noRedis},
		{"find --id m1 --consumer billing -c " + away, exitError, noRedis},
		{"audit --consumer billing -c " + away, exitError, noRedis},
		{"dead list --consumer mail -c " + file, exitUsage, `--consumer: the configuration has no consumer "mail": it has billing, search; of another one name the streams by --stream`},
		{"dead list --consumer mail -c " + alone, exitUsage, `--consumer: the configuration has no consumer "mail": it has none; name its streams by --stream`},
		{"dead list --consumer mail --stream orders -c " + alone, exitNothing, ""},
		{"dead list --consumer billing -c " + file, exitNothing, ""},
		{"dead list --consumer ma{il --stream orders -c " + alone, exitUsage, "the group"},
		{"dead list --consumer billing --dead-reason fatal -c " + file, exitUsage, "--dead-reason: dead letters of consumers have none; use --class"},
		{"dead list --consumer billing --id 1-1 --id m1 -c " + file, exitUsage, "--id: give ids of dead letters or ids of messages"},
		{"audit --consumer billing --outbox outbox -c " + file, exitUsage, "--outbox and --consumer are given"},
		{"audit --stream orders -c " + file, exitUsage, "--stream is given without --consumer"},
		{"consume --consumer= -c " + file, exitUsage, "--consumer is empty; give it a value, or leave it out"},
		{"dead discard --all --yes --consumer= -c " + file, exitUsage, "--consumer is empty; give it a value, or leave it out"},
		{"dead list --consumer billing --stream= -c " + file, exitUsage, "--stream is empty; give it a value, or leave it out"},
		{"dead list --consumer billing", exitError, "reading the configuration from the environment, without a file: 1 problem\n  redis: not set"},
	} {
		code, out, errOut := execute(t, nil, strings.Fields(c.args)...)
		want := "outboxworker: " + c.err
		if c.code == exitNothing {
			want = "Nothing matches.\n"
		}
		if code != c.code || out != "" || !strings.HasPrefix(errOut, want) {
			t.Errorf("%s: exit %d, %s%s", c.args, code, out, errOut)
		}
	}
}

// The audit of a consumer is read in pages, the last entry first, and no further than it is
// shown.
func TestTheAuditOfAConsumerIsReadInPages(t *testing.T) {
	l := newLetters(t, false, 0)
	const each = 2*auditPage + 1
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	pipe := l.client.Pipeline()
	for i := range 2 * each {
		stream := []string{"orders", "refunds"}[i%2]
		pipe.XAdd(t.Context(), &redis.XAddArgs{
			Stream: "consumer:{" + stream + "}:billing:" + stream + ":audit", ID: fmt.Sprintf("%d-0", begin.Add(time.Duration(i)*time.Second).UnixMilli()),
			Values: []any{"action", "discard", "actor", "ann", "run", fmt.Sprint(i), "filter", "{}", "ids", fmt.Sprintf("1-%d", i)},
		})
	}
	if _, err := pipe.Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
	until := begin.Add(300 * time.Second).Format(time.RFC3339)
	since := begin.Add(290 * time.Second).Format(time.RFC3339)
	for args, want := range map[string]struct {
		first, n int
		more     string
	}{
		"--limit 0":                              {2*each - 1, 2 * each, ""},
		"--limit 250":                            {2*each - 1, 250, "There are more than these 250: see --limit.\n"},
		"--limit 1 --id 1-7":                     {7, 1, ""},
		"--until " + until:                       {299, 100, "There are more than these 100: see --limit.\n"},
		"--since " + since + " --until " + until: {299, 10, ""},
	} {
		code, out, errOut := l.run(append([]string{"audit", "--output", "json"}, strings.Fields(args)...)...)
		var all []audited
		if err := json.Unmarshal([]byte(out), &all); err != nil || code != 0 || errOut != want.more || len(all) != want.n {
			t.Errorf("%s: %v, exit %d, %d entries, %s", args, err, code, len(all), errOut)
			continue
		}
		for i := range all {
			if all[i].Run != fmt.Sprint(want.first-i) {
				t.Errorf("%s: entry %d is of run %s", args, i, all[i].Run)
				break
			}
		}
	}
	if err := l.client.ConfigResetStat(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	if code, out, errOut := l.run("audit", "--limit", "3"); code != 0 || strings.Count(out, "\n") != 4 {
		t.Errorf("exit %d, %s%s", code, out, errOut)
	}
	if stats := l.client.Info(t.Context(), "commandstats").Val(); !strings.Contains(stats, "cmdstat_xrevrange:calls=2,") {
		t.Errorf("it reads more than a page of each stream: %s", stats)
	}
}
