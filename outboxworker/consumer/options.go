package consumer

// options.go holds what a consumer can be told, and its defaults.

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/weirproxy/weir/internal/backoff"
	"github.com/weirproxy/weir/outboxworker/idempotency"
)

// Backoff says how long to wait before retry n, from 0 on.
type Backoff interface{ Wait(n int) time.Duration }

// Options are what a consumer can be told. Zero values are not defaults: begin with
// DefaultOptions.
type Options struct {
	// Streams are the names of the streams. No default.
	Streams []string
	// Ordered keeps the messages of a key in order. Each of Streams is then eight: its
	// name followed by :{0} to :{7}, as the sink redisstream writes them with its
	// setting Lanes, and Lease is also that of the lanes. Default: false.
	Ordered bool
	// Consumer is the consumer's name in the group; no two that run may have the same.
	// Default: the host's name and random letters.
	Consumer string
	// Start is where a group begins that does not exist: "0" at the stream's beginning,
	// "$" with what is appended from now on, or an entry's id. A group that existed
	// and is gone begins at "0". Default: "0".
	Start string
	// Batch is the most entries of one read, 1 to 500; it ends after 8 MiB, too. A
	// consumer has up to that many of each stream waiting for a handler. Default: 64.
	Batch int
	// Concurrency is how many handlers run at once, over all streams. Default: 16.
	Concurrency int
	// MaxBytes is the most bytes of an entry; larger ones are malformed. Default: 16 MiB.
	MaxBytes int
	// Backoff says how long a message waits for a retry. Default: 1s doubling up to
	// 32s, with jitter.
	Backoff Backoff
	// Retries is how often a message that failed is tried again before it is dead; 0
	// is never. Default: 6.
	Retries int
	// MaxTakeovers is how often a message may be taken over from consumers that
	// vanished with it before it is dead, of class "crash": it may be what kills
	// them. From the third time on, or this one if it is less, a consumer has one
	// such message in hand at a time, so that others do not die with it. Default: 20.
	MaxTakeovers int
	// Suspects is what consumers of several groups have in common whose process such a
	// message would end: together they have one in hand at a time. Default: nil, the
	// consumer is the only one of its process.
	Suspects *Suspects
	// Lease is after how long without a sign of life of its consumer a message is taken
	// over by another. A consumer gives signs while a handler runs, however long that
	// takes. 100ms to 1h. Default: 30s.
	Lease time.Duration
	// Idempotency is asked before each handler and told after. Default: nil, nothing.
	Idempotency idempotency.Store
	// TrimEvery is how often streams are trimmed of what no group needs any more;
	// 0 is never. Default: 1m.
	TrimEvery time.Duration
	// Keep is for how long at least entries are kept before they are trimmed. Default: 1h.
	Keep time.Duration
	// ForgetAfter is after how long consumers of the group that are gone, and have
	// nothing pending, are removed from it. Default: 1h.
	ForgetAfter time.Duration
	// StopTimeout is how long handlers may go on after Run was told to stop.
	// Default: 10s.
	StopTimeout time.Duration
	// Metrics are where the consumer counts. Default: nil, nowhere.
	Metrics *Metrics
	// Logger is told what goes wrong: names, ids and errors, never payloads. Default:
	// nil, nobody.
	Logger *zap.Logger
}

// DefaultOptions are the defaults.
func DefaultOptions() Options {
	return Options{
		Start:        "0",
		Batch:        64,
		Concurrency:  16,
		MaxBytes:     16 << 20,
		Backoff:      backoff.Policy{Base: time.Second, Cap: 32 * time.Second},
		Retries:      6,
		MaxTakeovers: 20,
		Lease:        30 * time.Second,
		TrimEvery:    time.Minute,
		Keep:         time.Hour,
		ForgetAfter:  time.Hour,
		StopTimeout:  10 * time.Second,
	}
}

// maxCall is the most entries of one call of a script.
const maxCall = 500

var (
	groupSyntax    = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,200}$`)
	consumerSyntax = regexp.MustCompile(`^[\x21-\x7e]{1,200}$`)
	startSyntax    = regexp.MustCompile(`^(\$|\d{1,20}(-\d{1,20})?)$`)
)

// Validate tells what is wrong with the options.
func (o *Options) Validate() error {
	switch {
	case len(o.Streams) == 0:
		return errors.New("streams: none")
	case o.Consumer != "" && !consumerSyntax.MatchString(o.Consumer):
		return errors.New("consumer: the name is not up to 200 ASCII characters without spaces")
	case !startSyntax.MatchString(o.Start):
		return fmt.Errorf("start: %q is neither $ nor the id of an entry", o.Start)
	case o.Batch < 1 || o.Batch > maxCall:
		return fmt.Errorf("batch: %d is not between 1 and %d", o.Batch, maxCall)
	case o.Concurrency < 1:
		return fmt.Errorf("concurrency: %d is below 1", o.Concurrency)
	case o.MaxBytes < 1:
		return fmt.Errorf("max_bytes: %d is below 1", o.MaxBytes)
	case o.Backoff == nil:
		return errors.New("backoff: not set")
	case o.Retries < 0:
		return fmt.Errorf("retries: %d is negative", o.Retries)
	case o.MaxTakeovers < 1:
		return fmt.Errorf("max_takeovers: %d is below 1", o.MaxTakeovers)
	case o.Lease < 100*time.Millisecond || o.Lease > time.Hour:
		return fmt.Errorf("lease: %s is not between 100ms and 1h", o.Lease)
	case o.TrimEvery < 0:
		return fmt.Errorf("trim_every: %s is negative", o.TrimEvery)
	case o.Keep < 0:
		return fmt.Errorf("keep: %s is negative", o.Keep)
	case o.ForgetAfter < o.Lease:
		return fmt.Errorf("forget_after: %s is less than the lease, %s", o.ForgetAfter, o.Lease)
	case o.StopTimeout < 0:
		return fmt.Errorf("stop_timeout: %s is negative", o.StopTimeout)
	}
	if err := o.validateOrdered(); err != nil {
		return err
	}
	for i, name := range o.Streams {
		if _, err := hashTag(name); err != nil {
			return fmt.Errorf("streams: %w", err)
		}
		if slices.Contains(o.Streams[:i], name) {
			return fmt.Errorf("streams: %q is named twice", name)
		}
	}
	return nil
}

// ownName is a name that no other consumer has.
func ownName() string {
	host, err := os.Hostname()
	if err != nil || !consumerSyntax.MatchString(host) || len(host) > 100 {
		host = "consumer"
	}
	return host + "-" + rand.Text()
}
