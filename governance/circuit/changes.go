package circuit

// changes.go tells of changes, in order and outside the lock.

import "time"

// changes are those that nobody has been told yet. They are guarded by History.mu.
type changes struct {
	tell    func(Change)
	shown   State // the last that was told
	why     string
	pending []func()
	telling bool
}

// show notes that the visible state may have changed.
func (h *History) show(why string, at time.Time, openFor time.Duration) {
	to := h.visible()
	if to == h.shown {
		return
	}
	c := Change{From: h.shown, To: to, Why: why, At: at}
	if to == Open {
		c.OpenFor = openFor
	}
	h.shown, h.why = to, why
	if tell := h.tell; tell != nil {
		h.pending = append(h.pending, func() { tell(c) })
	}
}

// unlock unlocks mu and tells of the changes, unless somebody is telling already: he
// will go on with them.
func (h *History) unlock() {
	if len(h.pending) == 0 || h.telling {
		h.mu.Unlock()
		return
	}
	h.tellAll()
}

func (h *History) tellAll() {
	h.telling = true
	defer func() { // also when a callback panics
		h.telling = false
		h.mu.Unlock()
	}()
	for len(h.pending) > 0 {
		next := h.pending[0]
		h.pending = h.pending[1:]
		h.outside(next)
	}
}

func (h *History) outside(f func()) {
	h.mu.Unlock()
	defer h.mu.Lock()
	f()
}
