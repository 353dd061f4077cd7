package openapi

// source_watch.go watches the files of a document.

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/fsnotify/fsnotify"
	"go.uber.org/zap"
)

// maxLinks is how many symbolic links are followed on the way to a file, as on Linux.
const maxLinks = 40

// watcher tells of changes of files. It watches directories, since a file is replaced by renaming another one to its
// name, and of a path with symbolic links, as Kubernetes mounts a ConfigMap, the directories of all links on the way.
//
// All methods can be called on nil, which watches nothing.
type watcher struct {
	source *fileSource
	notify *fsnotify.Watcher
	logger *zap.Logger

	mu    sync.Mutex
	names map[string]bool // paths that matter: links and files
	dirs  map[string]bool // that are watched
}

// newWatcher returns nil if the system has no more to give; then there is refresh.
func newWatcher(source *fileSource, logger *zap.Logger) *watcher {
	notify, err := fsnotify.NewWatcher()
	if err != nil {
		logger.Warn("the contract's files are not watched, only looked at every refresh", zap.Error(err))
		return nil
	}
	w := &watcher{source: source, notify: notify, logger: logger, dirs: make(map[string]bool)}
	w.follow(nil)
	return w
}

func (w *watcher) close() {
	if w != nil {
		_ = w.notify.Close()
	}
}

func (w *watcher) events() <-chan fsnotify.Event {
	if w == nil {
		return nil
	}
	return w.notify.Events
}

func (w *watcher) errors() <-chan error {
	if w == nil {
		return nil
	}
	return w.notify.Errors
}

// follow watches the files of x, of nil the document alone. It reports whether a directory is new.
func (w *watcher) follow(x *texts) bool {
	if w == nil {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.names = make(map[string]bool)
	dirs := make(map[string]bool)
	for _, path := range w.source.paths(x) {
		for _, name := range way(path) {
			w.names[name] = true
			dirs[filepath.Dir(name)] = true
		}
	}
	fresh := false
	for dir := range dirs {
		// also those that are watched, as they may be other ones of the same name by now
		if err := w.notify.Add(dir); err != nil {
			delete(dirs, dir)
			if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fsnotify.ErrClosed) {
				w.logger.Warn("a folder of the contract's files is not watched", zap.String("folder", dir), zap.Error(err))
			}
		}
		fresh = fresh || dirs[dir] && !w.dirs[dir]
	}
	for dir := range w.dirs {
		if !dirs[dir] {
			_ = w.notify.Remove(dir) // it may be gone
		}
	}
	w.dirs = dirs
	return fresh
}

// concerns reports whether an event is about what is followed.
func (w *watcher) concerns(e fsnotify.Event) bool {
	if e.Op == fsnotify.Chmod {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.names[e.Name] || w.dirs[e.Name]
}

// way returns the paths whose change can change what is at path: each symbolic link on the way, the file at its end, or
// what is missing. None of their directories has a link in it.
func way(path string) (names []string) {
	at, left := string(filepath.Separator), strings.Split(filepath.Clean(path), string(filepath.Separator))
	for links := 0; len(left) > 0; {
		name := left[0]
		left = left[1:]
		switch name {
		case "", ".":
			continue
		case "..":
			at = filepath.Dir(at)
			continue
		}
		next := filepath.Join(at, name)
		info, err := os.Lstat(next)
		switch {
		case err != nil:
			return append(names, next)
		case info.Mode()&fs.ModeSymlink != 0:
			names = append(names, next)
			target, err := os.Readlink(next)
			if links++; err != nil || links > maxLinks {
				return names
			}
			if filepath.IsAbs(target) {
				at = string(filepath.Separator)
			}
			left = append(strings.Split(target, string(filepath.Separator)), left...)
		case len(left) == 0:
			return append(names, next)
		default:
			at = next
		}
	}
	return names
}
