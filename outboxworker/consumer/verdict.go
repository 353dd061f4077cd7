package consumer

// verdict.go holds what a handler may say with its error.

import (
	"errors"
	"time"
)

// kind is what becomes of a message.
type kind uint8

const (
	failed kind = iota
	done
	busy
	unavailable
	fatal
)

// saying is an error with which a handler says more than that it failed.
type saying struct {
	err   error
	kind  kind
	after time.Duration
	class string
}

func (s *saying) Error() string { return s.err.Error() }
func (s *saying) Unwrap() error { return s.err }

// Fatal says that the message can never be handled: it goes to the dead letters at once.
func Fatal(err error) error { return &saying{err: orUnknown(err), kind: fatal} }

// Busy says that somebody else has the message at the moment. It is not done, nothing is
// counted, and it comes back after that time, a second if it is 0.
func Busy(after time.Duration) error {
	return &saying{err: errors.New("the message is being handled elsewhere"), kind: busy, after: after}
}

// Unavailable says that what the handler needs is away, and the message not to blame.
// Nothing is counted, and the consumer begins nothing for that time; if it is 0, for a
// second that doubles up to 30. Then one message is tried, and the others if that is not
// Unavailable; if it is, another is tried after the next pause.
func Unavailable(err error, after time.Duration) error {
	return &saying{err: orUnknown(err), kind: unavailable, after: after}
}

// After says that the attempt failed, and that the message is not to be tried again before
// that time, up to an hour, even if it would be its turn.
func After(err error, after time.Duration) error {
	return &saying{err: orUnknown(err), after: min(after, time.Hour)}
}

// Class says what kind of error it is, of which there are few, for operators to select
// by, as "status 422". Without it the class is "failed", or "fatal".
func Class(err error, class string) error {
	if err == nil {
		return nil
	}
	return &saying{err: err, class: class}
}

func orUnknown(err error) error {
	if err == nil {
		return errors.New("unknown error")
	}
	return err
}

// verdict is what became of an attempt.
type verdict struct {
	kind  kind
	after time.Duration
	class string
	err   error
}

// judge says what a handler's error means. The outermost word counts.
func judge(err error) verdict {
	if err == nil {
		return verdict{kind: done}
	}
	v := verdict{kind: failed, err: err}
	for rest := err; ; {
		var s *saying
		if !errors.As(rest, &s) {
			break
		}
		if v.kind == failed {
			v.kind, v.after = s.kind, max(v.after, s.after)
		}
		if v.class == "" {
			v.class = s.class
		}
		rest = s.err
	}
	if v.class == "" {
		v.class = map[kind]string{failed: "failed", fatal: "fatal", busy: "busy", unavailable: "unavailable"}[v.kind]
	}
	return v
}

// Verdict is what a handler's error means.
type Verdict struct {
	// What is one of done, failed, fatal, busy and unavailable.
	What string
	// After is what the error asks for: for failed the least wait, else the wait; 0 is
	// the default.
	After time.Duration
	// Class is the class of the error, "" for done.
	Class string
}

// Judge says what an error means that a handler returns. It is for tests of handlers.
func Judge(err error) Verdict {
	v := judge(err)
	return Verdict{What: [...]string{"failed", "done", "busy", "unavailable", "fatal"}[v.kind], After: v.after, Class: v.class}
}
