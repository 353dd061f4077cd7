package openapi

// track_fixture_test.go holds what the tests of documents in force have in common.

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/weirproxy/weir/governance/contract"
	"github.com/weirproxy/weir/governance/contract/document"
)

// apiWith is a document with one operation, of that name.
func apiWith(operation string) string {
	return fmt.Sprintf(`openapi: 3.0.3
info: {title: test, version: "1"}
paths:
  /%[1]s:
    get:
      operationId: %[1]s
      responses:
        "200": {description: ok}
`, operation)
}

// referring makes the response of a document's operation one whose schema is in another file.
func referring(api, to string) string {
	return strings.Replace(api, "{description: ok}",
		fmt.Sprintf("{description: ok, content: {application/json: {schema: {$ref: %q}}}}", to), 1)
}

// brokenAPI breaks in its third line.
const brokenAPI = "openapi: 3.0.3\ninfo: {title: test, version: \"1\"}\npaths: [\n"

// process is a process with one contract, and storage that outlives it.
type process struct {
	*tracks
	storage  certmagic.Storage
	compiles *atomic.Int64
	logs     *observer.ObservedLogs
	home     home
}

func newProcess(t *testing.T) *process {
	t.Helper()
	return begin(&certmagic.FileStorage{Path: t.TempDir()})
}

// begin starts a process with what is in storage.
func begin(storage certmagic.Storage) *process {
	core, logs := observer.New(zap.InfoLevel)
	p := &process{tracks: new(tracks), storage: storage, compiles: new(atomic.Int64), logs: logs, home: home{zap.New(core), storage}}
	p.tracks.compile = func(doc *document.Document, s contract.Settings) (*contract.Contract, error) {
		p.compiles.Add(1)
		return contract.Compile(doc, s)
	}
	return p
}

// settingsOf are those of a source.
func settingsOf(source string) trackSettings {
	return trackSettings{Name: "test", Source: source, MaxDocument: 1 << 20}
}

// provision holds a track for a configuration that is loading.
func (p *process) provision(s trackSettings) (*track, error) {
	t, err := p.take(s, p.home)
	if err != nil {
		return nil, err
	}
	if err := t.meet(context.Background(), new(int)); err != nil {
		t.release()
		return nil, withHint(t, err)
	}
	return t, nil
}

// hold holds a track for a configuration that is in force until the test ends.
func (p *process) held(t *testing.T, s trackSettings) *track {
	t.Helper()
	track, err := p.provision(s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		track.release()
		track.working.Lock() // waits until what is under way is done
		defer track.working.Unlock()
	})
	track.settle(p.home)
	return track
}

// operationOf is the only operation of the document in force.
func operationOf(t *track) string {
	g := t.generation()
	if g == nil {
		return ""
	}
	var names []string
	for _, op := range g.contract.Operations() {
		names = append(names, op.Name())
	}
	return strings.Join(names, " ")
}

func wantOperation(t *testing.T, when string, track *track, want string) {
	t.Helper()
	if got := operationOf(track); got != want {
		t.Errorf("%s: in force is %q, want %q", when, got, want)
	}
}

// eventually waits for what real files and watches do.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("still not: %s", what)
		}
	}
}

func eventuallyOperation(t *testing.T, when string, track *track, want string) {
	t.Helper()
	eventually(t, when+": "+want+" is in force", func() bool { return operationOf(track) == want })
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// replaceFile puts a file in the place of another one at once, as editors and careful scripts do.
func replaceFile(t *testing.T, path, text string) {
	t.Helper()
	write(t, path+".new", text)
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// fileWith is a file with a text, in a folder of its own.
func fileWith(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "api.yaml")
	write(t, path, text)
	return path
}

// trackGoroutines counts the goroutines of tracks and watches.
func trackGoroutines() int {
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	return strings.Count(string(stacks), "(*track).run(") + strings.Count(string(stacks), "fsnotify.(*inotify).readEvents(")
}

func mustURL(t *testing.T, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}
