package relay

// queries_test.go: which statements of the relay a message costs.

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/weirproxy/weir/outboxworker/sink"
)

// counting counts the statements of relays by the names that their comments begin with.
type counting struct {
	mu     sync.Mutex
	counts map[string]int
}

func (c *counting) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	return ctx
}

func (c *counting) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData) {}

func (c *counting) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return ctx
}

func (c *counting) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func (c *counting) TraceBatchQuery(_ context.Context, _ *pgx.Conn, data pgx.TraceBatchQueryData) {
	if text, is := strings.CutPrefix(data.SQL, "-- "); is {
		name, _, _ := strings.Cut(text, ":")
		c.mu.Lock()
		defer c.mu.Unlock()
		c.counts[name]++
	}
}

// take returns the counts since it was called last.
func (c *counting) take() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	counts := c.counts
	c.counts = make(map[string]int)
	return counts
}

// A message that is taken costs one look, and one that is tried again two. There is none in
// vain, apart from a few when a probe and a look meet, and those of workers that have heard
// nothing from the scout for long.
func TestNoLookIsInVain(t *testing.T) {
	f := newFixture(t)
	c := &counting{counts: make(map[string]int)}
	f.settings.Database = f.Config.Copy()
	f.settings.Database.Tracer = c
	f.settings.PollMax = DefaultSettings().PollMax
	r := new(receiver)
	f.start(r)
	f.Eventually("1", func() string { return fmt.Sprint(f.metric("outbox_listening")) })
	looked := 0 // at each lane, as workers do when they begin
	f.Eventually("true", func() string { looked += c.take()["look"]; return fmt.Sprint(looked >= lanes) })
	const messages = 20
	send := func(what string, looks int) {
		c.take()
		polls := f.labelled("outbox_wakeups_total", "reason", "poll")
		for i := range messages {
			f.Enqueue(fmt.Sprint(i), "x")
			f.Eventually("0 pending, 0 deferred, 0 dead", f.Places)
		}
		got := c.take()
		polls = f.labelled("outbox_wakeups_total", "reason", "poll") - polls
		if most := looks + messages/4 + 2*int(polls); got["look"] < looks || got["look"] > most {
			t.Errorf("%d messages %s cost %v", messages, what, got)
		}
	}
	send("that are taken", messages)
	r.Set(func(m *sink.Message) sink.Result {
		if m.Attempt == 1 {
			return refuse(errNo)
		}
		return sink.Result{Outcome: sink.Delivered}
	})
	send("that are tried again", 2*messages)
}
