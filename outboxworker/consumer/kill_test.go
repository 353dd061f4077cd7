package consumer

import (
	"context"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/weirproxy/weir/internal/backoff"
	"github.com/weirproxy/weir/internal/testserver"
)

const (
	childRedis = "WEIR_TEST_CONSUMER_REDIS"
	killLease  = time.Second
	journal    = "journal"
)

// TestChild is a consumer in a process of its own, which is killed. It notes in Redis when
// a handler begins and ends; every third first attempt fails.
func TestChild(t *testing.T) {
	address := os.Getenv(childRedis)
	if address == "" {
		return // this is no child
	}
	parsed, err := redis.ParseURL(address)
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(parsed)
	options := quick()
	options.Lease, options.Concurrency, options.Batch = killLease, 4, 16
	options.Backoff = backoff.Policy{Base: 5 * time.Millisecond, Cap: 50 * time.Millisecond}
	options.Retries, options.MaxTakeovers = 1000, 1000
	me := strconv.Itoa(os.Getpid())
	note := func(m *Message, what string) error {
		return client.XAdd(context.Background(), &redis.XAddArgs{Stream: journal, Values: []any{"id", m.ID, "what", what, "pid", me}}).Err()
	}
	c, err := New(client, group, func(_ context.Context, m *Message) error {
		if err := note(m, "begin"); err != nil {
			return err
		}
		time.Sleep(rand.N(80 * time.Millisecond)) // the work
		n, _ := strconv.Atoi(m.ID)
		if n%3 == 0 && m.Attempt == 1 {
			if err := note(m, "fail"); err != nil {
				return err
			}
			return errRefused
		}
		return note(m, "end")
	}, options)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// Eight consumers, of which one is killed every few milliseconds, wherever it is: no entry
// is lost, none is handled by two at once unless a lease has ended in between, and what
// the dead had is another's within a second of the end of the lease.
//
// The second is that of a machine that does nothing else, as in the full count.
func TestConsumersAreKilled(t *testing.T) { killConsumers(t, 3000, 8*time.Second, 5*time.Second) }

func TestSoakConsumersAreKilled(t *testing.T) {
	if os.Getenv("WEIR_SOAK") == "" {
		return // the short form is TestConsumersAreKilled
	}
	killConsumers(t, 100_000, 5*time.Minute, time.Second)
}

func killConsumers(t *testing.T, count int, dying, late time.Duration) {
	t.Helper()
	server := testserver.Redis(t)
	client := connect(t, server)
	for i := range count {
		appended(t, client, events, "id", i, "topic", "orders", "payload", strings.Repeat("x", 200))
	}
	const consumers = 8
	children := make([]*exec.Cmd, consumers)
	begin := func(i int) {
		child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestChild$", "-test.timeout=1h")
		child.Env = append(os.Environ(), childRedis+"="+server.URL())
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		children[i] = child
	}
	kill := func(i int) {
		_ = children[i].Process.Kill()
		_ = children[i].Wait()
	}
	for i := range consumers {
		begin(i)
	}
	harmed := make(map[string]harm) // by process
	kills, stops := 0, 0
	over := make(chan struct{})
	var watcher sync.WaitGroup
	watcher.Go(func() { watchLeases(t, client, over, late) })
	for began := time.Now(); time.Since(began) < dying; {
		time.Sleep(rand.N(120 * time.Millisecond)) // random moments, on purpose
		i := rand.IntN(consumers)
		pid := strconv.Itoa(children[i].Process.Pid)
		if rand.IntN(8) == 0 {
			if !harmed[pid].stopped { // the first time counts
				harmed[pid] = harm{client.Time(t.Context()).Val().UnixMilli(), true}
			}
			stop(t, children[i].Process)
			stops++
			continue
		}
		kill(i)
		if !harmed[pid].stopped {
			harmed[pid] = harm{client.Time(t.Context()).Val().UnixMilli(), false}
		}
		kills++
		begin(i)
	}
	allSettled(t, client, events)
	close(over)
	watcher.Wait()
	for i := range consumers {
		kill(i)
	}
	if s := seenOf(t, client, events); s.dead != 0 {
		t.Errorf("%d are dead", s.dead)
	}
	check(t, readJournal(t, client), count, harmed)
	t.Logf("%d consumers were killed, %d stopped for longer than their lease", kills, stops)
}

// watchLeases checks that what a consumer had is another's so long after its lease, at the
// latest; but for suspects, which are taken over one at a time.
func watchLeases(t *testing.T, client *redis.Client, over <-chan struct{}, late time.Duration) {
	s, ctx := streamOf(t, events), context.Background()
	for looks := 0; ; looks++ {
		select {
		case <-over:
			t.Logf("looked %d times for leases that were over", looks)
			return
		case <-time.After(20 * time.Millisecond):
		}
		entries, err := client.XPendingExt(ctx, &redis.XPendingExtArgs{
			Stream: events, Group: group, Idle: killLease + late, Start: "-", End: "+", Count: 1000,
		}).Result()
		entries = slices.DeleteFunc(entries, func(e redis.XPendingExt) bool { return e.RetryCount >= suspectFrom })
		if err != nil && !isMissing(err) || len(entries) > 0 {
			t.Errorf("entries are %s over their lease: %v, %v", late, entries, err)
		}
		now := client.Time(ctx).Val().Add(-late).UnixMicro()
		retries, err := client.ZRangeArgs(ctx, redis.ZRangeArgs{Key: s.leased, Start: "-inf", Stop: now, ByScore: true}).Result()
		if err != nil || len(retries) > 0 {
			t.Errorf("retries are %s over their lease: %v, %v", late, retries, err)
		}
	}
}

// harm is what was done to a process first.
type harm struct {
	at int64 // ms, by the server
	// stopped tells that it was stopped for longer than its lease, and not killed.
	stopped bool
}

// before tells whether a process was harmed before a time, as others noted it.
func (h harm) before(at int64) bool { return h.at > 0 && h.at <= at+1 }

// stop stops a process for longer than its lease.
func stop(t *testing.T, process *os.Process) {
	t.Helper()
	if err := process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	time.Sleep(killLease * 3 / 2)
	if err := process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
}

// line is what a handler noted.
type line struct {
	at        int64 // ms, by the server
	what, pid string
}

func readJournal(t *testing.T, client *redis.Client) map[string][]line {
	t.Helper()
	all := make(map[string][]line)
	for first := "-"; ; {
		entries, err := client.XRangeN(t.Context(), journal, first, "+", 5000).Result()
		if err != nil {
			t.Fatal(err)
		}
		if len(entries) == 0 {
			return all
		}
		for _, e := range entries {
			ms, _, _ := strings.Cut(e.ID, "-")
			at, _ := strconv.ParseInt(ms, 10, 64)
			id := e.Values["id"].(string)
			all[id] = append(all[id], line{at, e.Values["what"].(string), e.Values["pid"].(string)})
			first = "(" + e.ID
		}
	}
}

// check checks what the handlers of each message noted.
func check(t *testing.T, all map[string][]line, count int, harmed map[string]harm) {
	t.Helper()
	lost, repeated, abandoned, slowest := 0, 0, 0, int64(0)
	for i := range count {
		lines := all[strconv.Itoa(i)]
		ends := 0
		for k, l := range lines {
			switch {
			case l.what == "end":
				ends++
			case l.what == "begin" && k > 0 && lines[k-1].what == "begin":
				// The one before did not end: it must have been killed, or one of them
				// stopped, and its lease must have run out.
				abandoned++
				before := lines[k-1]
				done, other := harmed[before.pid], harmed[l.pid]
				if !done.before(l.at) && (!other.stopped || !other.before(l.at)) {
					t.Errorf("message %d is handled by %s while %s handles it: %v", i, l.pid, before.pid, lines)
				}
				if done.stopped || !done.before(l.at) {
					continue // how long the lease was is not known
				}
				// The last sign of life was given a third of a lease before, or two where it
				// was late.
				if l.at-before.at < killLease.Milliseconds()/3 {
					t.Errorf("message %d is handled again after %dms, within the lease", i, l.at-before.at)
				}
				slowest = max(slowest, l.at-max(done.at, before.at)-killLease.Milliseconds())
			case l.what == "begin" && k > 0 && !slices.Contains([]string{"end", "fail"}, lines[k-1].what):
				t.Errorf("message %d: %v", i, lines)
			}
		}
		if ends == 0 {
			lost++
		}
		if ends > 1 {
			repeated++
		}
	}
	t.Logf("%d messages: %d lost, %d done more than once, as their consumer died or was stopped before it could say so; "+
		"%d handlings were abandoned, the slowest was begun anew %dms after the end of the lease, behind others", count, lost, repeated, abandoned, slowest)
	if lost > 0 || abandoned == 0 {
		t.Errorf("%d lost, %d abandoned", lost, abandoned)
	}
}
