package consumer

// status.go holds what a consumer says of itself.

import "time"

// Status is what a consumer does.
type Status struct {
	// Connected tells that Redis answered for every stream when it was last asked,
	// which it is every 5 seconds.
	Connected bool
	// Paused is for how long nothing is begun, since a handler was Unavailable; 0 if
	// messages are handled.
	Paused time.Duration
}

// Status may be asked for before, during and after Run.
func (c *Consumer) Status() Status {
	status := Status{Connected: true}
	for _, s := range c.streams {
		status.Connected = status.Connected && s.answers.Load()
	}
	if closed, left, _ := c.gate.look(); closed {
		status.Paused = max(left, 0)
	}
	return status
}
