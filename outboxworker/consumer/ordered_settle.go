package consumer

// ordered_settle.go holds what becomes of jobs of a lane.

import (
	"context"
	"crypto/sha1" // what the scripts know keys by
	"encoding/hex"
	"errors"
	"maps"
	"slices"
)

// settled is a job that has ended, and what becomes of it.
type settled struct {
	job *job
	// what is done, wait, park or dead.
	what string
	v    verdict
	fate fate
}

// conclude notes what became of a job of a lane, for the lane's owner to write down.
func (j *job) conclude(v verdict, f fate) {
	what := "wait"
	switch {
	case v.kind == done:
		what = "done"
	case f.dead:
		what = "dead"
	}
	j.ending = &settled{job: j, what: what, v: v, fate: f}
}

// hash is what the scripts know the job's key by; "" without one.
func (j *job) hash() string {
	key, ok := j.fields["key"]
	if !ok {
		return ""
	}
	sum := sha1.Sum([]byte(key))
	return hex.EncodeToString(sum[:])
}

// conclude writes down what became of jobs that handlers are through with.
func (t *tenure) conclude() error {
	for len(t.ended) > 0 {
		t.through = append(t.through, <-t.ended)
	}
	through := t.through
	t.through = nil
	var all []settled
	for _, j := range through {
		t.queues.end(j)
	}
	for _, j := range through {
		switch {
		case j.ending == nil && j.isLost():
			return ErrLost
		case j.ending == nil: // it was not begun, or told to end
			t.queues.add(j)
		default:
			all = append(all, *j.ending)
			if j.ending.what == "wait" {
				for _, follower := range t.queues.followers(j) {
					t.c.held.remove(follower)
					all = append(all, settled{job: follower, what: "park", fate: fate{takeovers: follower.takeovers()}})
				}
			}
		}
	}
	if len(all) == 0 {
		return nil
	}
	writing := &trouble{logger: t.lane.logger, what: "writing down what became of messages"}
	err := t.persist(writing, func() error { return t.settle(all) })
	anew := errors.Is(err, errAnew)
	if anew { // nothing was written
		err = t.persist(writing, func() error { return t.settle(all) })
	}
	if err != nil {
		return err
	}
	for _, s := range all {
		if s.what != "park" {
			t.c.tell(s.job, s.v, s.fate)
		}
	}
	if anew {
		return errAnew
	}
	return nil
}

// persist does something until Redis has answered, as long as the lane is this
// consumer's.
func (t *tenure) persist(trouble *trouble, do func() error) error {
	for {
		err := do()
		if err == nil {
			trouble.success()
			return nil
		}
		if errors.Is(err, ErrLost) || errors.Is(err, errAnew) {
			return err
		}
		sleep(t.ctx, trouble.failure(err))
		if t.ctx.Err() != nil {
			return context.Cause(t.ctx)
		}
	}
}

// settle writes down what became of jobs.
func (t *tenure) settle(all []settled) error {
	for len(all) > 0 {
		args, n := []any{t.c.group, t.turn + 1}, 0
		for bytes := 0; n < len(all) && n < maxCall && bytes < settleBytes; n++ {
			s := &all[n]
			name := ""
			var fields []any
			if s.job.retry {
				name = s.job.id
			} else if s.what != "done" {
				for _, field := range slices.Sorted(maps.Keys(s.job.fields)) {
					fields = append(fields, field, s.job.fields[field])
					bytes += len(field) + len(s.job.fields[field])
				}
			}
			f := &s.fate
			args = append(args, s.what, name, s.job.state.Entry, s.job.hash(), milliseconds(f.wait),
				f.attempts, f.class, f.text, f.fingerprint, f.takeovers, len(fields))
			args = append(args, fields...)
		}
		values, err := t.call(laneSettleScript, args...)
		if err != nil {
			return err // a call that was made for all that has the same number as the next
		}
		t.turn++
		if len(values) == 3 {
			if sleep, ok := values[2].(int64); ok {
				t.lookIn(sleep)
			}
		}
		all = all[n:]
	}
	return nil
}
