// Package redisclaim keeps in Redis, or Valkey, which messages a group of consumers has
// handled.
//
// A message has one key for each group:
//
//	idempotent:{<message id>}:<group>
//
// It holds P:<token> while a handler has the message, and expires with the lease; then
// D:<token>, and expires with the marker. In an id, % and } are written %25 and %7D: so
// no two messages share a key, and the braces are always the hash tag of Redis Cluster,
// which puts all keys of a message into one slot. A script reads and writes one key and
// takes no time from the client.
//
// Nothing is ever lost by it: a claim expires unless its handler is done, and only a
// message that has had its effect is marked. It may be handled again
//
//   - when its handler died between its effect and Done;
//   - when its handler was held up for longer than the lease between its effect and
//     Done, or after it last looked (Extend, Keep) and before its effect. A handler that
//     is held up earlier learns it, and stops;
//   - after Settings.DoneTTL;
//   - when Redis lost the marker: a restart without an append-only file, a failover to a
//     replica that was behind, an eviction (Check warns of it), FLUSHALL;
//   - when it was let through without Redis, which Settings.FailOpen allows.
//
// A Redis without memory takes claims and markers all the same, about 120 bytes for each
// message: what is handled is what fills it.
//
// A user of Redis needs ~idempotent:* and +evalsha +eval +get +set +pttl +pexpire +del,
// for Check also +ping +config|get.
//
// The package depends on go-redis.
package redisclaim

import (
	"context"
	"crypto/rand"
	_ "embed"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/weirproxy/weir/outboxworker/idempotency"
)

//go:embed begin-1.lua
var beginText string

var begin = redis.NewScript(beginText)

// Settings are what a store can be told. Zero values are not defaults: begin with
// DefaultSettings.
type Settings struct {
	// Lease is how long a claim lasts unless it is extended, and so how long a message
	// waits whose handler died. Whoever does not Keep a claim needs one that is longer
	// than any handler takes. At least 10ms, in whole milliseconds. Default: 30s.
	Lease time.Duration
	// DoneTTL is how long is remembered that a message is done. It has to be longer
	// than a message may take from its first delivery to its last, by retries and by
	// an operator who replays. At least Lease. Default: 7 days.
	DoneTTL time.Duration
	// FailOpen lets messages be handled when Redis is away, as if it knew nothing, and
	// has Done succeed without it: for effects that may rather happen twice than late.
	// Stats counts them. It never holds for messages that Redis does answer for, with
	// an error or not. Default: false, Begin and Done fail with ErrUnavailable.
	FailOpen bool
}

// DefaultSettings are the defaults.
func DefaultSettings() Settings {
	return Settings{Lease: 30 * time.Second, DoneTTL: 7 * 24 * time.Hour}
}

// Validate tells what is wrong with the settings.
func (s *Settings) Validate() error {
	switch {
	case s.Lease < 10*time.Millisecond:
		return fmt.Errorf("lease: %s is less than 10ms", s.Lease)
	case s.Lease%time.Millisecond != 0:
		return fmt.Errorf("lease: %s is not in whole milliseconds", s.Lease)
	case s.DoneTTL < s.Lease:
		return fmt.Errorf("done_ttl: %s is less than the lease, %s", s.DoneTTL, s.Lease)
	}
	return nil
}

// Store is an idempotency.Store in Redis. Make one with New.
type Store struct {
	client   redis.UniversalClient
	settings Settings

	letThrough, unmarked atomic.Uint64
}

var _ idempotency.Store = (*Store)(nil)

// Stats counts what happened without Redis, since New. With FailOpen false it is zero.
type Stats struct {
	// LetThrough are messages that were handled though nobody knew whether they had
	// been before.
	LetThrough uint64
	// Unmarked are messages that were done and not marked.
	Unmarked uint64
}

// New returns a store. The client stays the caller's, who closes it; its timeouts, and
// with ContextTimeoutEnabled also those of contexts, bound every call.
func New(client redis.UniversalClient, settings Settings) (*Store, error) {
	if err := settings.Validate(); err != nil {
		return nil, err
	}
	return &Store{client: client, settings: settings}, nil
}

// Stats returns the counts.
func (s *Store) Stats() Stats {
	return Stats{LetThrough: s.letThrough.Load(), Unmarked: s.unmarked.Load()}
}

// Begin claims a message, see idempotency.Store. If it fails though Redis has done it,
// the message is busy until the lease has run out.
func (s *Store) Begin(ctx context.Context, group, messageID string) (idempotency.Claim, idempotency.State, error) {
	if err := idempotency.Check(group, messageID); err != nil {
		return nil, idempotency.State{}, err
	}
	c := &claim{store: s, keys: []string{key(group, messageID)}, token: rand.Text(), began: time.Now()}
	state, err := s.begin(ctx, c)
	if err != nil && s.mayPass(ctx, err) {
		s.letThrough.Add(1)
		c.unguarded = true
		state, err = idempotency.State{Status: idempotency.Started}, nil
	}
	if err != nil {
		return nil, idempotency.State{}, failed(ctx, "claiming a message", err)
	}
	if state.Status != idempotency.Started {
		return nil, state, nil
	}
	return c, state, nil
}

func (s *Store) begin(ctx context.Context, c *claim) (state idempotency.State, err error) {
	answer, err := begin.Run(ctx, s.client, c.keys, c.token, s.settings.Lease.Milliseconds()).Slice()
	if err != nil {
		return state, err
	}
	if len(answer) == 2 {
		left, isNumber := answer[1].(int64)
		switch answer[0] {
		case "started":
			return idempotency.State{Status: idempotency.Started}, nil
		case "done":
			return idempotency.State{Status: idempotency.AlreadyDone}, nil
		case "foreign":
			return state, idempotency.ErrForeign
		case "busy":
			if isNumber {
				// Not 0, which would mean that it is unknown.
				return idempotency.State{Status: idempotency.Busy, Left: time.Duration(max(left, 1)) * time.Millisecond}, nil
			}
		}
	}
	return state, errAnswer
}

var errAnswer = errors.New("the script's answer is unknown")

var escaped = strings.NewReplacer("%", "%25", "}", "%7D")

func key(group, messageID string) string {
	return "idempotent:{" + escaped.Replace(messageID) + "}:" + group
}
