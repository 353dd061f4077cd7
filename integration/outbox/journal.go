package outbox

// journal.go holds the two journals: of what was committed, and of what arrived.

import (
	"slices"
	"sync"
)

// commits is the journal of producers.
type commits struct {
	mu  sync.Mutex
	all []message
	// unknown counts transactions whose outcome had to be found out.
	unknown    int
	rolledBack int
}

// committed notes the messages of a transaction that is known to be committed.
func (c *commits) committed(messages []message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = append(c.all, messages...)
}

func (c *commits) noteUnknown() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.unknown++
}

func (c *commits) noteRollback() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rolledBack++
}

// messages are all that were committed.
func (c *commits) messages() []message {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.all)
}

func (c *commits) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.all)
}

// arrival is a message that the receiver got.
type arrival struct {
	message
	// accepted tells that the receiver said so. One that was refused comes again.
	accepted bool
}

// arrivals is the journal of a receiver.
type arrivals struct {
	mu       sync.Mutex
	all      []arrival
	attempts map[message]int
}

// arrived notes a message before it is answered. It returns its place in the journal
// and how often the message has come by now.
func (a *arrivals) arrived(m message) (place, attempt int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.attempts == nil {
		a.attempts = make(map[message]int)
	}
	a.attempts[m]++
	a.all = append(a.all, arrival{message: m})
	return len(a.all) - 1, a.attempts[m]
}

// accept notes that the message at a place is about to be accepted.
func (a *arrivals) accept(place int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.all[place].accepted = true
}

func (a *arrivals) messages() []arrival {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.all)
}

func (a *arrivals) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.all)
}
