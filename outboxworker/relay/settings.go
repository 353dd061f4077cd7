package relay

// settings.go holds what a relay can be told, and its defaults.

import (
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/weirproxy/weir/internal/backoff"
	"github.com/weirproxy/weir/outboxworker/retryqueue"
)

// OnDead is what happens to the later messages of a key when one of them dies.
type OnDead string

const (
	// Continue delivers them.
	Continue OnDead = "continue"
	// Hold lets them wait until an operator has decided about the dead one.
	Hold OnDead = "hold"
)

// Settings are what a relay can be told. Zero values are not defaults: begin with
// DefaultSettings.
type Settings struct {
	// Schema is the schema of the outbox, and its name in logs and metrics.
	// Default: outbox.
	Schema string
	// Database is where the outbox is. No default.
	Database *pgx.ConnConfig
	// Listen is where notifications are listened for: the database itself where
	// Database leads through a pooler. nil means that there is polling alone.
	Listen *pgx.ConnConfig
	// Workers is how many lanes are worked on at once, each over a connection of
	// its own: 1 to 8. Default: 4.
	Workers int
	// BatchMessages is the most messages of a batch. Default: 2000.
	BatchMessages int
	// BatchBytes is the most bytes of payload and headers of a batch; one message
	// may have more. Default: 4 MiB.
	BatchBytes int
	// BatchTime is how long a batch begins to send new messages. What it did not
	// send is left to the next one. Default: 200ms.
	BatchTime time.Duration
	// LaneTimeout is when a worker that stopped or was cut off loses its lane, and
	// so also when it stops by itself. A sink's own timeout must be shorter, by twice
	// BatchTime and two seconds at least. Default: 10s.
	LaneTimeout time.Duration
	// PollMin and PollMax bound the time between two looks for new messages; it
	// grows while there are none. Defaults: 2ms, 250ms.
	PollMin, PollMax time.Duration
	// FullLook is how often a lane is read from its start, to find what a wrong
	// low-water mark would miss; less often where that takes long. Default: 1m.
	FullLook time.Duration
	// Retry is how long a message waits that was refused or that failed, and Retries
	// how often it is tried again before it is dead. If Retry is a list, New sets
	// Retries to its length. Defaults: 1s doubling to 32s, 6.
	Retry   backoff.Policy
	Retries int
	// BreakerMessages is how many different messages have to fail in a row, with no
	// other answer between, for the receiver to be taken as failing, so that nothing
	// is sent but one message at a time, until there is another answer: 2 to 100.
	// Default: 3.
	BreakerMessages int
	// BreakerGiveUpAfter is for how long a message is tried in vain, while that is so,
	// before its attempts count again, as this relay knows: one that is new begins anew.
	// 0: for ever. Default: 0.
	BreakerGiveUpAfter time.Duration
	// Timers are the timers of what waits, which wake workers when it is due. They
	// belong to this outbox alone. nil means that what is due is found by polling.
	// Default: nil.
	Timers *retryqueue.Queue
	// OnDead is what happens to the later messages of a dead one's key.
	// Default: continue.
	OnDead OnDead
	// Outage is how long the relay waits between two tries when the receiver
	// cannot be reached or fails. Default: 500ms doubling to 30s.
	Outage backoff.Policy
	// KeepDelivered is for how long delivered messages are noted, without their
	// payloads, in table delivered: 1h to 168h, or 0 for not at all. Default: 0.
	KeepDelivered time.Duration
	// StopTimeout is how long a stop waits for batches under way. Default: 8s.
	StopTimeout time.Duration
	// SynchronousCommit is the setting of the relay's own transactions. With off,
	// a crash of PostgreSQL delivers the batches of about its last second again.
	// Default: on.
	SynchronousCommit string
	// Topics are the topics that metrics tell apart; all others are counted as
	// "other". Default: none.
	Topics []string
}

// DefaultSettings are the defaults.
func DefaultSettings() Settings {
	return Settings{
		Schema:            "outbox",
		Workers:           4,
		BatchMessages:     2000,
		BatchBytes:        4 << 20,
		BatchTime:         200 * time.Millisecond,
		LaneTimeout:       10 * time.Second,
		PollMin:           2 * time.Millisecond,
		PollMax:           250 * time.Millisecond,
		FullLook:          time.Minute,
		Retry:             backoff.Policy{Base: time.Second, Cap: 32 * time.Second},
		Retries:           6,
		BreakerMessages:   3,
		OnDead:            Continue,
		Outage:            backoff.Policy{Base: 500 * time.Millisecond, Cap: 30 * time.Second},
		StopTimeout:       8 * time.Second,
		SynchronousCommit: "on",
	}
}

// Validate tells what is wrong with the settings.
func (s *Settings) Validate() error {
	switch {
	case s.Database == nil:
		return errors.New("database: not set")
	case s.Workers < 1 || s.Workers > lanes:
		return fmt.Errorf("workers: %d is not between 1 and %d", s.Workers, lanes)
	case s.BatchMessages < 1 || s.BatchMessages > 10_000:
		return fmt.Errorf("batch_messages: %d is not between 1 and 10000", s.BatchMessages)
	case s.BatchBytes < 1:
		return fmt.Errorf("batch_bytes: %d is not above 0", s.BatchBytes)
	case s.BatchTime <= 0:
		return fmt.Errorf("batch_time: %s is not above 0", s.BatchTime)
	case s.LaneTimeout < s.BatchTime+2*time.Second:
		return fmt.Errorf("lane_timeout: %s must be two seconds more than batch_time, %s, at least", s.LaneTimeout, s.BatchTime)
	case s.PollMin <= 0 || s.PollMax < s.PollMin:
		return fmt.Errorf("poll_min and poll_max: %s and %s must be above 0 and in this order", s.PollMin, s.PollMax)
	case s.FullLook <= 0:
		return fmt.Errorf("full_look: %s is not above 0", s.FullLook)
	case s.Retries < 0:
		return fmt.Errorf("retries: %d is negative", s.Retries)
	case s.BreakerMessages < 2 || s.BreakerMessages > 100:
		return fmt.Errorf("breaker_messages: %d is not between 2 and 100", s.BreakerMessages)
	case s.BreakerGiveUpAfter < 0:
		return fmt.Errorf("breaker_give_up_after: %s is negative", s.BreakerGiveUpAfter)
	case s.OnDead != Continue && s.OnDead != Hold:
		return fmt.Errorf("on_dead: %q is neither %s nor %s", s.OnDead, Continue, Hold)
	case s.KeepDelivered != 0 && (s.KeepDelivered < time.Hour || s.KeepDelivered > 7*24*time.Hour):
		return fmt.Errorf("keep_delivered: %s is neither 0 nor between 1h and 168h", s.KeepDelivered)
	case s.SynchronousCommit != "on" && s.SynchronousCommit != "off":
		return fmt.Errorf("synchronous_commit: %q is neither on nor off", s.SynchronousCommit)
	}
	if err := s.Retry.Validate(); err != nil {
		return fmt.Errorf("retry: %w", err)
	}
	if err := s.Outage.Validate(); err != nil {
		return fmt.Errorf("outage: %w", err)
	}
	return nil
}
