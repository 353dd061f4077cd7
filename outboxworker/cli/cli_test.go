package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/weirproxy/weir/internal/testserver"
	"github.com/weirproxy/weir/outboxworker/cli/doctor"
)

func TestMain(m *testing.M) {
	if args := os.Getenv(childArgs); args != "" {
		os.Exit(Execute(context.Background(), Process{Args: strings.Split(args, "\n"), Environ: os.Environ(), Out: os.Stdout, Err: os.Stderr}))
	}
	testserver.Main(m)
}

// execute runs a command line in an environment of its own.
func execute(t *testing.T, environ []string, args ...string) (code int, out, errOut string) {
	t.Helper()
	var o, e bytes.Buffer
	code = Execute(t.Context(), Process{Args: args, Environ: environ, Out: &o, Err: &e})
	return code, o.String(), e.String()
}

// written returns the name of a file with a configuration.
func written(t *testing.T, content string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "worker.yaml")
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func connected(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func TestExitCodes(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "none.yaml")
	for _, c := range []struct {
		args string
		code int
		err  string // what standard error begins with
	}{
		{"version", 0, ""},
		{"--help", 0, ""},
		{"migrate sql --help", 0, ""},
		{"", 2, "outboxworker: a command is missing\nSee outboxworker --help."},
		{"migrate", 2, "outboxworker: a command is missing\nSee outboxworker migrate --help."},
		{"rum", 2, `outboxworker: there is no command "rum"; did you mean run?`},
		{"migrate upp", 2, `outboxworker: there is no command "upp"; did you mean up?`},
		{"run --fast", 2, "outboxworker: unknown flag: --fast\nSee outboxworker run --help."},
		{"run -c", 2, "outboxworker: flag needs an argument"},
		{"run worker.yaml", 2, `outboxworker: "worker.yaml" is one argument too many`},
		{"doctor --output xml", 2, `outboxworker: --output: "xml" is none of ["table" "json" "ndjson"]`},
		{"migrate sql --schema Public", 2, "outboxworker: checking the name of the outbox's schema"},
		{"check-config -c " + missing, 1, "outboxworker: reading the configuration: open "},
		{"run", 1, "outboxworker: reading the configuration from the environment, without a file: 2 problems\n  database.url: not set"},
		{"doctor", 1, "outboxworker: reading the configuration from the environment"},
		{"migrate up", 1, "outboxworker: reading the configuration from the environment"},
	} {
		code, _, errOut := execute(t, nil, strings.Fields(c.args)...)
		if code != c.code || !strings.HasPrefix(errOut, c.err) || (c.err == "") != (errOut == "") {
			t.Errorf("outboxworker %s: exit %d, want %d; standard error: %s", c.args, code, c.code, errOut)
		}
	}
}

func TestVersionNamesTheSchema(t *testing.T) {
	code, out, _ := execute(t, nil, "version")
	if code != 0 || !strings.HasPrefix(out, "outboxworker ") || !strings.HasSuffix(out, ", schema version 2\n") {
		t.Errorf("exit %d, %q", code, out)
	}
}

func TestCheckConfig(t *testing.T) {
	code, out, errOut := execute(t, nil, "check-config", "-c", "../../outboxworker.example.yaml")
	if code != 0 || out != "ok\n" || errOut != "" {
		t.Errorf("the example: exit %d, %s%s", code, out, errOut)
	}
	file := written(t, "database: {url: postgres://localhost/shop}\noutboxes:\n  - wrkers: 4\n    sink: {discard: {}}\n")
	code, out, errOut = execute(t, []string{"OUTBOXWORKER_LOG_LEVEL=loud"}, "check-config", "--config", file)
	want := "outboxworker: reading the configuration from " + file + ": 2 problems\n" +
		"  line 3: outboxes[0].wrkers: unknown key; did you mean workers?\n" +
		"  OUTBOXWORKER_LOG_LEVEL: log.level: \"loud\" is none of debug, info, warn and error\n"
	if code != 1 || out != "" || errOut != want {
		t.Errorf("exit %d, %s%s\nwant %s", code, out, errOut, want)
	}
}

func TestMigrate(t *testing.T) {
	url := testserver.Database(t)
	environ := []string{"OUTBOXWORKER_DATABASE_URL=" + url}
	// The sinks of the file need not work where migrations are run.
	file := written(t, "outboxes:\n"+
		"  - {schema: first_box, sink: {webhook: {url_file: there/is/none}}}\n  - {schema: second_box, sink: {discard: {}}}\n")

	code, out, errOut := execute(t, environ, "migrate", "status", "-c", file)
	if code != 1 || out != "" || !strings.Contains(errOut, "checking schema first_box: there is no outbox in it") ||
		!strings.Contains(errOut, "checking schema second_box: there is no outbox in it") {
		t.Errorf("status before: exit %d, %s%s", code, out, errOut)
	}
	code, out, errOut = execute(t, environ, "migrate", "up", "-c", file)
	if code != 0 || out != "first_box: migrated to version 1\nfirst_box: migrated to version 2\nsecond_box: migrated to version 1\nsecond_box: migrated to version 2\n" || errOut != "" {
		t.Errorf("up: exit %d, %s%s", code, out, errOut)
	}
	code, out, errOut = execute(t, environ, "migrate", "up", "-c", file, "--schema", "first_box")
	if code != 0 || out != "first_box: up to date\n" {
		t.Errorf("up again: exit %d, %s%s", code, out, errOut)
	}
	code, out, errOut = execute(t, environ, "migrate", "status", "--schema", "first_box,second_box")
	if code != 0 || out != "first_box: version 2, this worker knows version 2\nsecond_box: version 2, this worker knows version 2\n" {
		t.Errorf("status: exit %d, %s%s", code, out, errOut)
	}
	// Without a file and a flag it is the schema that producers use without a name.
	code, out, errOut = execute(t, environ, "migrate", "up")
	if code != 0 || out != "outbox: migrated to version 1\noutbox: migrated to version 2\n" {
		t.Errorf("up of the default: exit %d, %s%s", code, out, errOut)
	}
	// One that cannot be migrated does not keep the others from it.
	code, out, errOut = execute(t, environ, "migrate", "up", "--schema", "public,third_box")
	if code != 1 || out != "third_box: migrated to version 1\nthird_box: migrated to version 2\n" || !strings.Contains(errOut, "public is not the outbox's own") {
		t.Errorf("up of two: exit %d, %s%s", code, out, errOut)
	}
}

func TestMigrateSQLMakesWhatUpMakes(t *testing.T) {
	conn := connected(t, testserver.Database(t))
	code, sql, errOut := execute(t, nil, "migrate", "sql", "--schema", "by_hand", "--roles")
	if code != 0 || errOut != "" {
		t.Fatalf("exit %d, %s", code, errOut)
	}
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
	var roles int
	err := conn.QueryRow(t.Context(), "SELECT count(*) FROM pg_roles WHERE rolname LIKE 'by_hand_%'").Scan(&roles)
	if err != nil || roles != 3 {
		t.Errorf("%d roles, %v", roles, err)
	}
	code, out, errOut := execute(t, []string{"OUTBOXWORKER_DATABASE_URL=" + conn.Config().ConnString()}, "migrate", "up", "--schema", "by_hand")
	if code != 0 || out != "by_hand: up to date\n" {
		t.Errorf("up: exit %d, %s%s", code, out, errOut)
	}
	if _, sql, _ := execute(t, nil, "migrate", "sql"); strings.Contains(sql, "CREATE ROLE") || !strings.Contains(sql, `"outbox".message`) && !strings.Contains(sql, "outbox.message") {
		t.Error("without --roles and --schema the SQL makes roles, or another schema")
	}
}

func TestDoctor(t *testing.T) {
	url := testserver.Database(t)
	redis := testserver.Redis(t)
	file := written(t, "database: {url: \""+url+"\"}\nredis: {url: \""+redis.URL()+"\"}\noutboxes:\n"+
		"  - {schema: outbox, sink: {redis_stream: {url: \""+redis.URL()+"\"}}}\n"+
		"  - {schema: gone, sink: {webhook: {url: \"http://127.0.0.1:1/\"}}}\n  - {schema: outbox2, sink: {discard: {}}}\n")
	if code, _, errOut := execute(t, nil, "migrate", "up", "-c", file, "--schema", "outbox,outbox2"); code != 0 {
		t.Fatal(errOut)
	}

	code, out, errOut := execute(t, nil, "doctor", "-c", file, "--output", "json")
	var found []doctor.Finding
	if err := json.Unmarshal([]byte(out), &found); err != nil {
		t.Fatalf("%v: %s%s", err, out, errOut)
	}
	got := make(map[string]doctor.Level)
	for _, f := range found {
		// of several findings of a check the last one, which is the worst here
		got[f.Outbox+"/"+f.Check] = f.Level
	}
	for name, level := range map[string]doctor.Level{
		"/connection": doctor.OK, "outbox/rights": doctor.OK, "outbox/sink": doctor.Warning, // Redis keeps nothing on disk
		"/redis": doctor.OK, "/redis policy": doctor.OK, "/redis persistence": doctor.OK, "outbox/timers": doctor.OK,
		"gone/schema": doctor.Error, "gone/sink": doctor.Error, "outbox2/indexes": doctor.OK, "outbox2/sink": doctor.OK,
	} {
		if got[name] != level {
			t.Errorf("%s is %q, want %s", name, got[name], level)
		}
	}
	if code != 1 || errOut != "" {
		t.Errorf("exit %d, %s", code, errOut)
	}

	code, out, _ = execute(t, nil, "doctor", "-c", file)
	if code != 1 || !strings.Contains(out, "\nerror    gone     schema ") || !strings.Contains(out, "fix: outboxworker migrate up --schema gone") {
		t.Errorf("exit %d, table:\n%s", code, out)
	}

	// Consumers alone need no database, and a Redis that keeps what they have noted.
	consumers := written(t, "redis: {url: \""+redis.URL()+"\"}\nconsumers:\n"+
		"  - {name: billing, streams: [events], webhook: {url: \"http://127.0.0.1:1/\"}}\n")
	code, out, errOut = execute(t, nil, "doctor", "-c", consumers)
	if code != 1 || !strings.Contains(out, "appendonly is no") || !strings.Contains(out, "consumer billing  ") || strings.Contains(out, "database") {
		t.Errorf("consumers: exit %d, %s%s", code, out, errOut)
	}

	healthy := written(t, "database: {url: \""+url+"\"}\noutboxes: [{schema: outbox, sink: {discard: {}}}]\n")
	if code, out, errOut := execute(t, nil, "doctor", "-c", healthy); code != 0 {
		t.Errorf("exit %d, %s%s", code, out, errOut)
	}
}
