package consumer

// ordered_queues.go holds the jobs of a lane in memory, so that of a key one is handled at
// a time, in order.

import (
	"slices"
	"strings"
)

// queues are the jobs of a lane. Jobs of one key, in the order of their entries, are a
// queue; one without a key is a queue of its own.
type queues struct {
	byKey map[string]*queue
	// waiting are the queues whose first job may begin, in turn.
	waiting []*queue
	// running is how many jobs have begun, and queued how many have not; bytes is what
	// the fields of all have.
	running, queued, bytes int
}

type queue struct {
	jobs []*job
	// busy tells that a job of the key has begun and not ended.
	busy bool
}

func newQueues() queues { return queues{byKey: make(map[string]*queue)} }

const (
	// followersOfEach is how many jobs of a batch there may be for each that may begin: so
	// that one key which takes long does not keep others from being read.
	followersOfEach = 16
	// enoughBytes is from how many bytes on there is no room.
	enoughBytes = 32 << 20
)

// room is how many more jobs there may be, beside those that have begun; 0 while half of the
// batch may begin, so that not each that ends is a reason to read one.
func (q *queues) room(batch int) int {
	if len(q.waiting) > batch/2 || q.bytes >= enoughBytes {
		return 0
	}
	return max(0, min(batch-len(q.waiting), followersOfEach*batch-q.queued))
}

// name tells keys and jobs without a key apart.
func (q *queues) name(j *job) string {
	if key, ok := j.fields["key"]; ok {
		return "k" + key
	}
	return "e" + j.id
}

// add adds a job.
func (q *queues) add(j *job) {
	name := q.name(j)
	of := q.byKey[name]
	if of == nil {
		of = new(queue)
		q.byKey[name] = of
	}
	at := len(of.jobs) // as a rule
	for at > 0 && before(j.state.Entry, of.jobs[at-1].state.Entry) {
		at--
	}
	of.jobs = slices.Insert(of.jobs, at, j)
	q.queued++
	q.bytes += size(j.fields)
	if len(of.jobs) == 1 && !of.busy {
		q.waiting = append(q.waiting, of)
	}
}

// before tells whether an entry was appended before another.
func before(a, b string) bool {
	am, as, _ := strings.Cut(a, "-")
	bm, bs, _ := strings.Cut(b, "-")
	if am != bm {
		return less(am, bm)
	}
	return less(as, bs)
}

// less compares numbers without leading zeros.
func less(a, b string) bool {
	if len(a) != len(b) {
		return len(a) < len(b)
	}
	return a < b
}

// ready returns the next job that may begin, or nil.
func (q *queues) ready() *job {
	if len(q.waiting) == 0 {
		return nil
	}
	return q.waiting[0].jobs[0]
}

// begin notes that the job which ready returned has begun.
func (q *queues) begin(j *job) {
	of := q.waiting[0]
	q.waiting = q.waiting[1:]
	of.jobs = of.jobs[1:]
	of.busy = true
	q.queued--
	q.running++
}

// end notes that a job has ended. Then the next of its key may begin.
func (q *queues) end(j *job) {
	name := q.name(j)
	of := q.byKey[name]
	of.busy = false
	q.running--
	q.bytes -= size(j.fields)
	if len(of.jobs) == 0 {
		delete(q.byKey, name)
		return
	}
	q.waiting = append(q.waiting, of)
}

// followers removes and returns the jobs of a key that have not begun, when the last that
// began has ended.
func (q *queues) followers(j *job) []*job {
	name := q.name(j)
	of := q.byKey[name]
	if of == nil {
		return nil
	}
	delete(q.byKey, name)
	q.waiting = slices.DeleteFunc(q.waiting, func(other *queue) bool { return other == of })
	q.queued -= len(of.jobs)
	for _, follower := range of.jobs {
		q.bytes -= size(follower.fields)
	}
	return of.jobs
}

// all returns the jobs that have not begun.
func (q *queues) all() []*job {
	var jobs []*job
	for _, of := range q.byKey {
		jobs = append(jobs, of.jobs...)
	}
	return jobs
}
