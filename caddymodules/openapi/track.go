package openapi

// track.go is the document of one source: which of its generations is in force, and who holds it.

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"

	"github.com/weirproxy/weir/governance/contract"
	"github.com/weirproxy/weir/governance/contract/document"
	"github.com/weirproxy/weir/internal/inforce"
)

// trackSettings say what is loaded and how. Handlers with the same settings share a track, over reloads too.
type trackSettings struct {
	Name        string
	Source      string        // path of a file, or http(s) URL
	Refresh     time.Duration // between looks at the source; 0: none but when it is watched and with a reload
	Lazy        bool          // load with the first request
	MaxDocument int64         // bytes of all files of the document together
	AllowRefs   []string      // hosts that references may name
	Compile     contract.Settings
}

// key is equal for settings that may share a track.
func (s trackSettings) key() string { return fmt.Sprintf("%+v", s) }

// compileKey is equal for settings with which a document is compiled to the same contract.
func (s trackSettings) compileKey() string { return fmt.Sprintf("%+v", s.Compile) }

// sourceKey stands for the source where a secret in it must not be seen.
func (s trackSettings) sourceKey() string {
	hash := sha256.Sum256([]byte(s.Source))
	return hex.EncodeToString(hash[:])
}

// Results of a look at a source.
const (
	loadOK = iota
	loadUnchanged
	loadError
)

var loadResults = [...]string{loadOK: "ok", loadUnchanged: "unchanged", loadError: "error"}

// tracks are all tracks of a name. A live state embeds it; the zero value is ready.
type tracks struct {
	// compile is nil for contract.Compile, unless a test counts.
	compile func(*document.Document, contract.Settings) (*contract.Contract, error)
	// transport is what URLs are read by: nil for one of each track, unless a test has its own.
	transport http.RoundTripper

	loads [len(loadResults)]atomic.Uint64

	mu      sync.Mutex
	byKey   map[string]*track
	numbers uint64 // of the generations
	pushes  pushes
}

// home is the configuration that a track belongs to.
type home struct {
	logger  *zap.Logger
	storage certmagic.Storage
}

// track keeps one document in force. Its zero value is not usable.
type track struct {
	live     *tracks
	settings trackSettings
	compile  string
	source   source
	client   *http.Client
	watch    *watcher // nil if there is nothing to watch
	ctx      context.Context
	end      context.CancelFunc
	begun    sync.Once     // starts the loop
	again    chan struct{} // has the loop look soon
	current  atomic.Pointer[generation]
	lazy     lazy

	holders int // guarded by live.mu

	working sync.Mutex // held while a document is read, compiled and put in force; guards:
	home    home
	inForce bool   // what cannot be taken back may be done
	met     any    // the configuration that looked at the source last
	push    *push  // in force instead of the source's document
	copy    *texts // of the URL's document, until one is in force

	stored, unstored string // hash of the copy that is in storage, and of the one that could not be stored

	mu        sync.Mutex // written with working held too; guards:
	last      *texts     // what was last read of the source, good or bad
	bad       error      // why last does not load
	revisions []revision
	stale     error     // why what is in force is not what the source has, nil if it is
	failures  int       // looks in a row
	loaded    time.Time // when the source was last found good
}

// hold returns the track of the settings for a configuration that is being provisioned; it must be released once.
// Unless it is lazy, it has a generation. If the settings are those of a track that is held already, that one is
// shared, and the source looked at once; if that fails, the last good document stays. What cannot be taken back is
// done when the configuration is in force.
func (l *tracks) hold(ctx caddy.Context, s trackSettings, logger *zap.Logger) (*track, error) {
	at := home{logger.With(zap.String("contract", s.Name)), ctx.Storage()}
	t, err := l.take(s, at)
	if err != nil {
		return nil, err
	}
	if err := t.meet(ctx, ctx.GetMetricsRegistry()); err != nil {
		t.release()
		return nil, withHint(t, err)
	}
	inforce.Then(ctx, func() { t.settle(at) })
	return t, nil
}

// take returns the track of the settings, made if there is none.
func (l *tracks) take(s trackSettings, at home) (*track, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := s.key()
	if t := l.byKey[key]; t != nil {
		t.holders++
		return t, nil
	}
	t := &track{live: l, settings: s, compile: s.compileKey(), home: at, again: make(chan struct{}, 1), holders: 1}
	t.client = &http.Client{Transport: l.transport}
	if l.transport == nil {
		t.client.Transport = newTransport()
	}
	var err error
	if t.source, err = newSource(s, t.client); err != nil {
		return nil, err
	}
	if file, ok := t.source.(*fileSource); ok {
		t.watch = newWatcher(file, at.logger)
	}
	t.ctx, t.end = context.WithCancel(context.Background())
	l.inherit(t)
	if l.byKey == nil {
		l.byKey = make(map[string]*track)
	}
	l.byKey[key] = t
	return t, nil
}

// inherit has a new track know what can be rolled back to, from the one of the same source that knows the latest. The
// caller holds mu.
func (l *tracks) inherit(t *track) {
	latest := uint64(0)
	for _, other := range l.byKey {
		kept := other.kept()
		if n := len(kept); n > 0 && other.settings.Source == t.settings.Source && kept[n-1].number > latest {
			t.revisions, latest = kept, kept[n-1].number
		}
	}
}

// meet looks at the source for a configuration, once.
func (t *track) meet(ctx context.Context, configuration any) error {
	t.working.Lock()
	defer t.working.Unlock()
	if t.settings.Lazy && t.current.Load() == nil || t.met == configuration && configuration != nil {
		return nil
	}
	if err := t.look(ctx, false); t.current.Load() == nil {
		return err
	}
	t.met = configuration
	t.begin()
	return nil
}

// settle is called when a configuration that holds the track is in force.
func (t *track) settle(at home) {
	t.working.Lock()
	defer t.working.Unlock()
	if t.ctx.Err() != nil {
		return
	}
	t.home, t.inForce = at, true
	if t.current.Load() == nil {
		return // lazy; it is done with the first load
	}
	t.settlePush()
	t.saveCopy()
}

// release gives the track up; the last one to do so ends it. It does not wait.
func (t *track) release() {
	t.live.mu.Lock()
	defer t.live.mu.Unlock()
	if t.holders--; t.holders == 0 {
		delete(t.live.byKey, t.settings.key())
		t.end()
		t.watch.close()
	}
}

// generation is what is in force, nil while a lazy one is not loaded.
func (t *track) generation() *generation { return t.current.Load() }

// log is the logger of the configuration in force. The caller holds working.
func (t *track) log() *zap.Logger { return t.home.logger }

// trackStatus is what is shown of a track besides its generations.
type trackStatus struct {
	loads  [len(loadResults)]uint64 // looks at sources, of the name, over all its tracks
	loaded time.Time                // when the source was last found good; zero: never
	stale  error                    // why what is in force is not what the source has, nil if it is
}

func (t *track) status() trackStatus {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := trackStatus{loaded: t.loaded, stale: t.stale}
	for i := range s.loads {
		s.loads[i] = t.live.loads[i].Load()
	}
	return s
}
