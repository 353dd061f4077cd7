package cli

// retrysource.go makes what waits in an outbox and what waits for a consumer one thing for
// the commands.

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/weirproxy/weir/outboxworker/consumer"
	"github.com/weirproxy/weir/outboxworker/operator"
)

// retry is a message that waits in an outbox, or for a consumer.
type retry struct {
	located
	Lane      *int16     `json:"lane,omitempty"`
	Attempts  int        `json:"attempts"`
	Class     string     `json:"class,omitempty"`
	LastError string     `json:"last_error,omitempty"`
	CreatedAt *time.Time `json:"created_at,omitempty"`
	Bytes     int        `json:"bytes"`
	State     string     `json:"state"`
	Due       *time.Time `json:"due,omitempty"`
	Since     time.Time  `json:"since"`

	overdue bool // of a consumer's
}

// retrySource has messages that wait. They are selected by the flags of the command.
type retrySource interface {
	// list returns a page, and where the next begins.
	list(ctx context.Context, after string, limit int) (found []retry, next string, err error)
	runNow(ctx context.Context, result *outcome) error
	close()
}

// outboxRetries are the messages of an outbox that wait.
type outboxRetries struct{ *outboxMessages }

func openOutboxRetries(ctx context.Context, o *operation) (retrySource, error) {
	opened, err := o.openMessages(ctx)
	if err != nil {
		return nil, err
	}
	return &outboxRetries{opened}, nil
}

func (r *outboxRetries) list(ctx context.Context, after string, limit int) ([]retry, string, error) {
	found, next, err := positionPage(after, limit, func(page operator.Page) ([]operator.Retry, error) {
		return r.ListRetries(ctx, r.filter, page)
	}, func(m *operator.Retry) int64 { return m.Position })
	all := make([]retry, len(found))
	for i := range found {
		m := &found[i]
		all[i] = retry{
			located: located{Position: m.Position, message: messageOf(&m.Message)}, Lane: &m.Lane,
			Attempts: m.Attempts, Class: m.Class, LastError: m.LastError, CreatedAt: &m.CreatedAt, Bytes: m.Bytes,
			State: m.State, Due: m.Due, Since: m.Since,
		}
	}
	return all, next, err
}

func (r *outboxRetries) runNow(ctx context.Context, result *outcome) error {
	answer, err := r.RunNow(ctx, r.filter, r.of.options())
	result.took(answer)
	return err
}

// consumerRetries are the messages that wait for a consumer.
type consumerRetries struct {
	*consumerStreams
	filter  consumer.Filter
	retries []*consumer.Retries
}

func openConsumerRetries(ctx context.Context, o *operation, chosen *consumerChoice) (*consumerRetries, error) {
	filter, err := o.ofConsumer()
	if err != nil {
		return nil, err
	}
	r := &consumerRetries{filter: filter}
	r.consumerStreams, err = openStreams(ctx, o, chosen, func(s *consumerStreams, name string, logger *zap.Logger) error {
		retries, err := consumer.NewRetries(s.client, name, s.group)
		if err == nil {
			retries.SetLogger(logger)
			r.retries = append(r.retries, retries)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return r, nil
}

// list goes through the streams one after the other.
func (r *consumerRetries) list(ctx context.Context, after string, limit int) ([]retry, string, error) {
	return pageOfStreams(r.consumerStreams, after, limit, func(i int, after string, limit int) ([]retry, string, error) {
		found, next, err := r.retries[i].List(ctx, r.filter, after, limit)
		all := make([]retry, len(found))
		for j := range found {
			all[j] = *retryOfConsumer(&found[j])
		}
		return all, next, err
	})
}

func retryOfConsumer(r *consumer.Retry) *retry {
	m := &r.Message
	return &retry{
		located:  located{Stream: m.Stream, Entry: r.EntryID, Letter: r.Letter, message: messageOfConsumer(m)},
		Attempts: r.Attempts, Class: r.Class, LastError: r.Error, CreatedAt: timeOrNil(m.CreatedAt), Bytes: r.PayloadBytes,
		State: r.State, Due: timeOrNil(r.Due), Since: r.Since.UTC(), overdue: r.Overdue,
	}
}

// timeOrNil is a time in UTC, or nil.
func timeOrNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

func (r *consumerRetries) runNow(ctx context.Context, result *outcome) error {
	verdict := func(one *retry) string {
		switch {
		case one.State != consumer.StateRetry:
			return one.State
		case one.overdue:
			return "due"
		}
		return ""
	}
	return each(ctx, r.consumerStreams, result, r.list, verdict, func(i int, c consumer.Change) (consumer.Changed, error) {
		return r.retries[i].RunNow(ctx, r.filter, c)
	})
}
