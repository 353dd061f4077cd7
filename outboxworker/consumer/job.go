package consumer

// job.go holds a message on its way to a handler and in it, and all that a consumer holds.

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// ErrLost is why a handler's context is done whose message is another consumer's by now,
// or might be since Redis does not answer.
var ErrLost = errors.New("the consumer has lost the message")

// errStopped is why the context of a handler is done that runs for longer than
// Options.StopTimeout.
var errStopped = errors.New("the consumer stops")

// job is a message that a handler runs for, or will.
type job struct {
	stream *stream
	// message is without payload, which each attempt is given for itself.
	message Message
	payload string
	// malformed is why there is no message.
	malformed error
	// id is that of the entry, or of what waits, if retry.
	id    string
	retry bool
	// ends is when a lease ends in µs, as far as the consumer knows, and its token. The stream's lease guards it.
	ends int64
	// delivered is how often an entry has been delivered, this time included.
	delivered int
	// fields are those of an entry of the stream.
	fields map[string]string
	state  state
	// ran tells that a handler was run.
	ran bool

	// tenure is that of the lane's owner, who settles the job by what ending says; nil
	// where there are no lanes.
	tenure *tenure
	ending *settled

	// alone is left when a suspect ends; nil for others.
	alone alone

	// sign is when the last sign of life was given, as elapsed has it; 0 before that, and
	// where the lease of a lane counts.
	sign atomic.Int64

	// ctx is the handler's.
	ctx    context.Context
	cancel context.CancelCauseFunc
}

// state is what is known about a message that failed, as the scripts keep it.
type state struct {
	Entry     string  `json:"entry"`
	Attempts  float64 `json:"attempts"`
	Replays   float64 `json:"replays"`
	Takeovers float64 `json:"takeovers"`
	Class     string  `json:"class"`
	Error     string  `json:"error"`
	// Fingerprint is that of the error, and Dead the dead letter under replay.
	Fingerprint string `json:"fingerprint"`
	Dead        string `json:"dead"`
}

// readState reads a state. What is none is empty: the script has made it readable.
func readState(text string) (s state) {
	if json.Unmarshal([]byte(text), &s) != nil {
		return state{}
	}
	return s
}

// count is a number of a state, which foreign hands make as large as they like.
func count(n float64) int { return int(max(0, min(n, 1e9))) }

// takeovers is how often consumers have vanished with the message.
func (j *job) takeovers() int {
	if j.retry {
		return count(j.state.Takeovers)
	}
	return j.delivered - 1
}

var started = time.Now()

// elapsed is the time of a clock that nobody sets.
func elapsed() int64 { return int64(time.Since(started)) }

// isStale tells that the last sign of life is a lease ago, as after the process was
// stopped: another may have the message.
func (j *job) isStale(lease time.Duration) bool {
	if j.tenure != nil {
		return j.tenure.left() <= 0
	}
	sign := j.sign.Load()
	return sign != 0 && elapsed()-sign > int64(lease)
}

// isLost tells that the message is not the consumer's any more.
func (j *job) isLost() bool { return errors.Is(context.Cause(j.ctx), ErrLost) }

// place is what a job is known by.
type place struct {
	stream *stream
	retry  bool
	id     string
}

func (j *job) place() place { return place{j.stream, j.retry, j.id} }

// held is the jobs that a consumer has. It gives signs of life of them.
type held struct {
	mu   sync.Mutex
	jobs map[place]*job
}

// add notes a job, unless the consumer has it already: it was held up for longer than its
// lease, and is the owner of the new one.
func (h *held) add(ctx context.Context, j *job) bool {
	j.ctx, j.cancel = context.WithCancelCause(ctx)
	h.mu.Lock()
	before, has := h.jobs[j.place()]
	if !has {
		h.jobs[j.place()] = j
	}
	h.mu.Unlock()
	if has {
		j.end()
		j.stream.lease.Lock() // whoever has it may look for what is held
		before.ends = j.ends
		before.sign.Store(j.sign.Load())
		j.stream.lease.Unlock()
	}
	return !has
}

// end ends what was kept for a job.
func (j *job) end() {
	j.cancel(nil)
	if j.alone != nil {
		j.alone.leave()
	}
}

func (h *held) remove(j *job) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.jobs[j.place()] == j {
		delete(h.jobs, j.place())
		j.end()
	}
	j.cancel(nil)
}

// of returns the jobs of a stream.
func (h *held) of(s *stream, retry bool) []*job {
	h.mu.Lock()
	defer h.mu.Unlock()
	var found []*job
	for p, j := range h.jobs {
		if p.stream == s && p.retry == retry {
			found = append(found, j)
		}
	}
	return found
}

// has tells whether a job has not ended.
func (h *held) has(j *job) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.jobs[j.place()] == j
}

func (h *held) len() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.jobs)
}
