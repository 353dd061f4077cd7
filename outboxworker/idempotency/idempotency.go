// Package idempotency lets the consumers of a message that is delivered at least once
// have its effect once.
//
// A Store is asked before the handler runs, and told when it has:
//
//	claim, state, err := store.Begin(ctx, "billing", message.ID)
//	if err != nil || state.Status != idempotency.Started {
//		... // not now, or not any more: see State
//	}
//	kept, stop := claim.Keep(ctx)
//	err = handle(kept, message)
//	stop()
//	if err != nil {
//		return errors.Join(err, claim.Release(ctx)) // it may be tried again at once
//	}
//	return claim.Done(ctx) // then the message is acknowledged
//
// A key that is set before the handler runs, and means "seen", loses the message of a
// handler that dies. Hence two phases: a claim, which ends by itself when its owner is
// gone, and a marker that the message is done.
//
// There are two stores. What they promise, if messages are acknowledged only after Done:
//
//	                                        redisclaim         inbox
//	the handler fails, or dies before its   one effect         one effect
//	effect
//	it dies within its effect               the parts again    one effect
//	it dies between its effect and Done     two effects        one effect
//	it is stopped for longer than its       two effects        one effect
//	lease between its effect and Done
//	the store loses what it was told        effects again      its data is lost too
//	never an effect at all                  impossible         impossible
//
// The store of package redisclaim is for effects anywhere; that of package inbox is for
// effects in the PostgreSQL which has the inbox, in whose transaction they happen.
// Effects elsewhere should carry the message's id, so that their receiver can tell.
//
// The package depends on the standard library alone.
package idempotency

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// Store tells which messages a group of consumers has handled. It may be used by several
// goroutines at once.
type Store interface {
	// Begin claims a message for a handler of the group. The claim is nil unless the
	// state is Started. After an error nothing may be handled; it is an
	// ErrUnavailable, for which the message is not to blame, an ErrInvalid, an
	// ErrForeign, or that of ctx.
	Begin(ctx context.Context, group, messageID string) (Claim, State, error)
}

// State is what Begin found.
type State struct {
	Status Status
	// Left is, when Busy, for how long at most the other handler has the message unless
	// it extends its claim. 0 if the store cannot tell.
	Left time.Duration
}

// Status says what is to be done with a message.
type Status int

const (
	// Started: handle it. The claim ends with Done or Release.
	Started Status = iota + 1
	// Busy: another handler has it. It is not done and must not be acknowledged; it is
	// delivered again later.
	Busy
	// AlreadyDone: acknowledge it.
	AlreadyDone
)

// String returns the status as logs have it.
func (s Status) String() string {
	switch s {
	case Started:
		return "started"
	case Busy:
		return "busy"
	case AlreadyDone:
		return "already done"
	}
	return fmt.Sprintf("status %d", int(s))
}

// Claim is the right to handle a message. Its owner ends it with Done or Release; that
// of an owner who dies ends by itself.
type Claim interface {
	// Done says that the message has had its effect. After ErrOverran the message is
	// done like after nil, and acknowledged. After ErrUnavailable Done may be repeated.
	Done(ctx context.Context) error
	// Release says that it has not, so that it can be claimed again at once. A claim
	// that is not this handler's any more is left alone, without an error.
	Release(ctx context.Context) error
	// Extend makes the claim last for a whole lease from now. ErrLost means that it was
	// too late: the handler has to stop. Asked just before an effect, it tells a handler
	// that was held up.
	Extend(ctx context.Context) error
	// Keep extends the claim until stop is called or ctx is done. The context that it
	// returns is the handler's: it is cancelled, with ErrLost as its cause, when the
	// claim is lost, or might be since the store does not answer. stop waits for a call
	// to the store that is under way, cancels the context, and may be called again.
	Keep(ctx context.Context) (kept context.Context, stop func())
}

var (
	// ErrLost means that a claim has run out before its handler was done.
	ErrLost = errors.New("the claim of the message has run out")
	// ErrOverran means that a message was marked done by a handler whose claim had run
	// out: another may have begun, and the effect may have happened twice.
	ErrOverran = errors.New("the claim had run out before the message was done, it may have had its effect twice")
	// ErrUnavailable means that the store does not answer, or refuses to work. It says
	// nothing about the message: waiting for the store is right, counting an attempt is
	// not.
	ErrUnavailable = errors.New("the store of handled messages is unavailable")
	// ErrInvalid means that a message cannot be claimed, ever, because of its id, or
	// because of the group's name.
	ErrInvalid = errors.New("the message cannot be claimed")
	// ErrForeign means that something else is where the claim should be, which
	// somebody else has put there.
	ErrForeign = errors.New("something else is in the place of the message's claim")
)

// MaxLength is the most bytes of a message's id, and of a group's name.
const MaxLength = 255

// Check returns an ErrInvalid unless a message can be claimed: its id and the group's
// name are UTF-8 of 1 to MaxLength bytes without NUL.
func Check(group, messageID string) error {
	for _, name := range []struct{ what, text string }{{"name of the group", group}, {"id", messageID}} {
		switch {
		case name.text == "":
			return fmt.Errorf("%w: its %s is empty", ErrInvalid, name.what)
		case len(name.text) > MaxLength:
			return fmt.Errorf("%w: its %s has %d bytes, %d at most are allowed", ErrInvalid, name.what, len(name.text), MaxLength)
		case !utf8.ValidString(name.text) || strings.Contains(name.text, "\x00"):
			return fmt.Errorf("%w: its %s is not UTF-8 without NUL", ErrInvalid, name.what)
		}
	}
	return nil
}
