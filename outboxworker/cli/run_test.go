package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/weirproxy/weir/internal/freeport"
	"github.com/weirproxy/weir/internal/testserver"
	"github.com/weirproxy/weir/outboxworker/monitor"
)

// deadline is for things that take milliseconds on a machine that is not busy.
const deadline = 90 * time.Second

// logbook is a log that can be read while it is written.
type logbook struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// inbox is a receiver of webhooks. What it is sent is its path and the payload.
type inbox struct {
	*httptest.Server
	arrived chan string
	// held, if it is not nil, is what each answer waits for.
	held chan struct{}
}

func newInbox(t *testing.T, held chan struct{}) *inbox {
	t.Helper()
	i := &inbox{arrived: make(chan string, 100), held: held}
	i.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		i.arrived <- r.URL.Path + " " + string(body)
		if i.held != nil {
			<-i.held
		}
	}))
	t.Cleanup(i.Close)
	return i
}

func (i *inbox) expect(t *testing.T, want string) {
	t.Helper()
	select {
	case got := <-i.arrived:
		if got != want {
			t.Fatalf("the receiver got %q, want %q", got, want)
		}
	case <-time.After(deadline):
		t.Fatalf("the receiver did not get %q", want)
	}
}

// running is a worker that runs in the test's process.
type running struct {
	t       *testing.T
	file    string
	signals chan os.Signal
	log     *logbook
	ended   chan error
}

// settings are the parts of a configuration that the tests change.
type settings struct {
	address, path string
	more          string
}

// fixture is a database with two outboxes and a receiver.
type fixture struct {
	url   string
	conn  *pgx.Conn
	inbox *inbox
}

func newFixture(t *testing.T, held chan struct{}) *fixture {
	t.Helper()
	f := &fixture{url: testserver.Database(t), inbox: newInbox(t, held)}
	f.conn = connected(t, f.url)
	code, _, errOut := execute(t, []string{"OUTBOXWORKER_DATABASE_URL=" + f.url}, "migrate", "up", "--schema", "first,second")
	if code != 0 {
		t.Fatal(errOut)
	}
	return f
}

// configuration has one outbox, which sends to a path of the receiver.
func (f *fixture) configuration(s settings) string {
	return fmt.Sprintf(`
database: {url: %q}
http: {address: %q}
log: {level: debug}
outboxes:
  - schema: first
    workers: 2
    stop_timeout: 5s
    sink: {webhook: {url: %q, timeout: 4s}}
%s`, f.url, s.address, f.inbox.URL+s.path, s.more)
}

func (f *fixture) enqueue(t *testing.T, schema, payload string) {
	t.Helper()
	_, err := f.conn.Exec(t.Context(), "SELECT "+schema+".enqueue(topic => 't', key => 'k', payload => $1::text)", payload)
	if err != nil {
		t.Fatal(err)
	}
}

func start(t *testing.T, content string) *running {
	t.Helper()
	return startAs(t, newRelays, content)
}

func startAs(t *testing.T, of newServices, content string) *running {
	t.Helper()
	r := &running{
		t: t, file: written(t, content), signals: make(chan os.Signal, 4),
		log: new(logbook), ended: make(chan error, 1),
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.ended <- run(ctx, Process{Out: io.Discard, Err: r.log}, r.file, r.signals, of)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
		if t.Failed() {
			t.Logf("log:\n%s", r.log)
		}
	})
	return r
}

func (r *running) reload(content string) {
	r.t.Helper()
	if err := os.WriteFile(r.file, []byte(content), 0o600); err != nil {
		r.t.Fatal(err)
	}
	r.signals <- syscall.SIGHUP
}

// logged waits until the log contains a text n times.
func (r *running) logged(text string, n int) {
	r.t.Helper()
	eventually(r.t, fmt.Sprintf("the log has %q %d times", text, n), func() bool {
		return strings.Count(r.log.String(), text) >= n
	})
}

// end waits for the worker's end.
func (r *running) end() error {
	r.t.Helper()
	select {
	case err := <-r.ended:
		return err
	case <-time.After(deadline):
		r.t.Fatal("the worker does not end")
		return nil
	}
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(deadline); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not true within %s: %s", deadline, what)
		}
	}
}

// get returns status and body; 0 while nobody listens.
func get(address, path string) (int, string) {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 30 * time.Second}
	answer, err := client.Get("http://" + address + path)
	if err != nil {
		return 0, ""
	}
	defer func() { _ = answer.Body.Close() }()
	body, _ := io.ReadAll(answer.Body)
	return answer.StatusCode, string(body)
}

func ready(t *testing.T, address string, outboxes ...string) {
	t.Helper()
	var body string
	eventually(t, "the worker is ready", func() bool {
		var status int
		if status, body = get(address, "/readyz"); status != http.StatusOK {
			return false
		}
		var r monitor.Readiness
		if err := json.Unmarshal([]byte(body), &r); err != nil || !r.Ready || len(r.Outboxes) != len(outboxes) {
			return false
		}
		for _, name := range outboxes {
			if r.Outboxes[name].Connected == 0 {
				return false
			}
		}
		return true
	})
}

// reloaded and refused are what the log and the metrics tell about reloads.
func (r *running) reloaded(n int, address string) {
	r.t.Helper()
	r.logged("reloaded the configuration", n)
	if _, body := get(address, "/metrics"); !strings.Contains(body, "\noutbox_config_last_reload_successful 1\n") {
		r.t.Error("the metrics do not show that the reload succeeded")
	}
}

func (r *running) refused(n int, address string) {
	r.t.Helper()
	r.logged("the configuration was not reloaded", n)
	if _, body := get(address, "/metrics"); !strings.Contains(body, "\noutbox_config_last_reload_successful 0\n") {
		r.t.Error("the metrics do not show that the reload failed")
	}
}

func TestRunDeliversAndReloads(t *testing.T) {
	f := newFixture(t, nil)
	s := settings{address: freeport.Address(t), path: "/one"}
	r := start(t, f.configuration(s))
	ready(t, s.address, "first")
	f.enqueue(t, "first", "a")
	f.inbox.expect(t, "/one a")

	// Another path, another address, and an outbox more.
	before := s.address
	s = settings{address: freeport.Address(t), path: "/two", more: "  - {schema: second, sink: {webhook: {url: \"" + f.inbox.URL + "/second\"}}}\n"}
	r.reload(f.configuration(s))
	r.reloaded(1, s.address)
	ready(t, s.address, "first", "second")
	if status, _ := get(before, "/healthz"); status != 0 {
		t.Errorf("the old address still answers: %d", status)
	}
	f.enqueue(t, "first", "b")
	f.inbox.expect(t, "/two b")
	f.enqueue(t, "second", "c")
	f.inbox.expect(t, "/second c")

	// An outbox less: it is not served any more.
	s.more = ""
	r.reload(f.configuration(s))
	r.reloaded(2, s.address)
	ready(t, s.address, "first")

	r.signals <- syscall.SIGTERM
	if err := r.end(); err != nil {
		t.Errorf("the end: %v", err)
	}
	var left int
	if err := f.conn.QueryRow(t.Context(), "SELECT count(*) FROM first.message").Scan(&left); err != nil || left != 0 {
		t.Errorf("%d messages are left, %v", left, err)
	}
	if log := r.log.String(); strings.Contains(log, "/two") || !strings.Contains(log, `"msg":"stopped"`) {
		t.Error("the log shows a webhook's path, or not that the worker stopped")
	}
}

// A configuration that cannot be used changes nothing, whatever is wrong with it.
func TestRunGoesOnAfterABadReload(t *testing.T) {
	f := newFixture(t, nil)
	s := settings{address: freeport.Address(t), path: "/one"}
	r := start(t, f.configuration(s))
	ready(t, s.address, "first")

	r.reload(f.configuration(settings{address: s.address, path: "/bad", more: "    wrkers: 3\n"}))
	r.refused(1, s.address)
	r.logged("outboxes[0].wrkers: unknown key; did you mean workers?", 1)
	f.enqueue(t, "first", "a")
	f.inbox.expect(t, "/one a")

	taken := strings.TrimPrefix(f.inbox.URL, "http://")
	r.reload(f.configuration(settings{address: taken, path: "/bad"}))
	r.refused(2, s.address)
	f.enqueue(t, "first", "b")
	f.inbox.expect(t, "/one b")
}

// A worker that has a schema of another version, or none, waits for it.
func TestRunIsNotReadyWithoutASchema(t *testing.T) {
	f := newFixture(t, nil)
	s := settings{address: freeport.Address(t), path: "/", more: "  - {schema: third, sink: {discard: {}}}\n"}
	r := start(t, f.configuration(s))
	eventually(t, "/readyz says that third is not ready", func() bool {
		status, body := get(s.address, "/readyz")
		var r monitor.Readiness
		return status == http.StatusServiceUnavailable && json.Unmarshal([]byte(body), &r) == nil &&
			r.Outboxes["first"].Connected > 0 && r.Outboxes["third"].Connected == 0
	})
	if status, _ := get(s.address, "/healthz"); status != http.StatusOK {
		t.Errorf("/healthz answers %d", status)
	}
	code, _, errOut := execute(t, []string{"OUTBOXWORKER_DATABASE_URL=" + f.url}, "migrate", "up", "--schema", "third")
	if code != 0 {
		t.Fatal(errOut)
	}
	ready(t, s.address, "first", "third")
	r.signals <- syscall.SIGINT
	if err := r.end(); err != nil {
		t.Errorf("the end: %v", err)
	}
}

// The first signal waits for the batch under way, the second does not.
func TestTheSecondSignalEndsAtOnce(t *testing.T) {
	held := make(chan struct{})
	f := newFixture(t, held)
	var once sync.Once
	release := func() { once.Do(func() { close(held) }) }
	t.Cleanup(release)
	r := start(t, f.configuration(settings{path: "/"}))
	f.enqueue(t, "first", "a")
	f.inbox.expect(t, "/ a")
	r.signals <- syscall.SIGTERM
	r.logged(`"stopping"`, 1)
	select {
	case err := <-r.ended:
		t.Fatalf("it did not wait for the batch: %v", err)
	case <-time.After(200 * time.Millisecond):
	}
	began := time.Now()
	r.signals <- syscall.SIGHUP // does not count
	r.signals <- syscall.SIGTERM
	err := r.end()
	if took := time.Since(began); err == nil || !strings.HasPrefix(err.Error(), "stopping: stopping outbox first: ") || took > 15*time.Second {
		t.Errorf("it ended after %s with %v", took, err)
	}
	release()
}

func TestRunEndsWithItsContext(t *testing.T) {
	f := newFixture(t, nil)
	address := freeport.Address(t)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan int, 1)
	file := written(t, f.configuration(settings{address: address, path: "/"}))
	log := new(logbook)
	go func() {
		ended <- Execute(ctx, Process{Args: []string{"run", "-c", file}, Out: io.Discard, Err: log})
	}()
	ready(t, address, "first")
	cancel()
	select {
	case code := <-ended:
		if code != 0 {
			t.Errorf("exit %d\n%s", code, log)
		}
	case <-time.After(deadline):
		t.Fatalf("the worker does not end\n%s", log)
	}
}

func TestRunNeedsItsAddress(t *testing.T) {
	f := newFixture(t, nil)
	r := start(t, f.configuration(settings{address: strings.TrimPrefix(f.inbox.URL, "http://"), path: "/"}))
	if err := r.end(); err == nil || !strings.HasPrefix(err.Error(), "listening for metrics and health: ") {
		t.Errorf("it ended with %v", err)
	}
}
