package openapi

// stored.go keeps in Caddy's storage what must outlive the process: the document that an operator put in force, and
// the last good one of a URL.

import (
	"errors"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"

	"github.com/weirproxy/weir/internal/statestore"
)

// The kinds under which documents are stored.
const (
	storedPushes = "contracts/pushed"
	storedCopies = "contracts/copies"
)

// storedPush is a push as it is stored; nil tells that there is none.
type storedPush struct {
	Source string      `json:"source"`
	Base   string      `json:"base"`
	Origin string      `json:"origin"`
	At     time.Time   `json:"at"`
	Texts  storedTexts `json:"document"`
}

func savePush(storage certmagic.Storage, name string, p *push) error {
	if p == nil {
		return statestore.Save(storage, storedPushes, name, (*storedPush)(nil))
	}
	return statestore.Save(storage, storedPushes, name, &storedPush{p.source, p.base, p.origin, p.at, p.texts.stored()})
}

// loadPush returns nil if there is none. An error that is not statestore.ErrBroken may go away.
func loadPush(storage certmagic.Storage, name string, limit int64) (*push, error) {
	var s *storedPush
	if err := statestore.Load(storage, storedPushes, name, &s); err != nil || s == nil {
		return nil, err
	}
	texts, err := s.Texts.restored(limit)
	if err != nil {
		return nil, errors.Join(statestore.ErrBroken, err)
	}
	return &push{source: s.Source, base: s.Base, origin: s.Origin, at: s.At, texts: texts}, nil
}

// storedCopy is the last good document of a URL.
type storedCopy struct {
	Source string      `json:"source"` // hash of the URL, which may hold a secret
	Texts  storedTexts `json:"document"`
}

// saveCopy keeps the document in force, if it is of a URL and not kept yet. The caller holds working.
func (t *track) saveCopy() {
	g := t.current.Load()
	if !t.inForce || g == nil || g.origin != originURL || g.hash == t.stored {
		return
	}
	s := storedCopy{Source: t.settings.sourceKey(), Texts: g.texts.stored()}
	if err := statestore.Save(t.home.storage, storedCopies, t.settings.Name, &s); err != nil {
		if t.unstored != g.hash {
			t.log().Warn("the document is not kept for a start without its URL", zap.Error(err))
		}
		t.unstored = g.hash
		return
	}
	t.stored = g.hash
}

// loadCopy takes up the copy of the URL's document. The caller holds working.
func (t *track) loadCopy() {
	if t.source.origin() != originURL {
		return
	}
	var s storedCopy
	err := statestore.Load(t.home.storage, storedCopies, t.settings.Name, &s)
	if err == nil && s.Source != t.settings.sourceKey() {
		return // there is none, or that of another URL
	}
	var x *texts
	if err == nil {
		x, err = s.Texts.restored(t.settings.MaxDocument)
	}
	if err != nil {
		t.log().Warn("the kept copy of the document is not known", zap.Error(err))
		return
	}
	t.copy, t.stored = x, x.hash
	if t.last == nil {
		t.remember(x, nil)
	}
}
