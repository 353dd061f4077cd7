package openapi

// track_look.go looks at a source and puts in force what follows from it.

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"go.uber.org/zap"

	"github.com/weirproxy/weir/governance/contract"
	"github.com/weirproxy/weir/governance/contract/document"
)

// unreadableError is why a source could not be read, in contrast to what is wrong with a document.
type unreadableError struct{ error }

func (e unreadableError) Unwrap() error { return e.error }

func isUnreadable(err error) bool {
	var unreadable unreadableError
	return errors.As(err, &unreadable)
}

// look reads the source and puts its document in force, unless that is the one in force, or one that was pushed since
// the source last changed, which ends is to end. If it fails, what is in force stays; if nothing is yet, what was
// pushed or kept in storage comes in force. The caller holds working.
func (t *track) look(ctx context.Context, ends bool) error {
	if t.current.Load() == nil {
		t.recall()
	}
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	t.watch.follow(t.last) // a folder that was watched may be another one by now; before it is read, so as to miss no change
	r, same, err := readSource(ctx, t.source, t.last, t.settings.MaxDocument)
	if err != nil {
		return t.failed(ctx, unreadableError{err})
	}
	var doc *document.Document
	if same {
		err = t.bad
	} else {
		doc, err = r.load(ctx)
	}
	t.remember(r.texts, err)
	if t.push != nil && !ends && t.push.base == r.hash && t.keepsPush(ctx) {
		if err != nil {
			return t.failed(ctx, err)
		}
		t.found(loadUnchanged)
		return nil
	}
	g := t.current.Load()
	if g == nil {
		t.push = nil // that of before the source changed
	}
	if err == nil && g != nil && g.hash == r.hash && g.origin == t.source.origin() {
		t.found(loadUnchanged)
		t.saveCopy() // if it could not be before
		return nil
	}
	if err == nil {
		g, err = t.build(ctx, r.texts, doc, revision{origin: t.source.origin()})
		t.remember(r.texts, err)
	}
	if err != nil {
		return t.failed(ctx, err)
	}
	t.install(g)
	t.forgetPush()
	t.found(loadOK)
	t.saveCopy()
	return nil
}

// recall takes up, before the first look, what storage has for the source.
func (t *track) recall() {
	t.push = t.live.recallPush(t)
	if t.copy == nil {
		t.loadCopy()
	}
}

// keepsPush leaves in force what was pushed, and puts it in force after a start.
func (t *track) keepsPush(ctx context.Context) bool {
	if t.current.Load() != nil {
		return true
	}
	if err := t.apply(ctx, t.push); err != nil {
		t.log().Error("the document that was pushed does not load any more, that of the source comes in force", zap.Error(err))
		t.push = nil
		return false
	}
	return true
}

// build returns a generation of a document, which must be nil if it is not loaded yet. One that is in force with the same
// settings anywhere under the name is not compiled again, unless it is from where its relative servers are others.
func (t *track) build(ctx context.Context, x *texts, doc *document.Document, r revision) (*generation, error) {
	r.hash, r.etag, r.texts = x.hash, x.etag, x
	g := &generation{revision: r, compile: t.compile}
	if same := t.live.compiled(x, t.compile); same != nil {
		g.openapi, g.contract = same.openapi, same.contract
		return g, nil
	}
	var err error
	if doc == nil {
		doc, err = document.Load(ctx, document.Source{Location: x.location, Data: x.files[x.location], Read: x.read})
		if err != nil {
			return nil, err
		}
	}
	compile := t.live.compile
	if compile == nil {
		compile = contract.Compile
	}
	g.openapi = doc.Version()
	g.contract, err = compile(doc, t.settings.Compile)
	return g, firstOf(err)
}

// mostErrors is how many errors of one document are told.
const mostErrors = 20

// firstOf cuts a list of errors, which goes to the log and the admin API.
func firstOf(err error) error {
	list, ok := err.(interface{ Unwrap() []error })
	if !ok || len(list.Unwrap()) <= mostErrors {
		return err
	}
	all := list.Unwrap()
	return errors.Join(append(all[:mostErrors:mostErrors], fmt.Errorf("and %d more errors", len(all)-mostErrors))...)
}

// compiled returns a generation in force of those texts and compile settings, or nil.
func (l *tracks) compiled(x *texts, settings string) *generation {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, t := range l.byKey {
		g := t.current.Load()
		if g != nil && g.hash == x.hash && g.compile == settings && g.texts.place() == x.place() {
			return g
		}
	}
	return nil
}

// install puts a generation in force.
func (t *track) install(g *generation) {
	t.live.mu.Lock()
	t.live.numbers++
	g.number = t.live.numbers
	t.live.mu.Unlock()
	if g.document == 0 {
		g.document = g.number
	}
	g.loadedAt = time.Now()
	t.mu.Lock()
	t.revisions = keep(t.revisions, g.revision)
	t.mu.Unlock()
	t.current.Store(g)
	t.copy = nil
	t.log().Info("contract in force", zap.Uint64("generation", g.number), zap.String("origin", g.origin),
		zap.String("source", t.source.shown()), zap.String("hash", g.hash), zap.String("openapi", g.openapi),
		zap.Int("operations", len(g.contract.Operations())))
	if len(g.contract.Operations()) == 0 {
		t.log().Warn("the contract has no operations: the path of each request is unknown to it, and what comes of "+
			"that is for unknown_path to say", zap.String("source", t.source.shown()))
	}
	t.logNotes(g.contract.Notes())
}

// mostNotes is how many notes of a document are logged.
const mostNotes = 20

// logNotes tells what an operator should know of a document.
func (t *track) logNotes(notes []string) {
	for _, note := range notes[:min(len(notes), mostNotes)] {
		t.log().Warn("note on the contract: " + note)
	}
	if left := len(notes) - mostNotes; left > 0 {
		t.log().Warn("more notes on the contract are shown by the admin API", zap.Int("notes", left))
	}
}

// remember notes what was read of the source, and why it does not load.
func (t *track) remember(x *texts, bad error) {
	t.mu.Lock()
	t.last, t.bad = x, bad
	t.mu.Unlock()
	t.follow(x)
}

// follow watches the files of x, and looks again if some were not watched before: they may have changed meanwhile.
func (t *track) follow(x *texts) {
	if t.watch.follow(x) {
		t.soon()
	}
}

// found notes that the source is well.
func (t *track) found(result int) {
	t.live.loads[result].Add(1)
	t.mu.Lock()
	stale := t.stale
	t.stale, t.failures, t.loaded = nil, 0, time.Now()
	t.mu.Unlock()
	if stale != nil {
		t.log().Info("the contract's source is well again", zap.String("source", t.source.shown()))
	}
}

// failed notes that the source is not well, and returns why. What was pushed or kept comes in force if nothing is.
func (t *track) failed(ctx context.Context, err error) error {
	ended := t.ctx.Err() != nil // which may be why
	if !ended {
		t.live.loads[loadError].Add(1)
	}
	t.mu.Lock()
	told := ended || t.stale != nil && trouble(t.stale) == trouble(err)
	t.stale = err
	t.failures++
	t.mu.Unlock()
	if t.current.Load() == nil {
		t.fallBack(ctx, err)
	}
	switch {
	case told:
	case t.current.Load() != nil:
		t.log().Error("the contract's source does not load, the last good document stays in force",
			zap.String("source", t.source.shown()), zap.Error(err))
	case t.settings.Lazy: // otherwise the configuration fails with the error
		t.log().Error("the contract's source does not load", zap.String("source", t.source.shown()), zap.Error(err))
	}
	return err
}

// ports are those of a connection, of which each has another one.
var ports = regexp.MustCompile(`:\d+`)

// trouble is an error's text, equal for errors that an operator need not be told of again.
func trouble(err error) string {
	if isUnreadable(err) {
		return ports.ReplaceAllLiteralString(err.Error(), "")
	}
	return err.Error()
}

// fallBack puts in force what storage has, of which nothing is known to have changed.
func (t *track) fallBack(ctx context.Context, why error) {
	if isUnreadable(why) && t.push != nil && t.keepsPush(ctx) {
		return
	}
	if t.copy == nil {
		return
	}
	g, err := t.build(ctx, t.copy, nil, revision{origin: t.source.origin()})
	if err != nil {
		t.log().Error("the copy that was kept of the document does not load", zap.Error(err))
		return
	}
	t.install(g)
}

// withHint tells what helps where a configuration cannot be loaded because a URL does not answer.
func withHint(t *track, err error) error {
	if isUnreadable(err) && t.source.origin() == originURL {
		return fmt.Errorf("%w; and no copy of it was kept: with lazy, the configuration loads without the document", err)
	}
	return err
}
