package relay

// timers_lateness_test.go measures how late retries are: many become due in each second,
// evenly, and the receiver of webhooks answers in a millisecond.

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/weirproxy/weir/outboxworker/sink/webhook"
)

// Where other things run at the same time, fewer become due, and they may be later. The
// limits themselves hold in the full counts, with a thousand a second.
const (
	crowdedRate = 200
	crowded     = 100 // times the limit
)

func TestRetriesAreInTime(t *testing.T) { // not parallel: they measure
	lateness(t, 3*time.Second, crowdedRate, true, crowded*50*time.Millisecond)
}

func TestRetriesAreInTimeWithoutRedis(t *testing.T) {
	lateness(t, 3*time.Second, crowdedRate, false, crowded/2*time.Second)
}

func TestSoakRetriesAreInTime(t *testing.T) {
	if os.Getenv("WEIR_SOAK") != "1" {
		t.Skip("the full count runs with WEIR_SOAK=1")
	}
	lateness(t, time.Minute, 1000, true, 50*time.Millisecond)
	lateness(t, time.Minute, 1000, false, time.Second)
}

// punctual is a receiver that journals when messages arrive.
type punctual struct {
	mu      sync.Mutex
	arrived map[int]time.Time
}

func (p *punctual) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	now := time.Now()
	body, readErr := io.ReadAll(r.Body)
	id, err := strconv.Atoi(string(body))
	if errors.Join(readErr, err) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	p.mu.Lock()
	if _, twice := p.arrived[id]; !twice {
		p.arrived[id] = now
	}
	p.mu.Unlock()
	time.Sleep(time.Millisecond)
	w.WriteHeader(http.StatusNoContent)
}

// lateness has retries become due for a time, so many a second, and fails if the p99 of how late they
// arrive is above the limit. All settings are the defaults.
func lateness(t *testing.T, during time.Duration, rate int, timers bool, limit time.Duration) {
	var f *fixture
	settings := DefaultSettings()
	if timers {
		timed := newQueueFixture(t)
		f, settings.Timers = timed.fixture, timed.queue
	} else {
		f = newFixture(t)
	}
	settings.Database, settings.Listen = f.settings.Database, f.settings.Listen
	p := &punctual{arrived: make(map[int]time.Time)}
	server := httptest.NewServer(p)
	defer server.Close()
	s := webhook.DefaultSettings()
	s.URL = server.URL
	to, err := webhook.New(s)
	if err != nil {
		t.Fatal(err)
	}
	// The first is due when the relay has started, and has made the timers.
	n, apart := int(during.Seconds())*rate, time.Second/time.Duration(rate)
	var first time.Time
	if err := f.Conn.QueryRow(t.Context(), "SELECT clock_timestamp() + interval '2 seconds'").Scan(&first); err != nil {
		t.Fatal(err)
	}
	f.Exec(`INSERT INTO outbox.deferred (id, lane, state, due_at, attempts, message_id, topic, key, type, payload, created_at)
		SELECT i + 1, hashtextextended('k' || i, 0) & 7, 'retry', $1::timestamptz + i * $3::interval, 1,
		       gen_random_uuid(), 't', 'k' || i, '', convert_to(i::text, 'UTF8'), now()
		FROM generate_series(0, $2::integer - 1) i`, first, n, apart)
	f.start(to, func(s *Settings) { *s = settings })
	end := time.Now().Add(during + deadline)
	for f.Places() != "0 pending, 0 deferred, 0 dead" {
		if time.Now().After(end) {
			t.Fatalf("%s in the end", f.Places())
		}
		sleep(t.Context(), 100*time.Millisecond, nil)
	}
	p.report(t, fmt.Sprintf("timers: %t, %d batches", timers, histogramCount(f, "outbox_batch_messages")), n, first, apart, limit)
}

// report shows how late n messages were, the first of which was due at a time, and the
// others each so long after the one before.
func (p *punctual) report(t *testing.T, what string, n int, first time.Time, apart, limit time.Duration) {
	t.Helper()
	late := make([]time.Duration, 0, n)
	for i, at := range p.arrived {
		late = append(late, at.Sub(first.Add(time.Duration(i)*apart)))
	}
	if len(late) != n {
		t.Fatalf("%d of %d retries arrived", len(late), n)
	}
	slices.Sort(late)
	at := func(q float64) time.Duration { return late[int(q*float64(n-1))].Round(100 * time.Microsecond) }
	t.Logf("%s, %d retries, one due every %s: lateness p50 %s, p90 %s, p99 %s, max %s", what, n, apart, at(0.5), at(0.9), at(0.99), at(1))
	if late[0] < 0 {
		t.Errorf("a retry came %s early", -late[0])
	}
	if at(0.99) > limit {
		t.Errorf("the p99 of the lateness is %s, want %s at most", at(0.99), limit)
	}
}
