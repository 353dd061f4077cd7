package deliver

// suspicion.go tells a receiver that is broken from messages that break it.

import "sync"

// suspicion counts the different messages that have failed in a row. One that fails again
// and again adds nothing, so a message that no receiver could take does not make it look
// broken.
type suspicion struct {
	limit int

	mu  sync.Mutex
	ids map[string]struct{}
}

func newSuspicion(limit int) *suspicion {
	return &suspicion{limit: limit, ids: make(map[string]struct{})}
}

// failed notes that a message has failed, and tells whether the receiver was taken for
// broken already: the failure that makes it so is still the message's.
func (s *suspicion) failed(id string) (broken bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.ids) >= s.limit {
		return true
	}
	s.ids[id] = struct{}{}
	return false
}

// dropped ends the suspicion: there was an answer that is no failure.
func (s *suspicion) dropped() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.ids)
}
