package operator

// filter.go selects messages.

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Filter selects messages. All that is set must hold; the zero value selects all.
type Filter struct {
	// Topic is the topic. Empty: any.
	Topic string `json:"topic,omitempty"`
	// Key is the key, which may be empty. nil: any, or none.
	Key *string `json:"key,omitempty"`
	// Class is the kind of the last error, as the sink names it. Empty: any.
	Class string `json:"class,omitempty"`
	// Reason is why a message is dead: fatal, exhausted or skipped. Empty: any. Of
	// blocked keys it selects those that a dead message holds. Not for retries.
	Reason string `json:"reason,omitempty"`
	// Fingerprint is that of a group of dead messages. Empty: any. Not for retries.
	Fingerprint string `json:"fingerprint,omitempty"`
	// State is the state of a waiting message, retry, parked or delayed; only for
	// retries, of which the zero value selects those in state retry. Of a blocked key
	// it is retrying, held or orphaned; the zero value selects all.
	State string `json:"state,omitempty"`
	// Text is a part of the last error, in small or capital letters. Empty: any.
	Text string `json:"text,omitempty"`
	// Since and Until bound, from Since to before Until, when a message died or began
	// to wait. Zero: no bound.
	Since time.Time `json:"since,omitzero"`
	Until time.Time `json:"until,omitzero"`
	// IDs are positions. Empty: any.
	IDs []int64 `json:"ids,omitempty"`
	// MessageIDs are what consumers know messages by. Empty: any.
	MessageIDs []uuid.UUID `json:"message_ids,omitempty"`
	// BizID is the producer's own id. Empty: any.
	BizID string `json:"biz_id,omitempty"`
}

// Page is a part of a list, in the order of the ids.
type Page struct {
	// After is the position of the last message of the page before; 0 begins.
	After int64
	// Limit is the most entries. Default: 100; at most 1000.
	Limit int
}

func (p Page) limit() int {
	if p.Limit <= 0 {
		return 100
	}
	return min(p.Limit, 1000)
}

// conditions are the terms of a WHERE and their arguments.
type conditions struct {
	terms []string
	args  []any
}

// arg adds an argument and returns what stands for it.
func (c *conditions) arg(value any) string {
	c.args = append(c.args, value)
	return fmt.Sprintf("$%d", len(c.args))
}

// add adds a term, in which %s stands for the value.
func (c *conditions) add(term string, value any) {
	c.terms = append(c.terms, fmt.Sprintf(term, c.arg(value)))
}

func (c *conditions) String() string {
	if len(c.terms) == 0 {
		return "true"
	}
	return strings.Join(c.terms, " AND ")
}

// source is what messages are selected from. Its rows are called m.
type source struct {
	from string // a table or a subquery, with its alias
	at   string // the time that Since and Until bound
	dead bool   // it has reason and fingerprint
	// state is whether it has states, and defaultState what the zero value selects.
	state        bool
	defaultState string
}

// where returns the conditions of a filter on a source.
func (f *Filter) where(s *source) (*conditions, error) {
	c := new(conditions)
	if !s.dead && (f.Reason != "" || f.Fingerprint != "") {
		return nil, errors.New("checking the filter: reason and fingerprint are of dead messages alone")
	}
	if !s.state && f.State != "" {
		return nil, errors.New("checking the filter: dead messages have no state")
	}
	state := f.State
	if state == "" {
		state = s.defaultState
	}
	for _, text := range []struct{ term, value string }{
		{"m.topic = %s", f.Topic},
		{"m.class = %s", f.Class},
		{"m.reason = %s", f.Reason},
		{"m.fingerprint = %s", f.Fingerprint},
		{"m.state = %s", state},
		{"strpos(lower(m.last_error), lower(%s)) > 0", f.Text},
		{"m.biz_id = %s", f.BizID},
	} {
		if text.value != "" {
			c.add(text.term, text.value)
		}
	}
	if f.Key != nil {
		c.add("m.key = %s", *f.Key)
	}
	if !f.Since.IsZero() {
		c.add(s.at+" >= %s", f.Since)
	}
	if !f.Until.IsZero() {
		c.add(s.at+" < %s", f.Until)
	}
	if len(f.IDs) > 0 {
		c.add("m.id = ANY (%s)", f.IDs)
	}
	if len(f.MessageIDs) > 0 {
		c.add("m.message_id = ANY (%s)", f.MessageIDs)
	}
	return c, nil
}
