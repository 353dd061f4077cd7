// Package deliver is a consumer's handler that posts each message to a URL, for services
// in any language: the request is that of package sink/webhook.
//
// # What an answer means
//
//	2xx                                  done
//	409                                  busy: not done, not counted, again after
//	                                     Retry-After, or a second
//	what is fatal for sink/webhook       dead at once
//	throttled, unreachable there         unavailable: not counted; the consumer begins
//	                                     nothing for Retry-After, or for a second that
//	                                     doubles up to 30, then tries one message
//	failed there, as 500                 a counted attempt; once Settings.BreakerMessages
//	                                     different messages have failed in a row, and
//	                                     until one gets another answer: unavailable
//	anything else                        a counted attempt
//
// Retry-After makes the wait after a counted attempt longer, never shorter.
//
// A message whose id is no UUID is malformed: it is dead at once, of class "malformed".
// The relay writes no such, and what the receiver is promised of ids holds for UUIDs.
//
// The package depends on google/uuid for ids.
package deliver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/weirproxy/weir/outboxworker/consumer"
	"github.com/weirproxy/weir/outboxworker/sink"
	"github.com/weirproxy/weir/outboxworker/sink/webhook"
)

// Settings are what a deliverer can be told. Begin with DefaultSettings.
type Settings struct {
	// Webhook is where and how messages are posted. Its Concurrency is that of the
	// consumer.
	Webhook webhook.Settings
	// BreakerMessages is how many different messages must fail in a row for the receiver
	// to be taken for broken: 2 to 100. Default: 3.
	BreakerMessages int
}

// DefaultSettings are the defaults.
func DefaultSettings() Settings {
	return Settings{Webhook: webhook.DefaultSettings(), BreakerMessages: 3}
}

// Validate tells what is wrong with the settings.
func (s *Settings) Validate() error {
	if s.BreakerMessages < 2 || s.BreakerMessages > 100 {
		return fmt.Errorf("breaker_messages: %d is not between 2 and 100", s.BreakerMessages)
	}
	return s.Webhook.Validate()
}

// Deliverer posts messages. Make one with New.
type Deliverer struct {
	to        sink.Deliverer
	suspicion *suspicion
}

// New returns a deliverer. It connects when there is something to deliver.
func New(settings Settings) (*Deliverer, error) {
	if err := settings.Validate(); err != nil {
		return nil, err
	}
	to, err := webhook.NewDeliverer(settings.Webhook)
	if err != nil {
		return nil, err
	}
	return &Deliverer{to, newSuspicion(settings.BreakerMessages)}, nil
}

// Close closes the connections that are kept.
func (d *Deliverer) Close() error { return d.to.Close() }

// Handle posts a message. It is a consumer.Handler.
func (d *Deliverer) Handle(ctx context.Context, m *consumer.Message) error {
	message, err := convert(m)
	if err != nil {
		return consumer.Fatal(consumer.Class(err, "malformed"))
	}
	return d.judge(m, d.to.Deliver(ctx, message))
}

// busyClass is the class of an answer of the status 409.
var busyClass = "status " + strconv.Itoa(http.StatusConflict)

// judge says to the consumer what a result means, as in the package comment.
func (d *Deliverer) judge(m *consumer.Message, result sink.Result) error {
	class := result.Class
	if class == "" {
		class = result.Outcome.String()
	}
	err := consumer.Class(result.Err, class)
	if result.Outcome == sink.Failed {
		if d.suspicion.failed(m.ID) {
			return consumer.Unavailable(err, 0)
		}
		return consumer.After(err, result.RetryAfter)
	}
	if result.Outcome == sink.Unreachable || result.Outcome == sink.NotSent {
		return consumer.Unavailable(err, 0) // no answer, which says nothing of the receiver's
	}
	d.suspicion.dropped()
	switch {
	case result.Outcome == sink.Delivered:
		return nil
	case result.Outcome == sink.Throttled:
		return consumer.Unavailable(err, result.RetryAfter)
	case result.Outcome == sink.Fatal:
		return consumer.Fatal(err)
	case class == busyClass:
		return consumer.Busy(result.RetryAfter)
	}
	return consumer.After(err, result.RetryAfter)
}

// convert makes the sink's message of a consumer's.
func convert(m *consumer.Message) (*sink.Message, error) {
	id, err := uuid.Parse(m.ID)
	if err != nil || id.String() != strings.ToLower(m.ID) {
		return nil, errors.New("the message's id is no UUID")
	}
	converted := &sink.Message{
		ID: id, BizID: m.BizID, Topic: m.Topic, Key: m.Key, HasKey: m.HasKey, Type: m.Type,
		Payload: m.Payload, CreatedAt: m.CreatedAt, Attempt: m.Attempt,
	}
	if converted.CreatedAt.IsZero() {
		converted.CreatedAt = appended(m.EntryID)
	}
	if len(m.Headers) > 0 {
		if converted.Headers, err = json.Marshal(m.Headers); err != nil {
			return nil, fmt.Errorf("encoding the message's headers: %w", err)
		}
	}
	return converted, nil
}

// appended is when an entry was appended, which its id begins with, in ms.
func appended(entryID string) time.Time {
	text, _, _ := strings.Cut(entryID, "-")
	ms, _ := strconv.ParseInt(text, 10, 64) // 0 for none, which no stream has
	return time.UnixMilli(ms)
}
