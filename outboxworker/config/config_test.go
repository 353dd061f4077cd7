package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap/zapcore"

	"github.com/weirproxy/weir/internal/backoff"
	"github.com/weirproxy/weir/outboxworker/relay"
	"github.com/weirproxy/weir/outboxworker/sink/redisstream"
)

const minimal = `
database: {url: postgres://worker@db.example:5433/shop}
outboxes:
  - sink: {discard: {}}
`

// load reads a configuration that must be right.
func load(t *testing.T, content string, environ ...string) *Config {
	t.Helper()
	file := ""
	if content != "" {
		file = written(t, content)
	}
	c, err := Load(file, environ)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// refused reads a configuration that must be wrong, and returns the problems.
func refused(t *testing.T, content string, environ ...string) string {
	t.Helper()
	file := ""
	if content != "" {
		file = written(t, content)
	}
	_, err := Load(file, environ)
	invalid := (*InvalidError)(nil)
	if !errors.As(err, &invalid) {
		t.Fatalf("the error is %v, want an *InvalidError", err)
	}
	var all []string
	for _, p := range invalid.Problems {
		all = append(all, p.String())
	}
	return strings.Join(all, "\n")
}

func TestDefaultsAreTheRelaysOwn(t *testing.T) {
	c := load(t, minimal)
	got, err := c.Outboxes[0].Settings(&c.Database)
	if err != nil {
		t.Fatal(err)
	}
	if got.Database.Host != "db.example" || got.Database.Port != 5433 || got.Listen == nil {
		t.Errorf("it connects to %s:%d and listens on %v", got.Database.Host, got.Database.Port, got.Listen)
	}
	got.Database, got.Listen = nil, nil
	if want := relay.DefaultSettings(); !reflect.DeepEqual(got, want) {
		t.Errorf("settings %+v\nwant     %+v", got, want)
	}
	if c.HTTP.Address != "127.0.0.1:9465" || c.Log != (Log{"info", "json"}) {
		t.Errorf("server %+v, log %+v", c.HTTP, c.Log)
	}
}

const everything = `
database:
  url: postgres://worker@localhost/shop
  listen_url: postgres://worker@direct/shop
  password: hunter2
outboxes:
  - schema: orders
    workers: 2
    batch_messages: 10
    batch_bytes: 64KiB
    batch_time: 150ms
    lane_timeout: 20s
    poll_min: 3ms
    poll_max: 300ms
    full_look: 2m
    retry: {base: 2s, cap: 1m, retries: 0}
    breaker_messages: 5
    breaker_give_up_after: 24h
    on_dead: hold
    outage: {base: 1s, cap: 10s}
    keep_delivered: 24h
    stop_timeout: 4s
    synchronous_commit: off
    topics: [a, b]
    sink: {stdout: }
`

func TestEveryKeyOfAnOutboxReachesTheRelay(t *testing.T) {
	c := load(t, everything)
	got, err := c.Outboxes[0].Settings(&c.Database)
	if err != nil {
		t.Fatal(err)
	}
	if got.Listen.Host != "direct" || got.Listen.Password != "hunter2" || got.Database.Password != "hunter2" {
		t.Errorf("it listens on %s; passwords %q and %q", got.Listen.Host, got.Listen.Password, got.Database.Password)
	}
	if name := got.Database.RuntimeParams["application_name"]; name != "outboxworker" {
		t.Errorf("application_name is %q", name)
	}
	got.Database, got.Listen = nil, nil
	want := relay.Settings{
		Schema: "orders", Workers: 2, BatchMessages: 10, BatchBytes: 65536, BatchTime: 150 * time.Millisecond,
		LaneTimeout: 20 * time.Second, PollMin: 3 * time.Millisecond, PollMax: 300 * time.Millisecond, FullLook: 2 * time.Minute,
		Retry: backoff.Policy{Base: 2 * time.Second, Cap: time.Minute}, Retries: 0, BreakerMessages: 5, BreakerGiveUpAfter: 24 * time.Hour, OnDead: relay.Hold,
		Outage:        backoff.Policy{Base: time.Second, Cap: 10 * time.Second},
		KeepDelivered: 24 * time.Hour, StopTimeout: 4 * time.Second, SynchronousCommit: "off", Topics: []string{"a", "b"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("settings %+v\nwant     %+v", got, want)
	}
	// A field that was added to the relay must get a key, or a reason not to.
	if n := reflect.TypeFor[relay.Settings]().NumField(); n != 22 {
		t.Errorf("relay.Settings has %d fields; this test, Outbox and the page know 22", n)
	}
}

func TestPollOnlyListensNowhere(t *testing.T) {
	c := load(t, minimal, "OUTBOXWORKER_DATABASE_POLL_ONLY=true")
	settings, err := c.Outboxes[0].Settings(&c.Database)
	if err != nil || settings.Listen != nil {
		t.Errorf("it listens with %v, %v", settings.Listen, err)
	}
}

func TestEnvironmentOverridesTheFile(t *testing.T) {
	c := load(t, minimal,
		"OUTBOXWORKER_DATABASE_URL=postgres://other@elsewhere/shop",
		"OUTBOXWORKER_HTTP_ADDRESS=:9000",
		"OUTBOXWORKER_LOG_LEVEL=", // not set
		"OUTBOXWORKER_OUTBOXES_0_WORKERS=8",
		"OUTBOXWORKER_OUTBOXES_0_RETRY_RETRIES=1",
		"OUTBOXWORKER_OUTBOXES_0_TOPICS=orders, payments",
		"OUTBOXWORKER_OUTBOXES_1_SINK_REDIS_STREAM_URL=redis://cache",
		"OUTBOXWORKER_OUTBOXES_1_SCHEMA=second",
		"OUTBOXWORKER_OUTBOXES_2_SINK_STDOUT={}",
		"OUTBOXWORKER_OUTBOXES_2_SCHEMA=third",
		"OTHER_VARIABLE=1",
		"OUTBOXWORKER_PORT=tcp://10.0.0.1:9465", // of a service with this name
		"OUTBOXWORKER_SERVICE_PORT_HTTP=9465",
	)
	first := c.Outboxes[0]
	if c.Database.URL.Reveal() != "postgres://other@elsewhere/shop" || c.HTTP.Address != ":9000" || c.Log.Level != "info" ||
		first.Workers != 8 || !reflect.DeepEqual(first.Retry, Retry{Base: time.Second, Cap: 32 * time.Second, Retries: 1, Timers: true}) ||
		!reflect.DeepEqual(first.Topics, []string{"orders", "payments"}) || first.Sink.Kind() != "discard" {
		t.Errorf("got %+v", c)
	}
	if len(c.Outboxes) != 3 || c.Outboxes[1].Schema != "second" || c.Outboxes[1].Workers != 4 ||
		c.Outboxes[1].Sink.RedisStream.URL != "redis://cache" || c.Outboxes[1].Sink.RedisStream.Stream != "events:{topic}" ||
		c.Outboxes[2].Sink.Kind() != "stdout" {
		t.Errorf("got outboxes %+v", c.Outboxes)
	}
}

func TestEnvironmentAloneIsEnough(t *testing.T) {
	var environ []string
	for i := range 12 { // 10 comes before 2 in the order of text
		environ = append(environ, fmt.Sprintf("OUTBOXWORKER_OUTBOXES_%d_SCHEMA=s%d", i, i), fmt.Sprintf("OUTBOXWORKER_OUTBOXES_%d_SINK_DISCARD={}", i))
	}
	c := load(t, "", append(environ, "OUTBOXWORKER_DATABASE_URL=postgres://worker@localhost/shop")...)
	if len(c.Outboxes) != 12 || c.Outboxes[10].Schema != "s10" {
		t.Errorf("got %d outboxes", len(c.Outboxes))
	}
}

func TestProblemsOfTheEnvironmentNameTheVariable(t *testing.T) {
	got := refused(t, minimal,
		"OUTBOXWORKER_OUTBOX_0_WORKERS=1",
		"OUTBOXWORKER_OUTBOXES_0_WORKERS=many",
		"OUTBOXWORKER_OUTBOXES_0_BATCH_MESSAGES=0",
		"OUTBOXWORKER_OUTBOXES_7_WORKERS=1",
		"OUTBOXWORKER_OUTBOXES_0_SINK_STDOUT={}",
		"OUTBOXWORKER_OUTBOXES_0_FATAL=1",
		"OUTBOXWORKER_OUTBOXES_0_SINK_STDOUT_FORMAT=1",
	)
	want := `line 4: outboxes[0].sink: these are several, stdout and discard; an outbox has one sink, and another sink needs an outbox of its own
OUTBOXWORKER_OUTBOXES_0_BATCH_MESSAGES: outboxes[0].batch_messages: 0 is not between 1 and 10000
OUTBOXWORKER_OUTBOXES_0_FATAL: no key has this name; the name is the key's path in upper case, as in OUTBOXWORKER_OUTBOXES_0_WORKERS
OUTBOXWORKER_OUTBOXES_0_SINK_STDOUT_FORMAT: no key has this name; the name is the key's path in upper case, as in OUTBOXWORKER_OUTBOXES_0_WORKERS
OUTBOXWORKER_OUTBOXES_0_WORKERS: outboxes[0].workers: the value is not a whole number
OUTBOXWORKER_OUTBOXES_7_WORKERS: the list has no entry before this one; indexes begin at 0 and have no gaps
OUTBOXWORKER_OUTBOX_0_WORKERS: no key has this name; the name is the key's path in upper case, as in OUTBOXWORKER_OUTBOXES_0_WORKERS`
	if got != want {
		t.Errorf("problems:\n%s\nwant:\n%s", got, want)
	}
}

// A variable for one use of an anchor leaves the others alone.
func TestEnvironmentAndAnchors(t *testing.T) {
	c := load(t, `
database: {url: postgres://worker@localhost/shop}
outboxes:
  - {schema: a, retry: &retry {base: 2s, cap: 4s}, sink: {discard: {}}}
  - {schema: b, retry: *retry, sink: {discard: {}}}
`, "OUTBOXWORKER_OUTBOXES_1_RETRY_CAP=9s")
	if a, b := c.Outboxes[0].Retry, c.Outboxes[1].Retry; a.Cap != 4*time.Second || b.Cap != 9*time.Second || b.Base != 2*time.Second {
		t.Errorf("retries are %+v and %+v", a, b)
	}
}

func TestSecretsComeFromFiles(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const signing = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz"
	c := load(t, `
database:
  url: postgres://worker@localhost/shop
  password_file: `+file("db", "pass word \r\n")+`
outboxes:
  - sink:
      webhook:
        url: https://example.com/a
        secret_file: `+file("signing", signing+"\n")+`
        authorization_file: `+file("auth", "Bearer x")+`
        headers: {X-Tenant: "42"}
  - schema: second
    sink: {redis_stream: {url: redis://user@cache, password_file: `+file("redis", "p@ss/word\n")+`}}
  - schema: third
    sink: {redis_stream: {sentinel: {master: shop, addresses: ["one:26379"], user: worker, password_file: `+file("sentinel", "word\n")+`}}}
`, "OUTBOXWORKER_OUTBOXES_0_SINK_WEBHOOK_URL_FILE="+file("url", "https://example.com/b\n"))
	if c.Database.Password != "pass word " {
		t.Errorf("the password is %q", c.Database.Password.Reveal())
	}
	w, err := c.Outboxes[0].Sink.Webhook.settings()
	if err != nil {
		t.Fatal(err)
	}
	wantHeaders := map[string]string{"X-Tenant": "42", "Authorization": "Bearer x"}
	if !reflect.DeepEqual(w.Secrets, []string{signing}) || !reflect.DeepEqual(w.Headers, wantHeaders) || w.URL != "https://example.com/b" {
		t.Errorf("secrets %q, headers %q, url %q", w.Secrets, w.Headers, w.URL)
	}
	r, err := c.Outboxes[1].Sink.RedisStream.settings()
	if err != nil || r.URL != "redis://user@cache" || r.Password != "p@ss/word" {
		t.Errorf("the URL of Redis is %q, the password %q, %v", r.URL, r.Password, err)
	}
	r, err = c.Outboxes[2].Sink.RedisStream.settings()
	want := &redisstream.Sentinel{Master: "shop", Addresses: []string{"one:26379"}, User: "worker", Password: "word"}
	if err != nil || r.URL != "" || !reflect.DeepEqual(r.Sentinel, want) {
		t.Errorf("the Sentinels of Redis are %+v, %v", r.Sentinel, err)
	}
}

// A variable stands for a secret however the file has it.
func TestAVariableReplacesTheOtherSpellingOfASecret(t *testing.T) {
	c := load(t, `
database: {url_file: there/is/none}
outboxes: [{sink: {discard: {}}}]
`, "OUTBOXWORKER_DATABASE_URL=postgres://worker@localhost/shop")
	if c.Database.URL != "postgres://worker@localhost/shop" || c.Database.URLFile != "" {
		t.Errorf("got %+v", c.Database)
	}
	got := refused(t, minimal, "OUTBOXWORKER_DATABASE_PASSWORD=a", "OUTBOXWORKER_DATABASE_PASSWORD_FILE=b")
	if want := "OUTBOXWORKER_DATABASE_PASSWORD_FILE: database.password_file: password is set too; set one of them"; got != want {
		t.Errorf("problems: %s, want %s", got, want)
	}
}

func TestSecretsAreNotShown(t *testing.T) {
	c := load(t, `
database: {url: "postgres://worker:s3cret@localhost/shop"}
outboxes: [{sink: {webhook: {url: "https://example.com/s3cret", headers: {X-Key: s3cret}}}}]
`)
	marshalled, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	w := *c.Outboxes[0].Sink.Webhook
	for _, text := range []string{
		string(marshalled), fmt.Sprint(c.Database), fmt.Sprintf("%+v %#v %v %s", c.Database, c.Database, w, w.URL), fmt.Sprintf("%q", w.URL),
	} {
		if strings.Contains(text, "s3cret") {
			t.Errorf("a secret is shown: %s", text)
		}
		if !strings.Contains(text, "[redacted]") {
			t.Errorf("no secret is in %s", text)
		}
	}
}

func TestLoadDatabaseNeedsNoSink(t *testing.T) {
	content := `
database: {url: postgres://worker@localhost/shop}
outboxes:
  - schema: orders
    workers: 99
    sink: {webhook: {url_file: there/is/none}}
`
	c, err := LoadDatabase(written(t, content), nil)
	if err != nil || len(c.Outboxes) != 1 || c.Outboxes[0].Schema != "orders" {
		t.Errorf("got %+v, %v", c, err)
	}
	if _, err := LoadDatabase(written(t, content+"colour: blue\n"), nil); err == nil {
		t.Error("an unknown key is not noticed")
	}
	if _, err := LoadDatabase("", nil); err == nil {
		t.Error("a missing database is not noticed")
	}
}

func TestFilesThatCannotBeRead(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "none.yaml")
	if _, err := Load(missing, nil); !errors.Is(err, os.ErrNotExist) || !strings.HasPrefix(err.Error(), "reading the configuration: ") {
		t.Errorf("the error is %v", err)
	}
	large := written(t, "# "+strings.Repeat("x", maxFile))
	if _, err := Load(large, nil); err == nil || !strings.Contains(err.Error(), "larger than 1 MiB") {
		t.Errorf("the error is %v", err)
	}
}

func TestSizes(t *testing.T) {
	for text, want := range map[string]Size{"0": 0, "65536": 65536, "64KiB": 65536, "4MiB": 4 << 20, "1 GiB": 1 << 30} {
		if got, err := parseSize(text); err != nil || got != want {
			t.Errorf("%s is %d, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "MiB", "4MB", "1.5MiB", "9999999999999GiB", "4 mib"} {
		if got, err := parseSize(text); err == nil {
			t.Errorf("%q is %d", text, got)
		}
	}
	for size, want := range map[Size]string{0: "0", 1: "1", 1024: "1KiB", 1025: "1025", 4 << 20: "4MiB", 3 << 30: "3GiB"} {
		if got := size.String(); got != want {
			t.Errorf("%d is shown as %s, want %s", int(size), got, want)
		}
	}
}

func TestLevels(t *testing.T) {
	for text, want := range map[string]zapcore.Level{"debug": zapcore.DebugLevel, "error": zapcore.ErrorLevel, "": zapcore.InfoLevel, "x": zapcore.InfoLevel} {
		if got := (&Log{Level: text}).ZapLevel(); got != want {
			t.Errorf("%q is %s", text, got)
		}
	}
}

func TestEverySinkOpens(t *testing.T) {
	for kind, content := range map[string]string{
		"discard": "{discard: }", "stdout": "{stdout: {}}",
		"redis_stream": "{redis_stream: {url: redis://localhost}}", "webhook": "{webhook: {url: http://localhost}}",
	} {
		c := load(t, "database: {url: postgres://worker@localhost/shop}\noutboxes: [{sink: "+content+"}]\n")
		s := &c.Outboxes[0].Sink
		opened, err := s.Open()
		if err != nil || s.Kind() != kind {
			t.Errorf("%s: opening %s: %v", kind, s.Kind(), err)
			continue
		}
		if err := opened.Close(); err != nil {
			t.Errorf("%s: closing: %v", kind, err)
		}
	}
	if _, err := (&Sink{}).Open(); err == nil {
		t.Error("no sink opens")
	}
}

// Settings that mean the same are equal, or each reload would exchange every relay.
func TestEqualConfigurationsAreEqual(t *testing.T) {
	content := `
database: {url: postgres://worker@localhost/shop}
outboxes:
  - {schema: a, sink: {redis_stream: {url: redis://localhost, tls: {server_name: x}}}}
  - {schema: b, topics: [x], sink: {webhook: {url: http://localhost, headers: {A: b}}}}
`
	content = strings.Replace(content, "redis://", "rediss://", 1)
	a, b := load(t, content), load(t, content+"# a comment\n")
	if !reflect.DeepEqual(a, b) {
		t.Errorf("%+v\ndiffers from\n%+v", a, b)
	}
	c := load(t, strings.Replace(content, "{A: b}", "{A: c}", 1))
	if reflect.DeepEqual(a.Outboxes[1], c.Outboxes[1]) || !reflect.DeepEqual(a.Outboxes[0], c.Outboxes[0]) {
		t.Error("a changed header is not a change of its outbox alone")
	}
}

func FuzzLoadNeverPanics(f *testing.F) {
	f.Add(minimal, "OUTBOXWORKER_OUTBOXES_0_WORKERS=1")
	f.Add("a: &a [*a]\n", "OUTBOXWORKER_OUTBOXES_0_SINK_WEBHOOK={}")
	f.Add("outboxes: {a: b}\n? [x]\n: y\n", "OUTBOXWORKER_OUTBOXES=")
	f.Add("outboxes: &x\n  - sink: *x\n", "OUTBOXWORKER_OUTBOXES_0_SINK_WEBHOOK_URL=http://x")
	f.Fuzz(func(t *testing.T, content, variable string) {
		file := written(t, content)
		c, err := Load(file, []string{variable})
		if (c == nil) == (err == nil) {
			t.Errorf("got %v and %v", c, err)
		}
	})
}
