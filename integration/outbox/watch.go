package outbox

// watch.go looks, while everything goes on, whether a message is in two places.

import (
	"fmt"
	"sync"
	"time"
)

// watch looks again and again until its end.
type watch struct {
	stop  chan struct{}
	ended sync.WaitGroup
	once  sync.Once

	mu    sync.Mutex
	looks int
	found []string
}

func startWatch(d *database) *watch {
	w := &watch{stop: make(chan struct{})}
	w.ended.Go(func() {
		for {
			ids, err := d.inSeveralPlaces()
			if err == nil { // the database may be down
				w.note(ids)
			}
			select {
			case <-w.stop:
				return
			case <-time.After(200 * time.Millisecond):
			}
		}
	})
	return w
}

func (w *watch) note(ids []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.looks++
	w.found = append(w.found, ids...)
}

func (w *watch) end() {
	w.once.Do(func() { close(w.stop) })
	w.ended.Wait()
}

// problems are what was found, or that nothing could be seen.
func (w *watch) problems() (problems []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.looks == 0 {
		problems = append(problems, "nobody could look whether messages are in two places")
	}
	for _, id := range w.found {
		problems = append(problems, fmt.Sprintf("a message was in two places: %s", id))
	}
	return few(problems)
}
