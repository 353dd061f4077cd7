package cli

// findconsumer.go looks for a message wherever a consumer may have it.

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"time"

	"go.uber.org/zap"

	"github.com/weirproxy/weir/outboxworker/consumer"
	"github.com/weirproxy/weir/outboxworker/operator"
)

// found is a message in one place of an outbox, or of a consumer.
type found struct {
	Place string `json:"place"`
	State string `json:"state,omitempty"`
	located
	Since     time.Time  `json:"since"`
	Due       *time.Time `json:"due,omitempty"`
	Attempts  int        `json:"attempts"`
	Class     string     `json:"class,omitempty"`
	LastError string     `json:"last_error,omitempty"`
	CreatedAt *time.Time `json:"created_at,omitempty"`
}

// foundOf is what was found in an outbox.
func foundOf(m *operator.Found) found {
	return found{
		Place: string(m.Place), State: m.State,
		located: located{Position: m.Position, message: message{m.ID.String(), m.BizID, m.Topic, m.Key, m.Type}},
		Since:   m.Since, Due: m.Due, Attempts: m.Attempts, Class: m.Class, LastError: m.LastError, CreatedAt: &m.CreatedAt,
	}
}

// foundOfConsumer is what was found at a consumer.
func foundOfConsumer(m *consumer.Found) found {
	r := retryOfConsumer(&m.Retry)
	one := found{
		Place: placeOfConsumer(m.Place), State: r.State, located: r.located,
		Since: r.Since, Due: r.Due, Attempts: r.Attempts, Class: r.Class, LastError: r.LastError, CreatedAt: r.CreatedAt,
	}
	if m.Replaying {
		one.State = "replaying"
	}
	return one
}

func placeOfConsumer(place consumer.Place) string {
	if place == consumer.Waiting {
		return string(operator.Deferred)
	}
	return string(place)
}

// findOfConsumer looks in all streams of a consumer.
func (o *findOperation) findOfConsumer(ctx context.Context, search consumer.Search) error {
	var finders []*consumer.Finder
	s, err := openStreams(ctx, &o.operation, &o.consumerChoice, func(s *consumerStreams, name string, logger *zap.Logger) error {
		finder, err := consumer.NewFinder(s.client, name, s.group)
		if err == nil {
			finder.SetLogger(logger)
			finders = append(finders, finder)
		}
		return err
	})
	if err != nil {
		return err
	}
	defer s.close()
	ctx, stop := interruptible(ctx)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, o.within)
	defer cancel()
	all, truncated, unsearched := []found{}, false, []string(nil)
	for i, finder := range finders {
		result, err := finder.Find(ctx, search, o.limit+1-len(all))
		if err != nil {
			return fmt.Errorf("stream %s: %w", s.names[i], err)
		}
		for j := range result.Found {
			all = append(all, foundOfConsumer(&result.Found[j]))
		}
		for _, place := range result.Unsearched {
			unsearched = append(unsearched, fmt.Sprintf("%s messages of stream %s", placeOfConsumer(place), s.names[i]))
		}
		if truncated = len(all) > o.limit; truncated {
			all = all[:o.limit]
			break
		}
	}
	return o.showFound(all, truncated, unsearched)
}

func (o *findOperation) columns() []column[found] {
	return append(locatedColumns(o.consumer, func(m *found) *located { return &m.located }), []column[found]{
		{"PLACE", func(m *found) string { return m.Place }},
		{"STATE", func(m *found) string { return m.State }},
		{"SINCE", func(m *found) string { return stamp(m.Since) }},
		{"DUE", func(m *found) string { return stampOf(m.Due) }},
		{"ID", func(m *found) string { return m.ID }},
		{"BIZ ID", func(m *found) string {
			if m.BizID == "" {
				return ""
			}
			return word(m.BizID)
		}},
		{"TOPIC", func(m *found) string { return m.Topic }},
		{"KEY", func(m *found) string { return optional(m.Key) }},
		{"ATTEMPTS", func(m *found) string { return strconv.Itoa(m.Attempts) }},
		{"ERROR", func(m *found) string { return errorText(m.Class, m.LastError) }},
	}...)
}

// showFound shows what was found, and tells what was not.
func (o *findOperation) showFound(all []found, truncated bool, unsearched []string) error {
	if err := writeList(o.process.Out, o.output, o.columns(), all); err != nil {
		return err
	}
	if truncated {
		_, _ = fmt.Fprintf(o.process.Err, "There are more than these %d: see --limit.\n", len(all))
	}
	for _, place := range unsearched {
		_, _ = io.WriteString(o.process.Err, "It took too long to look among the "+place+"; one may be there.\n")
	}
	switch {
	case len(unsearched) > 0:
		return &codedError{code: exitPartly}
	case len(all) == 0:
		return nothing(o.process.Err)
	}
	return nil
}
