package dev

import (
	"bytes"
	"context"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/weirproxy/weir/outboxworker/sink"
	"github.com/weirproxy/weir/outboxworker/sink/null"
)

// screen is an output that can be read while it is written.
type screen struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// waitFor waits until the screen shows something, and returns the parts of it.
func (s *screen) waitFor(t *testing.T, pattern string) []string {
	t.Helper()
	re := regexp.MustCompile(pattern)
	for deadline := time.Now().Add(90 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if found := re.FindStringSubmatch(s.String()); found != nil {
			return found
		}
	}
	t.Fatalf("the screen does not show %s:\n%s", pattern, s.String())
	return nil
}

// enterable is a folder that another user's server can enter, which one of t.TempDir is
// not.
func enterable(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "dev-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

const counts = `produced (\d+)   relayed (\d+)   stream (\d+)   latency p50 (\S+)`

func TestShowsAnOutboxAtWork(t *testing.T) {
	temporary := enterable(t)
	t.Setenv("TMPDIR", temporary)
	out := new(screen)
	o := DefaultOptions()
	o.For, o.Rate, o.Out, o.Logger = 8*time.Second, 100, out, zap.NewNop() // for a machine that is slow at first
	ended := make(chan error, 1)
	go func() { ended <- Run(t.Context(), o) }()

	postgres := out.waitFor(t, `PostgreSQL +(\S+)`)[1]
	url := out.waitFor(t, `Redis +(\S+)`)[1]
	out.waitFor(t, `stream [1-9]`)
	checkStream(t, url)
	note(t, postgres)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	all := regexp.MustCompile(counts).FindAllStringSubmatch(out.String(), -1)
	last := all[len(all)-1]
	produced, _ := strconv.Atoi(last[1])
	relayed, _ := strconv.Atoi(last[2])
	// the note is one more than the producer knows of
	if len(all) < 3 || produced < 100 || relayed < produced || relayed > produced+1 || last[2] != last[3] {
		t.Errorf("%d lines of counts, the last is %q", len(all), last[0])
	}
	if took, err := time.ParseDuration(last[4]); err != nil || took <= 0 || took > 10*time.Second {
		t.Errorf("the latency is %q, %v", last[4], err)
	}
	if left, err := os.ReadDir(temporary); err != nil || len(left) != 0 {
		t.Errorf("folders are left: %v, %v", left, err)
	}
	if conn, err := pgx.Connect(t.Context(), postgres); err == nil {
		_ = conn.Close(t.Context())
		t.Error("PostgreSQL still runs")
	}
}

// checkStream looks at what one entry has.
func checkStream(t *testing.T, url string) {
	t.Helper()
	options, err := redis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(options)
	defer func() { _ = client.Close() }()
	entries, err := client.XRangeN(t.Context(), "events:orders", "-", "+", 1).Result()
	if err != nil || len(entries) != 1 {
		t.Fatalf("the stream has %d entries, %v", len(entries), err)
	}
	// every order begins as delivered, so its first event places it anew
	if v := entries[0].Values; v["type"] != "order.placed" || !strings.HasPrefix(v["key"].(string), "order-") ||
		!strings.Contains(v["payload"].(string), `"state":"placed"`) {
		t.Errorf("the first entry is %v", v)
	}
}

// note runs the statement that the welcome tells to try.
func note(t *testing.T, url string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	_, err = conn.Exec(t.Context(), `SELECT outbox.enqueue(topic => 'orders', key => 'order-1', type => 'order.noted', payload => '{"by": "hand"}'::jsonb)`)
	if err != nil {
		t.Error(err)
	}
}

func TestKeepsItsDataAndEndsWithItsContext(t *testing.T) {
	data := enterable(t)
	stream := func() int {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		out := new(screen)
		o := DefaultOptions()
		o.Data, o.Rate, o.Out = filepath.Join(data, "kept"), 50, out
		ended := make(chan error, 1)
		go func() { ended <- Run(ctx, o) }()
		out.waitFor(t, counts)
		cancel()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		all := regexp.MustCompile(counts).FindAllStringSubmatch(out.String(), -1)
		n, _ := strconv.Atoi(all[len(all)-1][3])
		return n
	}
	first := stream()
	if second := stream(); first == 0 || second <= first {
		t.Errorf("the stream had %d entries, and after a second start %d", first, second)
	}
}

func TestStartsNothingForNobody(t *testing.T) {
	temporary := enterable(t)
	t.Setenv("TMPDIR", temporary)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Run(ctx, DefaultOptions()); err == nil {
		t.Error("servers started though nobody waits for them")
	}
	if left, err := os.ReadDir(temporary); err != nil || len(left) != 0 {
		t.Errorf("folders are left: %v, %v", left, err)
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	for _, rate := range []float64{0, -1, math.NaN(), math.Inf(1), 10_001} {
		o := DefaultOptions()
		o.Rate = rate
		if err := o.Validate(); err == nil {
			t.Errorf("a rate of %g passed", rate)
		}
	}
	o := DefaultOptions()
	o.For = -time.Second
	if err := o.Validate(); err == nil {
		t.Error("a negative time passed")
	}
}

func TestMedianOfTheLast(t *testing.T) {
	t.Parallel()
	m := &meter{Sink: null.New()}
	if m.median() != 0 {
		t.Error("nothing has a median")
	}
	deliver := func(n int, age time.Duration) {
		batch := &sink.Batch{Messages: make([]sink.Message, n), Results: make([]sink.Result, n)}
		for i := range batch.Messages {
			batch.Messages[i].CreatedAt = time.Now().Add(-age)
		}
		m.Deliver(t.Context(), batch)
	}
	deliver(recent, time.Hour)
	deliver(recent/2+1, time.Minute)
	if got := m.median(); got < time.Minute || got > 2*time.Minute {
		t.Errorf("the median is %s, want a minute: more than half of the last took that", got)
	}
	if m.relayed() != recent+recent/2+1 {
		t.Errorf("%d were relayed", m.relayed())
	}
}
