package openapi

// track_trouble_test.go holds what goes wrong around documents in force, and what is told of it.

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"

	"github.com/weirproxy/weir/governance/contract"
)

// What an operator puts in force over a broken source does not make the source well.
func TestPushLeavesTheSourceStale(t *testing.T) {
	p := newProcess(t)
	s := settingsOf(fileWith(t, apiWith("a")))
	track := p.held(t, s)
	for _, broken := range []string{brokenAPI, referring(apiWith("a"), "missing.yaml")} {
		write(t, s.Source, broken)
		if err := lookNow(track); err == nil {
			t.Error("the broken document loads")
		}
		mustPush(t, track, apiWith("pushed"))
		if err := lookNow(track); err == nil || track.status().stale == nil {
			t.Errorf("looked again: %v, stale: %v", err, track.status().stale)
		}
		wantOperation(t, "pushed", track, "pushed")
	}
	if n := p.logs.FilterMessageSnippet("well again").Len(); n != 0 {
		t.Errorf("the source is said to be well %d times", n)
	}
	again := p.restart().held(t, s)
	if again.status().stale == nil {
		t.Error("not stale after a restart")
	}
}

// busy is storage that takes nothing while it is full.
type busy struct {
	certmagic.Storage
	full atomic.Bool
}

func (b *busy) Store(ctx context.Context, key string, value []byte) error {
	if b.full.Load() {
		return fmt.Errorf("no space left")
	}
	return b.Storage.Store(ctx, key, value)
}

// The copy of a URL's document that could not be stored is stored later, and that it could not is told once.
func TestCopyIsStoredLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, server, s := newRemote(t)
		storage := &busy{Storage: p.storage}
		storage.full.Store(true)
		p.home.storage = storage
		track := p.held(t, s)
		time.Sleep(10 * s.Refresh)
		if n := p.logs.FilterMessageSnippet("is not kept").Len(); n != 1 {
			t.Errorf("it is told %d times", n)
		}
		storage.full.Store(false)
		time.Sleep(2 * s.Refresh)
		wantOperation(t, "running", track, "a")
		server.always(0, "")
		wantOperation(t, "restarted without the URL", p.restart().held(t, s), "a")
	})
}

// That a track ends while its source is read is no trouble of the source.
func TestAnEndIsNoError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, server, s := newRemote(t)
		track, err := p.provision(s)
		if err != nil {
			t.Fatal(err)
		}
		server.always(-1, "")
		time.Sleep(s.Refresh*11/10 + time.Second)
		track.release()
		synctest.Wait()
		if failed := track.status().loads[loadError]; failed != 0 || p.logs.FilterLevelExact(zap.ErrorLevel).Len() != 0 {
			t.Errorf("%d loads failed, logged: %v", failed, p.logs.All())
		}
	})
}

type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// Each connection that breaks has another port: it is the same trouble.
func TestTheSameTroubleIsToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, server, s := newRemote(t)
		var tries atomic.Int64
		var reason atomic.Pointer[string]
		reason.Store(new("connection reset by peer"))
		p.transport = transport(func(r *http.Request) (*http.Response, error) {
			n := tries.Add(1)
			if n == 1 {
				return server.RoundTrip(r)
			}
			return nil, fmt.Errorf("read tcp 10.0.0.1:%d->10.0.0.2:443: %s", 40000+n, *reason.Load())
		})
		p.held(t, s)
		time.Sleep(10 * s.Refresh)
		if n := p.logs.FilterMessageSnippet("does not load").Len(); n != 1 || tries.Load() < 5 {
			t.Errorf("after %d tries it is told %d times", tries.Load(), n)
		}
		reason.Store(new("no route to host"))
		time.Sleep(10 * s.Refresh)
		if n := p.logs.FilterMessageSnippet("does not load").Len(); n != 2 {
			t.Errorf("another trouble: it is told %d times", n)
		}
	})
}

// slowSource is a file that changes when it has been read.
type slowSource struct {
	*fileSource
	then func()
}

func (s *slowSource) root(ctx context.Context, last *texts) (*texts, error) {
	x, err := s.fileSource.root(ctx, last)
	s.then()
	return x, err
}

// A folder that is replaced is watched before what is new in it is read, so that no change is missed.
func TestChangeRightAfterTheFolderIsReplaced(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "folder")
	for name, operation := range map[string]string{dir: "a", dir + ".new": "b"} {
		if err := os.Mkdir(name, 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(name, "api.yaml"), apiWith(operation))
	}
	path := filepath.Join(dir, "api.yaml")
	track := newProcess(t).held(t, settingsOf(path)) // no refresh
	var once atomic.Bool
	track.working.Lock()
	track.source = &slowSource{track.source.(*fileSource), func() {
		if once.CompareAndSwap(false, true) {
			replaceFile(t, path, apiWith("c"))
		}
	}}
	track.working.Unlock()
	if err := os.Rename(dir, dir+".old"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(dir+".new", dir); err != nil {
		t.Fatal(err)
	}
	eventuallyOperation(t, "changed while it was read", track, "c")
}

// The log and the list of contracts stay small, whatever is wrong with a document.
func TestManyErrorsAreCut(t *testing.T) {
	text := apiWith("a")
	for i := range 500 {
		text += fmt.Sprintf("  /x%d: {get: {parameters: [{name: q, in: query, schema: {type: string, pattern: '(?=a)'}}], "+
			"responses: {'200': {description: ok}}}}\n", i)
	}
	s := settingsOf(fileWith(t, text))
	_, err := newProcess(t).provision(s)
	told := fmt.Sprint(err)
	if len(told) > 8<<10 || !strings.Contains(told, "api.yaml:9:") || !strings.Contains(told, "and 480 more errors") {
		t.Errorf("the error has %d bytes: %.1000s", len(told), told)
	}
}

// Servers are relative to where the document is: the same document from another URL is another contract.
func TestTheSameDocumentFromElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, server, s := newRemote(t)
		server.always(http.StatusOK, apiWith("a")+"servers: [{url: here}]\n")
		for _, version := range []string{"v1", "v2"} {
			s.Source = "https://api.example.com/" + version + "/api.yaml"
			var m contract.Match
			p.held(t, s).generation().contract.Match(http.MethodGet, "/"+version+"/here/a", &m)
			if m.Operation == nil {
				t.Errorf("that of %s does not know its operation", s.Source)
			}
		}
	})
}

// A document without operations is a document, but seldom what somebody wants.
func TestADocumentWithoutOperations(t *testing.T) {
	p := newProcess(t)
	s := settingsOf(fileWith(t, apiWith("a")))
	track := p.held(t, s)
	if n := p.logs.FilterLevelExact(zap.WarnLevel).Len(); n != 0 {
		t.Errorf("%d warnings", n)
	}
	write(t, s.Source, "openapi: 3.0.3\ninfo: {title: test, version: \"1\"}\npaths: {}\n")
	if err := lookNow(track); err != nil {
		t.Fatal(err)
	}
	wantOperation(t, "emptied", track, "")
	if n := p.logs.FilterLevelExact(zap.WarnLevel).FilterMessageSnippet("no operations").Len(); n != 1 {
		t.Errorf("%d warnings: %v", n, p.logs.All())
	}
}
