package openapi

// push.go holds what an operator puts in force instead of the source's document: a document of their own, or an older one.

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"go.uber.org/zap"

	"github.com/weirproxy/weir/governance/livestate"
	"github.com/weirproxy/weir/internal/statestore"
)

// push is a document in force instead of that of the source, until that changes.
type push struct {
	source string // sourceKey of the settings that it was pushed against
	base   string // hash of the source's document then; "" if that could not be read
	origin string // originPushed or originRollback
	at     time.Time
	texts  *texts
}

// pushes are those of a name: the one in force, if any. tracks.mu guards it.
type pushes struct {
	restored bool // whether that of before the process is known
	current  *push
}

// recallPush returns what was pushed instead of the source's document of a new track, nil if nothing. It may be
// outdated: that is seen when the source is read.
func (l *tracks) recallPush(t *track) *push {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.pushes.restored {
		p, err := loadPush(t.home.storage, t.settings.Name, t.settings.MaxDocument)
		switch {
		case errors.Is(err, statestore.ErrBroken): // it will not mend by itself
			t.log().Error("the document that was pushed before is lost", zap.Error(err))
		case err != nil:
			t.log().Warn("it is not known whether a document was pushed before", zap.Error(err))
			return nil
		}
		l.pushes.restored, l.pushes.current = true, p
	}
	if p := l.pushes.current; p != nil && p.source == t.settings.sourceKey() {
		return p
	}
	return nil
}

func (l *tracks) pushed() *push {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.pushes.current
}

// setPush makes p what is pushed of the name, or nil nothing, and stores that. The caller holds t.working.
func (t *track) setPush(p *push) error {
	t.push = p
	t.live.mu.Lock()
	t.live.pushes = pushes{restored: true, current: p}
	t.live.mu.Unlock()
	return savePush(t.home.storage, t.settings.Name, p)
}

// forgetPush ends what was pushed, since the source's document is in force. While the configuration may yet fail to
// load, only the track does so. The caller holds working.
func (t *track) forgetPush() {
	t.push = nil
	if !t.inForce || t.live.pushed() == nil {
		return
	}
	if err := t.setPush(nil); err != nil {
		t.log().Warn("storing that nothing is pushed any more", zap.Error(err))
	}
	t.log().Info("what was pushed is dropped: the source's document is in force", zap.String("source", t.source.shown()))
}

// settlePush brings together what the track has in force and what was pushed while another configuration was: it may
// have been dropped, or another. The caller holds working.
func (t *track) settlePush() {
	p := t.live.pushed()
	if p == t.push {
		return
	}
	if p == nil {
		if err := t.look(t.ctx, true); err != nil {
			t.log().Warn("what was pushed has been dropped, but the source does not load", zap.Error(err))
		}
		return
	}
	if p.source == t.settings.sourceKey() && p.base == t.base() {
		err := t.apply(t.ctx, p)
		if err == nil {
			return
		}
		t.log().Error("the document that was pushed does not load any more", zap.Error(err))
	}
	t.forgetPush()
}

// base is the hash of the source's document. The caller holds working.
func (t *track) base() string {
	if t.last == nil {
		return ""
	}
	return t.last.hash
}

// apply puts in force what was pushed.
func (t *track) apply(ctx context.Context, p *push) error {
	g, err := t.build(ctx, p.texts, nil, revision{origin: p.origin})
	if err != nil {
		return err
	}
	t.install(g)
	t.push = p
	return nil
}

// replace puts a document in force until the source changes.
func (t *track) replace(text []byte) error {
	t.working.Lock()
	defer t.working.Unlock()
	t.beforeDecision()
	location := (&url.URL{Scheme: "weir", Opaque: "pushed/" + url.PathEscape(t.settings.Name)}).String()
	r := &reading{
		texts: &texts{location: location, files: map[string][]byte{location: text}},
		refer: pushedReference(t.settings, t.client),
		limit: t.settings.MaxDocument,
	}
	if r.size() > r.limit {
		return fmt.Errorf("%w: %w", livestate.ErrInvalid, tooLarge(r.limit))
	}
	ctx, cancel := context.WithTimeout(t.ctx, readTimeout)
	defer cancel()
	doc, err := r.load(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", livestate.ErrInvalid, err)
	}
	g, err := t.build(ctx, r.texts, doc, revision{origin: originPushed})
	if err != nil {
		return fmt.Errorf("%w: %w", livestate.ErrInvalid, err)
	}
	return t.decide(g)
}

// rollback puts the document of an older generation in force until the source changes; 0 is the one before that in
// force.
func (t *track) rollback(number uint64) error {
	t.working.Lock()
	defer t.working.Unlock()
	t.beforeDecision()
	older, err := t.older(number)
	if err != nil {
		return err
	}
	g, err := t.build(t.ctx, older.texts, nil, revision{origin: originRollback, document: older.document})
	if err != nil {
		return fmt.Errorf("%w: generation %d does not load with the settings of now: %w", livestate.ErrInvalid, older.number, err)
	}
	return t.decide(g)
}

// older returns the revision to roll back to.
func (t *track) older(number uint64) (revision, error) {
	g := t.current.Load()
	for i := len(t.revisions) - 1; i >= 0; i-- {
		r := t.revisions[i]
		switch {
		case number == 0 && g != nil && r.hash != g.hash && r.number < g.document:
			return r, nil
		case number != 0 && (r.number == number || r.document == number):
			if g != nil && r.hash == g.hash {
				return revision{}, fmt.Errorf("%w: the document of generation %d is in force", livestate.ErrInvalid, number)
			}
			return r, nil
		}
	}
	if number == 0 {
		return revision{}, fmt.Errorf("%w: no older document is kept", livestate.ErrNotFound)
	}
	return revision{}, fmt.Errorf("%w: generation %d is not kept; the snapshot lists those that are", livestate.ErrNotFound, number)
}

// beforeDecision has a lazy track know its source, against which the decision is made. The caller holds working.
func (t *track) beforeDecision() {
	if t.current.Load() == nil {
		_ = t.look(t.ctx, false) // that it fails may be why something is pushed
	}
	t.begin()
}

// decide puts in force what an operator decided. The caller holds working.
func (t *track) decide(g *generation) error {
	t.install(g)
	err := t.setPush(&push{source: t.settings.sourceKey(), base: t.base(), origin: g.origin, at: g.loadedAt, texts: g.texts})
	if err != nil {
		return fmt.Errorf("the document is in force, but not over a restart: %w", err)
	}
	return nil
}

// reload looks at the source now and ends what was pushed.
func (t *track) reload() error {
	t.working.Lock()
	defer t.working.Unlock()
	defer t.begin()
	err := t.look(t.ctx, true)
	switch {
	case err == nil:
		return nil
	case isUnreadable(err):
		return fmt.Errorf("%w: %w", livestate.ErrUnavailable, err)
	default:
		return fmt.Errorf("%w: %w", livestate.ErrInvalid, err)
	}
}
