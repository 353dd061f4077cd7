package cli

import (
	"context"
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/weirproxy/weir/internal/testserver"
	"github.com/weirproxy/weir/outboxworker/fingerprint"
)

// update writes what the golden files and pages should be.
var update = flag.Bool("update", false, "write testdata/*.golden and the reference of docs/outbox-commands.md")

// operated is an outbox with messages in each place, and a command line for it.
type operated struct {
	*testing.T
	conn    *pgx.Conn
	environ []string
}

// awkwardKey is a key that a shell would take apart.
const awkwardKey = "it's $HOME; a\tkey"

// newOperated makes an outbox whose messages died and wait since 2020, so that what is
// shown of them is always the same.
func newOperated(t *testing.T) *operated {
	t.Helper()
	url := testserver.Database(t)
	o := &operated{T: t, conn: connected(t, url), environ: []string{"OUTBOXWORKER_DATABASE_URL=" + url, "USER=ann"}}
	if code, _, errOut := o.run("migrate", "up"); code != 0 {
		t.Fatal(errOut)
	}
	o.exec("SELECT setval('outbox.message_id_seq', 1000)")
	timeout := "no answer within 10s from 10.0.0.%d"
	o.dead(11, "order-1", "orders", "timeout", fmt.Sprintf(timeout, 1), "exhausted", true)
	o.dead(12, "order-2", "orders", "timeout", fmt.Sprintf(timeout, 2), "exhausted", false)
	o.dead(13, awkwardKey, "refunds", "422", "the receiver answered 422: <field \"amount\">\nmust be a number, and this is a line that is longer than a table", "fatal", false)
	o.exec("UPDATE outbox.dead SET replays = 5 WHERE id = 12")
	o.waiting(21, "order-1", "parked", "NULL", 0)
	o.waiting(22, "order-3", "retry", "'2120-01-01 00:00:32Z'", 4)
	o.waiting(23, "order-3", "parked", "NULL", 0)
	o.waiting(24, "order-4", "delayed", "'2120-01-02 00:00:00Z'", 0)
	o.exec(`INSERT INTO outbox.message (message_id, biz_id, topic, key, type, payload, created_at)
		VALUES ('00000000-0000-4000-8000-000000001001', 'biz 31', 'orders', 'order-5', 'placed', 'secret', '2020-01-01T00:00:00Z')`)
	return o
}

// dead makes a dead message.
func (o *operated) dead(id int, key, topic, class, text, reason string, holds bool) {
	o.Helper()
	o.exec(`INSERT INTO outbox.dead (id, lane, holds, reason, attempts, last_error, class, fingerprint, died_at,
			message_id, biz_id, topic, key, type, payload, headers, created_at)
		VALUES ($1, hashtextextended($2, 0) & 7, $3, $4, 7, $5, $6, $7, '2020-01-01T00:01:00Z'::timestamptz + $1::bigint * interval '1 second',
			$8::text::uuid, $9, $10, $2, 'placed', $11, '{"traceparent": "00-1-2-01"}', '2020-01-01T00:00:00Z')`,
		id, key, holds, reason, text, class, fingerprint.Of(class, text), fmt.Sprintf("00000000-0000-4000-8000-%012d", id),
		fmt.Sprintf("biz %d", id), topic, []byte("secret\npayload"))
}

// waiting makes a message that waits.
func (o *operated) waiting(id int, key, state, due string, attempts int) {
	o.Helper()
	class, text := "", ""
	if attempts > 0 {
		class, text = "503", "the receiver answered 503"
	}
	o.exec(`INSERT INTO outbox.deferred (id, lane, state, due_at, attempts, last_error, class, deferred_at, message_id, topic, key, type, payload, created_at)
		VALUES ($1, hashtextextended($2, 0) & 7, $3, `+due+`, $4, NULLIF($5, ''), $6, '2020-01-01T00:02:00Z', $7::text::uuid, 'orders', $2, 'placed', 'secret', '2020-01-01T00:00:00Z')`,
		id, key, state, attempts, text, class, fmt.Sprintf("00000000-0000-4000-8000-%012d", id))
}

func (o *operated) exec(sql string, args ...any) {
	o.Helper()
	if _, err := o.conn.Exec(o.Context(), sql, args...); err != nil {
		o.Fatal(err)
	}
}

func (o *operated) run(args ...string) (code int, out, errOut string) {
	o.Helper()
	return execute(o.T, o.environ, args...)
}

// ask returns the one value of a query, as text.
func (o *operated) ask(sql string) (text string) {
	o.Helper()
	if err := o.conn.QueryRow(o.Context(), "SELECT ("+sql+")::text").Scan(&text); err != nil {
		o.Fatal(err)
	}
	return text
}

// everything is all that is in the tables of the outbox, and which transactions wrote it.
func (o *operated) everything() string {
	o.Helper()
	var all []string
	for _, table := range []string{"message", "deferred", "dead", "paused_lane", "audit", "delivered", "migration"} {
		all = append(all, table+": "+o.ask(`COALESCE((SELECT string_agg(t.xmin || ' ' || t.xmax || ' ' || t::text, E'\n' ORDER BY t::text) FROM outbox.`+table+` t), '')`))
	}
	return strings.Join(all, "\n")
}

var (
	words   = regexp.MustCompile(`'[^']*'|\S+`)
	anyID   = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	someday = regexp.MustCompile(`20(?:[3-9]\d|2[1-9])-\d\d-\d\dT[0-9:.]+Z`)
	sizes   = regexp.MustCompile(`\d+\.\d (?:KiB|MiB)|("(?:message|deferred|dead|delivered|audit)": ?)\d{4,}`)
	overdue = regexp.MustCompile(`(the first by |"overdue_seconds": ?)[0-9.]+m?`)
	backend = regexp.MustCompile(`"login": ?"[^"]*"`)
)

// said replaces what differs from one run to the next.
func said(text string) string {
	text = anyID.ReplaceAllStringFunc(text, func(id string) string {
		if strings.HasPrefix(id, "00000000-") {
			return id // of a message
		}
		return "a-number-for-the-run-of-this-command!"[:len(id)]
	})
	text = someday.ReplaceAllString(text, "now-and-not-in-2020Z")
	text = sizes.ReplaceAllString(text, "${1}0")
	text = overdue.ReplaceAllString(text, "${1}1")
	return backend.ReplaceAllString(text, `"login": "the login"`)
}

// transcript runs the command lines of a golden file one after the other, and compares
// what they say.
func (o *operated) transcript(file string) {
	o.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		o.Fatal(err)
	}
	var got strings.Builder
	for line := range strings.Lines(string(content)) {
		if comment := strings.HasPrefix(line, "# "); comment {
			got.WriteString("\n" + line)
			continue
		}
		command, ok := strings.CutPrefix(line, "$ outboxworker ")
		if !ok {
			continue
		}
		var args []string
		for _, arg := range words.FindAllString(command, -1) {
			args = append(args, strings.Trim(arg, "'"))
		}
		code, out, errOut := o.run(args...)
		fmt.Fprintf(&got, "\n%s%s", line, said(out))
		if errOut != "" {
			fmt.Fprintf(&got, "(stderr) %s", said(errOut))
		}
		if code != 0 {
			fmt.Fprintf(&got, "(exit %d)\n", code)
		}
	}
	if *update {
		if err := os.WriteFile(file, []byte(strings.TrimLeft(got.String(), "\n")), 0o600); err != nil {
			o.Fatal(err)
		}
	}
	want := "\n" + string(content)
	for i, line := range strings.Split(got.String(), "\n") {
		wanted := ""
		if lines := strings.Split(want, "\n"); i < len(lines) {
			wanted = lines[i]
		}
		if line != wanted {
			o.Errorf("%s, line %d:\n%s\nwant:\n%s\nTo accept all: go test ./outboxworker/cli -run '^%s$' -update", file, i, line, wanted, o.Name())
			return
		}
	}
}

// What each command says, in the three forms.
func TestOperatorsTranscript(t *testing.T) {
	newOperated(t).transcript("testdata/operate.golden")
}

// A command that is not told --yes changes nothing at all.
func TestADryRunChangesNothing(t *testing.T) {
	o := newOperated(t)
	before := o.everything()
	for _, line := range []string{
		"dead replay --all", "dead discard --topic orders", "retries run-now --all", "retries run-now --state delayed",
		"keys release --all", "keys skip-head --key order-3", "lanes pause --all", "lanes resume 3",
	} {
		for _, form := range []string{"table", "json", "ndjson"} {
			code, out, errOut := o.run(append(strings.Fields(line), "--output", form, "--reason", "none")...)
			if code != 0 || out == "" || errOut != "" {
				t.Errorf("%s --output %s: exit %d, %s%s", line, form, code, out, errOut)
			}
		}
	}
	if after := o.everything(); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
	// The same with --yes changes something.
	for _, line := range []string{
		"retries run-now --all", "keys skip-head --key order-3", "keys release --all", "dead replay --id 11", "dead discard --topic refunds", "lanes pause 3",
	} {
		before := o.everything()
		code, out, errOut := o.run(append(strings.Fields(line), "--yes")...)
		if code != 0 || o.everything() == before {
			t.Errorf("%s --yes: exit %d, %s%s", line, code, out, errOut)
		}
	}
}

// What is listed and shown without --payload has no payload.
func TestPayloadsAreShownOnlyIfAskedFor(t *testing.T) {
	o := newOperated(t)
	for _, line := range []string{
		"dead list", "dead show 11", "dead groups", "dead replay --all", "retries list", "keys blocked", "find --key order-1", "find --id 1001", "stats", "verify", "audit",
	} {
		for _, form := range []string{"table", "json", "ndjson"} {
			if _, out, errOut := o.run(append(strings.Fields(line), "--output", form)...); strings.Contains(out+errOut, "secret") || strings.Contains(out, "traceparent") {
				t.Errorf("%s --output %s shows a payload or headers: %s", line, form, out)
			}
		}
	}
	if _, out, _ := o.run("dead", "show", "11", "--payload"); !strings.Contains(out, "payload, utf-8:\nsecret\npayload\n") || !strings.Contains(out, "header traceparent") {
		t.Errorf("dead show --payload: %s", out)
	}
	o.exec(`UPDATE outbox.dead SET headers = '{"a\u001b[2J": "b"}'`)
	if _, out, _ := o.run("dead", "show", "11", "--payload"); !strings.Contains(out, `header a\x1b[2J  b`) {
		t.Errorf("a header with a name that a terminal obeys: %q", out)
	}
	o.exec(`UPDATE outbox.dead SET payload = '\xff00'`)
	if _, out, _ := o.run("dead", "show", "11", "--payload", "--output", "ndjson"); !strings.Contains(out, `"payload":"/wA=","payload_encoding":"base64"`) {
		t.Errorf("a payload that is no text: %s", out)
	}
}

func TestOperatorsMistakesAreUsageErrors(t *testing.T) {
	o := newOperated(t)
	two := written(t, "outboxes:\n  - {schema: first, sink: {discard: {}}}\n  - {schema: second, sink: {discard: {}}}\n")
	before := o.everything()
	for _, c := range []struct {
		args []string
		err  string
	}{
		{[]string{"dead", "discard", "--yes"}, "nothing is selected: say what by flags such as --group, --key or --id, or say --all"},
		{[]string{"dead", "discard", "--yes", "--all", "--topic", "orders"}, "--all and other flags that select are given"},
		{[]string{"dead", "discard", "--yes", "--topic", ""}, "--topic is empty; give it a value, or leave it out"},
		{[]string{"dead", "discard", "--yes", "--id", ""}, "--id is empty; give it a value, or leave it out"},
		{[]string{"dead", "discard", "--yes", "--all", "--consumer", ""}, "--consumer is empty; give it a value, or leave it out"},
		{[]string{"dead", "discard", "--yes", "--all", "--outbox", ""}, "--outbox is empty; give it a value, or leave it out"},
		{[]string{"audit", "--since", "1h", "--until", "2h"}, "--since is not before --until"},
		{[]string{"audit", "--run", ""}, "--run is empty; give it a value, or leave it out"},
		{[]string{"find", "--id", "", "--key", "x"}, "--id is empty; give it a value, or leave it out"},
		{[]string{"dead", "show", ""}, "the argument is empty: the position or the id of a dead message"},
		{[]string{"dead", "discard", "--yes", "--id", "-3"}, `--id: "-3" is neither a position such as 4711 nor an id such as`},
		{[]string{"dead", "list", "--id", "11", "--id", "00000000-0000-4000-8000-000000000011"}, "--id: give positions or ids of messages"},
		{[]string{"dead", "list", "--since", "yesterday"}, `--since: "yesterday" is neither a time such as 2026-01-31T08:00:00Z nor so long ago, such as 90s, 2h or 7d`},
		{[]string{"dead", "list", "--since", "1h", "--until", "2h"}, "--since is not before --until"},
		{[]string{"dead", "list", "--limit", "-1"}, "--limit: it is below 0"},
		{[]string{"dead", "list", "--output", "xml"}, `--output: "xml" is none of ["table" "json" "ndjson"]`},
		{[]string{"dead", "list", "--outbox", "outbox", "--consumer", "billing"}, "--outbox and --consumer are given"},
		{[]string{"dead", "list", "--stream", "orders"}, "--stream is given without --consumer"},
		{[]string{"dead", "replay", "--all", "--rate", "-1"}, "--rate: -1 is not between 0.001 and 1000000 messages a second"},
		{[]string{"dead", "replay", "--all", "--rate", "nan"}, "--rate: NaN is not between 0.001 and 1000000 messages a second"},
		{[]string{"dead", "list", "--dead-reason", "exhuasted"}, `--dead-reason: "exhuasted" is none of ["fatal" "exhausted" "skipped"]`},
		{[]string{"dead", "list", "--group", "no group"}, `--group: "no group" is neither a fingerprint`},
		{[]string{"retries", "list", "--state", "parkd"}, `--state: "parkd" is none of ["retry" "parked" "delayed"]`},
		{[]string{"keys", "blocked", "--state", "hold"}, `--state: "hold" is none of ["retrying" "held" "orphaned"]`},
		{[]string{"audit", "--action", "replayed"}, `--action: "replayed" is none of ["replay" `},
		{[]string{"dead", "replay", "--all", "--max-replays", "0"}, "--max-replays: it is below 1"},
		{[]string{"dead", "show"}, "0 arguments are given; one is needed: the position or the id of a dead message"},
		{[]string{"dead", "show", "x"}, `dead show: "x" is neither a position`},
		{[]string{"dead", "list", "-c", two}, "the configuration has 2 outboxes: say which by --outbox: first, second"},
		{[]string{"keys", "release"}, "nothing is selected"},
		{[]string{"retries", "run-now", "--reason", "because"}, "nothing is selected"},
		{[]string{"lanes", "pause"}, "say which lanes, as 0 3, or --all, and not both"},
		{[]string{"lanes", "pause", "1", "--all"}, "say which lanes, as 0 3, or --all, and not both"},
		{[]string{"lanes", "pause", "8"}, `there is no lane "8": lanes are 0 to 7`},
		{[]string{"find"}, "give exactly one of --id, --biz-id and --key"},
		{[]string{"find", "--key", "", "--biz-id", "x"}, "give exactly one of --id, --biz-id and --key"},
		{[]string{"find", "--key", "x", "--limit", "0"}, "--limit: it is not between 1 and 1000"},
		{[]string{"stats", "--watch=1ms"}, "--watch: 1ms is below 100ms"},
		{[]string{"stats", "--watch", "--output", "json"}, "--watch with --output json: that is one document; take ndjson"},
		{[]string{"audit", "--id", "11"}, `--id: "11" is no id of a message; the audit does not know positions`},
		{[]string{"audit", "--run", "x"}, `--run: "x" is no id of a run`},
	} {
		code, out, errOut := o.run(c.args...)
		if code != exitUsage || out != "" || !strings.HasPrefix(errOut, "outboxworker: "+c.err) {
			t.Errorf("%q: exit %d, %s%s", c.args, code, out, errOut)
		}
	}
	if o.everything() != before {
		t.Error("a command line that is wrong changed something")
	}
}

// Who cannot reach an outbox is told why.
func TestOperatorsWithoutAnOutbox(t *testing.T) {
	o := newOperated(t)
	code, _, errOut := o.run("dead", "list", "--outbox", "gone")
	if code != exitError || !strings.Contains(errOut, "opening outbox gone: ") || !strings.Contains(errOut, "outboxworker migrate up") {
		t.Errorf("no such outbox: exit %d, %s", code, errOut)
	}
	code, _, errOut = execute(t, []string{"OUTBOXWORKER_DATABASE_URL=postgres://ann:s3cret@127.0.0.1:1/shop"}, "stats")
	if code != exitError || !strings.Contains(errOut, "connecting") || !strings.Contains(errOut, "fix: check database.url and the password") || strings.Contains(errOut, "s3cret") {
		t.Errorf("no server: exit %d, %s", code, errOut)
	}
	// As with the configuration of a worker, whose role may do less, or something else.
	role := fmt.Sprintf("worker_%d", os.Getpid())
	o.exec("CREATE ROLE " + role + " LOGIN")
	defer func() {
		o.exec("DROP OWNED BY " + role)
		o.exec("DROP ROLE " + role)
	}()
	url, err := pgx.ParseConfig(environment(o.environ, "OUTBOXWORKER_DATABASE_URL"))
	if err != nil {
		t.Fatal(err)
	}
	as := []string{fmt.Sprintf("OUTBOXWORKER_DATABASE_URL=host=%s port=%d dbname=%s user=%s", url.Host, url.Port, url.Database, role)}
	for _, args := range [][]string{{"dead", "list"}, {"lanes", "pause", "1", "--yes"}} {
		code, _, errOut = execute(t, as, args...)
		if code != exitError || !strings.Contains(errOut, "permission denied") || !strings.Contains(errOut, "make the user a member of the role outbox_operator") {
			t.Errorf("no right, %q: exit %d, %s", args, code, errOut)
		}
		o.exec("GRANT outbox_worker TO " + role)
	}
}

// The name and the login of an operator are in the audit, each where it belongs.
func TestTheAuditNamesTheOperator(t *testing.T) {
	o := newOperated(t)
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	if code, _, errOut := o.run("dead", "discard", "--id", "13", "--yes", "--reason", "a test"); code != 0 {
		t.Fatal(errOut)
	}
	if got, want := o.ask("SELECT actor || ' ' || login || ' ' || reason FROM outbox.audit"), "ann@"+host+" "+o.ask("session_user")+" a test"; got != want {
		t.Errorf("%q is in the audit, want %q", got, want)
	}
}

// A group may be named by its beginning, if that is the beginning of one alone.
func TestAGroupIsNamedByItsBeginning(t *testing.T) {
	o := newOperated(t)
	o.exec("UPDATE outbox.dead SET fingerprint = CASE id WHEN 11 THEN 'ab00000000000000' WHEN 12 THEN 'ab11111111111111' ELSE 'cd00000000000000' END")
	for group, want := range map[string]int{"ab1": 0, "cd": 0, "ab": exitUsage, "ef": exitNothing, "ab00000000000000": 0, "abcdef0123456789": exitNothing} {
		for _, command := range []string{"dead list", "dead discard", "keys blocked"} {
			if command == "keys blocked" && want == 0 && group != "ab00000000000000" {
				continue // its messages hold no key
			}
			code, out, errOut := o.run(append(strings.Fields(command), "--group", group)...)
			if code != want {
				t.Errorf("%s --group %s: exit %d, want %d: %s%s", command, group, code, want, out, errOut)
			}
		}
	}
	if code, _, errOut := o.run("dead", "discard", "--group", "ab1", "--yes"); code != 0 || o.ask("SELECT string_agg(id::text, ' ' ORDER BY id) FROM outbox.dead") != "11 13" {
		t.Errorf("exit %d, %s", code, errOut)
	}
}

// A change that an error ends half-way says how far it came.
func TestAChangeThatEndsHalfWay(t *testing.T) {
	var out, errOut strings.Builder
	op := &operation{process: Process{Out: &out, Err: &errOut}, output: formTable, yes: true}
	err := change(t.Context(), op, &changing[deadLetter]{
		action: "replay", did: "Replayed", noun: "messages",
		do: func(_ context.Context, result *outcome) error {
			result.Matched, result.Changed = 10, 4
			return fmt.Errorf("the server went away")
		},
	})
	coded, ok := err.(*codedError)
	if !ok || coded.code != exitPartly || err.Error() != "stopped half-way: the server went away" || out.String() != "Replayed 4 of 10 messages.\n" {
		t.Errorf("%v, %s", err, out.String())
	}
}
