package bench

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/weirproxy/weir/internal/testserver"
)

// workerArgument makes the test binary a worker's process.
const workerArgument = "bench-test-worker"

func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == workerArgument {
		if err := Work(context.Background(), os.Stdin, os.Stdout, zap.NewNop()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	testserver.Main(m)
}

// small are options for a measurement that takes a moment, on the servers of the tests.
func small(t *testing.T) Options {
	t.Helper()
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	o := DefaultOptions()
	o.Database, o.Redis = testserver.Database(t), testserver.Redis(t).URL()
	o.Messages, o.Keys, o.Batch, o.Runs, o.Hold = 3000, 100, 500, 1, 500*time.Millisecond
	o.Large, o.Small = 3000, 500
	o.Worker = []string{executable, workerArgument}
	o.Progress = t.Output()
	return o
}

func run(t *testing.T, o Options) []Row {
	t.Helper()
	rows, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	for i := range rows {
		r := &rows[i]
		if r.Rate <= 0 || len(r.Rates) != o.Runs || r.Messages <= 0 || r.Seconds <= 0 || r.Payload != o.Payload ||
			r.Workers != o.Workers || r.Batch != o.Batch || r.Environment.PostgreSQL == "" || r.Environment.CPUs < 1 {
			t.Errorf("the row lacks something: %+v", r)
		}
	}
	return rows
}

// names are what tells rows apart.
func names(rows []Row) []string {
	var all []string
	for _, r := range rows {
		all = append(all, strings.TrimRight(r.Scenario+" "+r.Sink+" "+r.Variant, " "))
	}
	return all
}

func wantRows(t *testing.T, rows []Row, want ...string) {
	t.Helper()
	if got := names(rows); !slices.Equal(got, want) {
		t.Fatalf("the rows are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestDrainOnPrivateServers(t *testing.T) {
	o := small(t)
	o.Database, o.Redis = "", ""
	o.Sinks, o.Runs, o.Messages = Sinks(), 2, 1000
	rows := run(t, o)
	wantRows(t, rows, "null null", "redis_stream redis_stream", "webhook webhook", "bare bare")
	if e := rows[0].Environment; !e.Private || e.Fsync != "on" || e.ProducersSynchronousCommit != "on" || e.AppendFsync != "everysec" ||
		e.RelaySynchronousCommit != "on" || e.SharedBuffers != "256MB" || e.MaxWALSize != "4GB" {
		t.Errorf("the environment is %+v", e)
	}
	if rows[1].Ratios[Bare] <= 0 || rows[3].Ratios != nil {
		t.Errorf("the ratios are %v, and of the yardstick %v", rows[1].Ratios, rows[3].Ratios)
	}
}

func TestDrainWithoutKeys(t *testing.T) {
	o := small(t)
	o.Keys, o.Payload, o.Sinks = 0, 0, []string{Null, RedisStream, Bare}
	wantRows(t, run(t, o), "null null", "redis_stream redis_stream", "bare bare")
}

func TestHeldTransactions(t *testing.T) {
	o := small(t)
	o.Scenarios, o.Sinks = []string{SnapshotHeld, WriterHeld}, []string{RedisStream, Bare}
	rows := run(t, o)
	wantRows(t, rows, "snapshot_held redis_stream held", "snapshot_held redis_stream free",
		"writer_held redis_stream held", "writer_held redis_stream free")
	for _, i := range []int{0, 2} {
		if rows[i].Ratios[free] <= 0 {
			t.Errorf("%s has no ratio: %v", rows[i].Scenario, rows[i].Ratios)
		}
	}
	if n := rows[0].Messages; n < int64(o.Messages) || n%int64(o.Messages) != 0 {
		t.Errorf("%d messages were drained while a snapshot was held, want a multiple of %d", n, o.Messages)
	}
}

func TestBacklogAndMemory(t *testing.T) {
	o := small(t)
	o.Scenarios, o.Sinks = []string{Backlog, Memory}, []string{Null}
	rows := run(t, o)
	wantRows(t, rows, "backlog null large", "backlog null small", "memory null")
	if rows[0].Messages != 3000 || rows[1].Messages != 500 || rows[0].Ratios["small"] <= 0 {
		t.Errorf("the rows are %+v", rows[:2])
	}
	if peak := rows[2].PeakRSS; peak < 5e6 || peak > 1e9 {
		t.Errorf("the worker's peak is %d bytes", peak)
	}
}

func TestLatencyAndProducers(t *testing.T) {
	o := small(t)
	o.Scenarios, o.Messages = []string{Latency, Producers}, 20
	rows := run(t, o)
	wantRows(t, rows, "latency redis_stream outbox", "latency redis_stream commit and XADD",
		"producers redis_stream with message, no worker", "producers redis_stream without, no worker",
		"producers redis_stream with message, worker running", "producers redis_stream without, worker running",
		"producers redis_stream with message, worker stopped", "producers redis_stream without, worker stopped",
		"producers redis_stream with message, worker killed", "producers redis_stream without, worker killed")
	for _, r := range rows {
		if r.Messages != 20 || r.P50 <= 0 || r.P99 < r.P50 {
			t.Errorf("%s: %d transactions took %.3f and %.3f ms", r.Variant, r.Messages, r.P50, r.P99)
		}
	}
}

// A benchmark that cannot tell a lost message measures nothing.
func TestLossIsAnError(t *testing.T) {
	o := small(t)
	b := &bench{Options: o}
	var err error
	if b.servers, err = openServers(t.Context(), &o); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := b.close(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	if err := b.reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := b.checkEmpty(t.Context()); err != nil {
		t.Errorf("an empty outbox: %v", err)
	}
	if err := b.fill(t.Context(), fillOutbox, 7); err != nil {
		t.Fatal(err)
	}
	if err := b.checkEmpty(t.Context()); err == nil || !strings.Contains(err.Error(), "7 pending") {
		t.Errorf("an outbox with 7 messages: %v", err)
	}
	if err := b.checkStream(t.Context(), 1); err == nil {
		t.Error("a stream without the message passed")
	}
	if err := b.checkProduced(t.Context(), killed, 8); err == nil {
		t.Error("7 of 8 produced messages passed")
	}
	if err := b.checkProduced(t.Context(), killed, 7); err != nil {
		t.Errorf("all produced messages: %v", err)
	}
}

func TestCleansUpWhatItMade(t *testing.T) {
	o := small(t)
	o.Sinks, o.Messages = []string{RedisStream}, 100
	run(t, o)
	s, err := openServers(t.Context(), &o)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.close(context.Background()) }()
	var left int
	err = s.admin.QueryRow(t.Context(), "SELECT (SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'weir%') + "+
		"(SELECT count(*) FROM pg_roles WHERE rolname LIKE 'weir%')").Scan(&left)
	if err != nil || left != 0 {
		t.Errorf("%d schemas and roles are left, %v", left, err)
	}
	if keys, err := s.stream.DBSize(t.Context()).Result(); err != nil || keys != 0 {
		t.Errorf("%d keys are left, %v", keys, err)
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	valid := DefaultOptions()
	if err := valid.Validate(); err != nil {
		t.Fatalf("the defaults: %v", err)
	}
	for want, change := range map[string]func(*Options){
		"scenario: ":        func(o *Options) { o.Scenarios = []string{"sprint"} },
		"drain is there tw": func(o *Options) { o.Scenarios = []string{Drain, Drain} },
		"sink: there is no": func(o *Options) { o.Sinks = nil },
		"sink: bare is":     func(o *Options) { o.Sinks, o.Scenarios = []string{Bare}, []string{Drain, Backlog} },
		"messages: ":        func(o *Options) { o.Messages = 0 },
		"payload: ":         func(o *Options) { o.Payload = 4<<20 + 1 },
		"keys: ":            func(o *Options) { o.Keys = -1 },
		"workers: ":         func(o *Options) { o.Workers = 9 },
		"batch_messages: ":  func(o *Options) { o.Batch = 0 },
		"runs: ":            func(o *Options) { o.Runs = 0 },
		"hold: ":            func(o *Options) { o.Hold = 0 },
		"synchronous commi": func(o *Options) { o.SynchronousCommit = "local" },
	} {
		o := DefaultOptions()
		change(&o)
		if err := o.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
}
