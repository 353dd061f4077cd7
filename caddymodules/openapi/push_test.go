package openapi

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/certmagic"

	"github.com/weirproxy/weir/governance/contract"
	"github.com/weirproxy/weir/governance/contract/document"
	"github.com/weirproxy/weir/governance/livestate"
)

func wantOrigin(t *testing.T, when string, track *track, origin string) {
	t.Helper()
	if g := track.generation(); g == nil || g.origin != origin {
		t.Errorf("%s: the generation is %+v, want the origin %s", when, g, origin)
	}
}

func mustPush(t *testing.T, track *track, text string) {
	t.Helper()
	if err := track.replace([]byte(text)); err != nil {
		t.Fatal(err)
	}
}

// started is a process with a file, which has a document pushed.
func started(t *testing.T) (*process, trackSettings) {
	t.Helper()
	p, s := newProcess(t), settingsOf(fileWith(t, apiWith("a")))
	track := p.held(t, s)
	mustPush(t, track, apiWith("pushed"))
	wantOperation(t, "pushed", track, "pushed")
	wantOrigin(t, "pushed", track, originPushed)
	return p, s
}

func TestPushOutlivesRestarts(t *testing.T) {
	p, s := started(t)
	for range 2 {
		p = p.restart()
		track := p.held(t, s)
		wantOperation(t, "after a restart", track, "pushed")
		wantOrigin(t, "after a restart", track, originPushed)
		if n := p.compiles.Load(); n != 1 {
			t.Errorf("%d compiles, want only that of what was pushed", n)
		}
		if err := lookNow(track); err != nil {
			t.Error(err)
		}
		wantOperation(t, "looked at the source", track, "pushed")
	}
}

// A document that does not load is refused with its place, and changes nothing.
func TestPushThatDoesNotLoad(t *testing.T) {
	p, s := started(t)
	track := p.held(t, s)
	before := track.generation()
	for name, tc := range map[string]struct{ text, want string }{
		"broken":      {brokenAPI, "weir:pushed/test:3:1"},
		"no document": {"{}", "openapi"},
		"too large":   {apiWith("a") + strings.Repeat("# comment\n", 1<<17), "larger than 1.0 MiB"},
		"a reference": {referring(apiWith("a"), "other.yaml"), "other.yaml"},
	} {
		err := track.replace([]byte(tc.text))
		if !errors.Is(err, livestate.ErrInvalid) || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: the error is %v, want %q", name, err, tc.want)
		}
	}
	if track.generation() != before {
		t.Error("the generation has changed")
	}
	wantOperation(t, "after a restart", p.restart().held(t, s), "pushed")
}

// A source that changes wins, while the process runs and while it does not.
func TestSourceWinsOverPush(t *testing.T) {
	t.Run("running", func(t *testing.T) {
		p, s := started(t)
		track := p.held(t, s)
		replaceFile(t, s.Source, apiWith("b"))
		eventuallyOperation(t, "changed", track, "b")
		wantOrigin(t, "changed", track, originFile)
		eventually(t, "told", func() bool { return p.logs.FilterMessageSnippet("pushed is dropped").Len() == 1 })
		replaceFile(t, s.Source, apiWith("a")) // against which it was pushed
		wantOperation(t, "after a restart", p.restart().held(t, s), "a")
	})
	t.Run("restarted", func(t *testing.T) {
		p, s := started(t)
		replaceFile(t, s.Source+".other", apiWith("b"))
		next := p.restart()
		other := s
		other.Source += ".other"
		wantOperation(t, "another source", next.held(t, other), "b")
		wantOperation(t, "the source of before", p.restart().held(t, s), "a") // what was pushed is forgotten
	})
	t.Run("changed meanwhile", func(t *testing.T) {
		p, s := started(t)
		for track := range p.each() {
			track.watch.close()
		}
		replaceFile(t, s.Source, apiWith("b"))
		wantOperation(t, "after a restart", p.restart().held(t, s), "b")
		replaceFile(t, s.Source, apiWith("a"))
		wantOperation(t, "changed back", p.restart().held(t, s), "a")
	})
}

// each gives the tracks held.
func (p *process) each() func(func(*track) bool) {
	return func(yield func(*track) bool) {
		for _, t := range p.byKey {
			if !yield(t) {
				return
			}
		}
	}
}

// A source that breaks is no reason to leave what was pushed.
func TestPushStaysWhileTheSourceIsBroken(t *testing.T) {
	p, s := started(t)
	track := p.held(t, s)
	write(t, s.Source, brokenAPI)
	if err := lookNow(track); err == nil {
		t.Error("the broken document loads")
	}
	wantOperation(t, "broken", track, "pushed")
	write(t, s.Source, apiWith("a"))
	if err := lookNow(track); err != nil {
		t.Error(err)
	}
	wantOperation(t, "as before", track, "pushed")

	if err := os.Remove(s.Source); err != nil {
		t.Fatal(err)
	}
	next := p.restart()
	again := next.held(t, s)
	wantOperation(t, "restarted without the file", again, "pushed")
	if again.status().stale == nil {
		t.Error("not stale without the file")
	}
}

// What is pushed over a broken source stays over a restart, with the source as it was.
func TestPushOverABrokenSource(t *testing.T) {
	p := newProcess(t)
	s := settingsOf(fileWith(t, apiWith("a")))
	track := p.held(t, s)
	write(t, s.Source, brokenAPI)
	if err := lookNow(track); err == nil {
		t.Error("the broken document loads")
	}
	mustPush(t, track, apiWith("pushed"))
	next := p.restart()
	again := next.held(t, s)
	wantOperation(t, "restarted", again, "pushed")
	write(t, s.Source, apiWith("b"))
	if err := lookNow(again); err != nil {
		t.Error(err)
	}
	wantOperation(t, "mended", again, "b")
}

func TestRollback(t *testing.T) {
	p := newProcess(t)
	s := settingsOf(fileWith(t, apiWith("a")))
	track := p.held(t, s)
	if err := track.rollback(0); !errors.Is(err, livestate.ErrNotFound) {
		t.Errorf("with nothing to go back to: %v", err)
	}
	for _, operation := range []string{"b", "c", "d", "e", "f"} {
		write(t, s.Source, apiWith(operation))
		if err := lookNow(track); err != nil {
			t.Fatal(err)
		}
	}
	rollback := func(number uint64, want string) {
		t.Helper()
		if err := track.rollback(number); err != nil {
			t.Errorf("to %d: %v", number, err)
		}
		wantOperation(t, "rolled back", track, want)
		wantOrigin(t, "rolled back", track, originRollback)
	}
	rollback(0, "e")
	rollback(0, "d")
	rollback(3, "c")
	if g := track.generation(); g.number != 9 || g.document != 3 {
		t.Errorf("generation %d has the document of %d, want 9 that of 3", g.number, g.document)
	}
	if err := track.rollback(3); !errors.Is(err, livestate.ErrInvalid) {
		t.Errorf("to what is in force: %v", err)
	}
	if err := track.rollback(1); !errors.Is(err, livestate.ErrNotFound) {
		t.Errorf("to what is not kept any more: %v", err)
	}
	rollback(6, "f")
	rollback(3, "c")
	if n := len(track.kept()); n != keptRevisions {
		t.Errorf("%d generations are kept, want %d", n, keptRevisions)
	}
	if err := lookNow(track); err != nil {
		t.Error(err)
	}
	wantOperation(t, "looked at the source", track, "c")

	again := p.restart().held(t, s)
	wantOperation(t, "restarted", again, "c")
	wantOrigin(t, "restarted", again, originRollback)
	write(t, s.Source, apiWith("g"))
	if err := lookNow(again); err != nil {
		t.Error(err)
	}
	wantOperation(t, "the source has changed", again, "g")
}

// A document in several files is rolled back to as a whole, and serves again after a restart.
func TestRollbackWithReferences(t *testing.T) {
	dir := t.TempDir()
	s := settingsOf(filepath.Join(dir, "api.yaml"))
	write(t, s.Source, referring(apiWith("a"), "pet.yaml"))
	write(t, filepath.Join(dir, "pet.yaml"), "{type: object}\n")
	p := newProcess(t)
	track := p.held(t, s)
	hash := track.generation().hash
	write(t, s.Source, apiWith("b"))
	if err := errors.Join(lookNow(track), os.Remove(filepath.Join(dir, "pet.yaml")), track.rollback(0)); err != nil {
		t.Fatal(err)
	}
	wantOperation(t, "rolled back", track, "a")
	again := p.restart().held(t, s)
	wantOperation(t, "restarted", again, "a")
	if got := again.generation().hash; got != hash {
		t.Errorf("the hash is %s, was %s", got, hash)
	}
}

func TestReloadEndsAPush(t *testing.T) {
	p, s := started(t)
	track := p.held(t, s)
	write(t, s.Source, brokenAPI)
	if err := track.reload(); !errors.Is(err, livestate.ErrInvalid) || !strings.Contains(err.Error(), s.Source+":") {
		t.Errorf("broken: %v", err)
	}
	wantOperation(t, "broken", track, "pushed")
	if err := os.Remove(s.Source); err != nil {
		t.Fatal(err)
	}
	if err := track.reload(); !errors.Is(err, livestate.ErrUnavailable) {
		t.Errorf("missing: %v", err)
	}
	wantOperation(t, "missing", track, "pushed")
	write(t, s.Source, apiWith("a"))
	if err := track.reload(); err != nil {
		t.Error(err)
	}
	wantOperation(t, "reloaded", track, "a")
	wantOrigin(t, "reloaded", track, originFile)
	wantOperation(t, "restarted", p.restart().held(t, s), "a")
}

// The source's own document, pushed, is no new one; it needs no compile, and reload makes it the source's again.
func TestPushOfTheSame(t *testing.T) {
	p := newProcess(t)
	track := p.held(t, settingsOf(fileWith(t, apiWith("a"))))
	mustPush(t, track, apiWith("a"))
	wantOrigin(t, "pushed", track, originPushed)
	if err := track.reload(); err != nil {
		t.Error(err)
	}
	wantOrigin(t, "reloaded", track, originFile)
	if n := p.compiles.Load(); n != 1 {
		t.Errorf("%d compiles, want 1", n)
	}
}

// A configuration with other settings takes over what was pushed; one that fails changes nothing.
func TestPushAcrossReloads(t *testing.T) {
	p, s := started(t)
	running := p.held(t, s)
	other := s
	other.Compile.StripPrefix = "/api"

	failing, err := p.provision(other)
	if err != nil {
		t.Fatal(err)
	}
	wantOperation(t, "in the one that will fail", failing, "pushed")
	write(t, s.Source, apiWith("b"))
	running.watch.close() // so that it alone sees the change
	if err := lookNow(failing); err != nil {
		t.Error(err)
	}
	wantOperation(t, "the failing one has seen a change", failing, "b")
	failing.release()
	write(t, s.Source, apiWith("a"))
	wantOperation(t, "in the one that runs", running, "pushed")
	wantOperation(t, "after a restart", p.restart().held(t, s), "pushed")

	next := p.held(t, other)
	wantOperation(t, "with other settings", next, "pushed")
}

// What is decided while the next configuration loads holds there too.
func TestDecisionsWhileAConfigurationLoads(t *testing.T) {
	for _, tc := range []struct {
		name   string
		decide func(running *track) error
		want   string
	}{
		{"another push", func(running *track) error { return running.replace([]byte(apiWith("later"))) }, "later"},
		{"the end of the push", func(running *track) error { return running.reload() }, "a"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p, s := started(t)
			running := p.held(t, s)
			other := s
			other.Compile.StripPrefix = "/api"
			next, err := p.provision(other)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(next.release)
			if err := tc.decide(running); err != nil {
				t.Fatal(err)
			}
			wantOperation(t, "not in force yet", next, "pushed")
			next.settle(p.home)
			wantOperation(t, "in force", next, tc.want)
			wantOperation(t, "after a restart", p.restart().held(t, other), tc.want)
		})
	}
}

// full is storage that takes nothing more.
type full struct{ certmagic.Storage }

func (full) Store(context.Context, string, []byte) error { return errors.New("no space left") }

func TestPushThatCannotBeStored(t *testing.T) {
	p := newProcess(t)
	p.home.storage = full{p.storage}
	track := p.held(t, settingsOf(fileWith(t, apiWith("a"))))
	if err := track.replace([]byte(apiWith("pushed"))); err == nil || !strings.Contains(err.Error(), "not over a restart") {
		t.Errorf("the error is %v", err)
	}
	wantOperation(t, "pushed", track, "pushed")
}

// What is stored and cannot be read keeps nothing from starting.
func TestBrokenStorage(t *testing.T) {
	p, s := started(t)
	for _, text := range []string{"{", `{"document":{"location":"x"}}`, `{"document":{"location":"x","files":{"x":"AAAA"}}}`} {
		if err := p.storage.Store(context.Background(), "weir/contracts/pushed/test.json", []byte(text)); err != nil {
			t.Fatal(err)
		}
		next := p.restart()
		wantOperation(t, "restarted", next.held(t, s), "a")
		if next.logs.FilterMessageSnippet("pushed before is lost").Len() != 1 {
			t.Errorf("with %s it is not said that something is lost", text)
		}
	}
}

// A document that is pushed to a lazy contract needs no source.
func TestPushToALazyContract(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, server, s := newRemote(t)
		s.Lazy = true
		server.always(0, "")
		first := p.held(t, s)
		mustPush(t, first, apiWith("pushed"))
		g, err := first.wait(t.Context())
		if err != nil || g.origin != originPushed {
			t.Fatalf("%v, %v", g, err)
		}
		time.Sleep(time.Hour)
		wantOperation(t, "while it does not answer", first, "pushed")

		next := p.restart()
		hold(t, next, s, func(again *track) {
			if again.generation() != nil {
				t.Error("lazy, and loaded at the start")
			}
			if _, err := again.wait(t.Context()); err != nil {
				t.Error(err)
			}
			wantOperation(t, "restarted", again, "pushed")
		})
		server.always(200, apiWith("a"))
		time.Sleep(s.Refresh * 11 / 10)
		synctest.Wait()
		wantOperation(t, "when it answers", first, "a")
	})
}

// What was pushed and does not load with the settings of now gives way to the source's document, and is forgotten.
func TestPushThatDoesNotLoadAnyMore(t *testing.T) {
	p, s := started(t)
	next := p.restart()
	next.tracks.compile = func(doc *document.Document, settings contract.Settings) (*contract.Contract, error) {
		if _, pushed := doc.Files()["weir:pushed/test"]; pushed {
			return nil, errors.New("it is too old")
		}
		return contract.Compile(doc, settings)
	}
	wantOperation(t, "restarted", next.held(t, s), "a")
	if next.logs.FilterMessageSnippet("does not load any more").Len() == 0 {
		t.Error("it is not said that something is lost")
	}
	wantOperation(t, "restarted again", p.restart().held(t, s), "a")
}

// A pushed document can refer to hosts that are allowed. What they had is kept with it.
func TestPushWithReferences(t *testing.T) {
	p, server, s := newRemote(t)
	s.Source, s.AllowRefs = fileWith(t, apiWith("a")), []string{"schemas.example.com"}
	server.always(200, "{type: object}\n")
	first := p.held(t, s)
	if err := first.replace([]byte(referring(apiWith("pushed"), "https://elsewhere.example.com/pet.yaml"))); !errors.Is(err, livestate.ErrInvalid) {
		t.Errorf("a host that is not allowed: %v", err)
	}
	if n := server.requests(); n != 0 {
		t.Errorf("a host that is not allowed was asked %d times", n)
	}
	mustPush(t, first, referring(apiWith("pushed"), "https://schemas.example.com/pet.yaml"))
	server.always(500, "")
	again := p.restart().held(t, s)
	wantOperation(t, "restarted without the host", again, "pushed")
	wantOrigin(t, "restarted without the host", again, originPushed)
}

// What was pushed before a URL's document changed is over, even if that does not load and the copy is in force.
func TestPushBeforeTheURLBroke(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, server, s := newRemote(t)
		hold(t, p, s, func(track *track) { mustPush(t, track, apiWith("pushed")) })
		server.always(200, brokenAPI)
		hold(t, p.restart(), s, func(track *track) { wantOperation(t, "broken", track, "a") })
		server.always(200, apiWith("a"))
		hold(t, p.restart(), s, func(track *track) { wantOperation(t, "as it was", track, "a") })
	})
}

// A URL that does not answer has not changed, as far as anyone knows.
func TestPushWithoutTheURL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, server, s := newRemote(t)
		hold(t, p, s, func(track *track) { mustPush(t, track, apiWith("pushed")) })
		server.always(0, "")
		hold(t, p.restart(), s, func(track *track) {
			wantOperation(t, "no answer", track, "pushed")
			server.always(200, apiWith("a"))
			time.Sleep(2 * s.Refresh)
			synctest.Wait()
			wantOperation(t, "the same again", track, "pushed")
			server.always(200, apiWith("b"))
			time.Sleep(2 * s.Refresh)
			synctest.Wait()
			wantOperation(t, "changed", track, "b")
		})
	})
}
