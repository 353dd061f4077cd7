package retryqueue

import (
	"bytes"
	"context"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/weirproxy/weir/internal/testserver"
)

// The test binary is run as a claimer on this Redis, with this journal.
const (
	claimerRedis   = "WEIR_TEST_CLAIMER_REDIS"
	claimerJournal = "WEIR_TEST_CLAIMER_JOURNAL"
)

const (
	claimers  = 8
	killLease = 500 * time.Millisecond
)

// TestClaimer is a claimer in a process of its own, which is killed.
func TestClaimer(t *testing.T) {
	url := os.Getenv(claimerRedis)
	if url == "" {
		return // this is no claimer
	}
	options, err := redis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	options.MaxRetries, options.ReadTimeout = -1, time.Minute
	file, err := os.OpenFile(os.Getenv(claimerJournal), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	q, err := New(redis.NewClient(options), "orders", zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	go q.Listen(t.Context())
	for {
		claimed, err := q.Claim(t.Context(), 1+rand.IntN(10), killLease)
		if err != nil {
			t.Fatal(err)
		}
		if err := (journal{file}).claimed(claimed.Claims); err != nil {
			t.Fatal(err)
		}
		for _, c := range claimed.Claims {
			time.Sleep(rand.N(20 * time.Millisecond)) // the work
			if err := settleOne(t.Context(), q, journal{file}, c); err != nil {
				t.Fatal(err)
			}
		}
		if err := q.Wait(t.Context(), claimed); err != nil {
			t.Fatal(err)
		}
	}
}

// settleOne is done with a claim, or one time in four lets it wait a little more.
func settleOne(ctx context.Context, q *Queue, j journal, c Claim) error {
	how := "done"
	if rand.IntN(4) == 0 {
		how = "return"
	}
	err := j.ending(c, how)
	lost := 0
	if err == nil && how == "done" {
		lost, err = q.Done(ctx, c)
	} else if err == nil {
		lost, err = q.Return(ctx, Returned{c, rand.N(50 * time.Millisecond)})
	}
	if err != nil {
		return err
	}
	return j.ended(c, how, lost)
}

// process is a claimer that runs.
type process struct {
	cmd *exec.Cmd
	out bytes.Buffer
	// stoppedUntil is when a stopped one goes on.
	stoppedUntil time.Time
}

func begin(t *testing.T, url, journal string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(os.Args[0], "-test.run=^TestClaimer$", "-test.timeout=2h")}
	p.cmd.Env = append(os.Environ(), claimerRedis+"="+url, claimerJournal+"="+journal)
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.out
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *process) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Errorf("a claimer has ended by itself: %v", err)
	}
}

// kill kills a claimer, and shows what it said if it had ended before.
func (p *process) kill(t *testing.T) {
	t.Helper()
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
	if status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || !status.Signaled() {
		t.Errorf("a claimer has ended by itself:\n%s", &p.out)
	}
}

// Eight claimers in processes of their own, which are killed and begun again, and stopped
// for longer than their lease, wherever they are, while Redis forgets the scripts: no
// id is lost, none is claimed by two at once while a lease holds, and what the dead had is
// claimed within a second of the end of the lease, by the server's clock.
func TestClaimersAreKilled(t *testing.T) { killClaimers(t, 800, 3*time.Second) }

func TestSoakClaimersAreKilled(t *testing.T) {
	if os.Getenv("WEIR_SOAK") == "" {
		return // the short form is TestClaimersAreKilled
	}
	killClaimers(t, 50_000, 3*time.Minute)
}

func killClaimers(t *testing.T, count int, dying time.Duration) {
	t.Helper()
	server := testserver.Redis(t)
	client := connect(t, server)
	q, _ := openOn(t, client)
	rebuild(t, q)
	file := filepath.Join(t.TempDir(), "journal")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	all := make([]*process, claimers)
	t.Cleanup(func() { // also of those that are stopped, when the test fails
		for _, p := range all {
			if p != nil {
				_ = p.cmd.Process.Kill()
				_ = p.cmd.Wait()
			}
		}
	})
	for i := range all {
		all[i] = begin(t, server.URL(), file)
	}
	ctx, stop := context.WithCancel(t.Context())
	stall := make(chan time.Duration)
	go func() { stall <- longestStall(ctx, client) }()
	scheduled := make(chan struct{})
	go func() {
		defer close(scheduled)
		scheduleOver(t, q, count, dying)
	}()
	kills, stops := 0, 0
	for began := time.Now(); time.Since(began) < dying; {
		time.Sleep(rand.N(100 * time.Millisecond)) // random moments, on purpose
		resume(t, all, time.Now())
		switch i := rand.IntN(claimers); {
		case !all[i].stoppedUntil.IsZero() || rand.IntN(6) > 0:
			all[i].kill(t)
			all[i] = begin(t, server.URL(), file)
			kills++
		default:
			all[i].signal(t, syscall.SIGSTOP)
			all[i].stoppedUntil = time.Now().Add(killLease * 3 / 2)
			stops++
		}
		if err := client.ScriptFlush(t.Context()).Err(); err != nil {
			t.Error(err)
		}
	}
	<-scheduled
	eventually(t, "all are done", func() bool {
		resume(t, all, time.Now())
		stats, err := q.Stats(t.Context())
		return err == nil && stats.Timers == 0 && stats.Leased == 0
	})
	resume(t, all, time.Now().Add(killLease*2))
	for _, p := range all {
		p.kill(t)
	}
	stop()
	verdict(t, file, count, <-stall)
	t.Logf("%d claimers were killed, %d stopped for longer than their lease", kills, stops)
}

// resume lets those go on whose time has come.
func resume(t *testing.T, all []*process, now time.Time) {
	t.Helper()
	for _, p := range all {
		if !p.stoppedUntil.IsZero() && now.After(p.stoppedUntil) {
			p.stoppedUntil = time.Time{}
			p.signal(t, syscall.SIGCONT)
		}
	}
}

// scheduleOver schedules the ids from 1 to count, spread over a time.
func scheduleOver(t *testing.T, q *Queue, count int, over time.Duration) {
	const some = 10
	ticker := time.NewTicker(over * some / time.Duration(count))
	defer ticker.Stop()
	for first := 1; first <= count; first += some {
		timers := make([]Timer, some)
		for i := range timers {
			timers[i] = Timer{int64(first + i), rand.N(300 * time.Millisecond)}
		}
		if err := q.Schedule(t.Context(), timers...); err != nil {
			t.Error(err)
			return
		}
		<-ticker.C
	}
}

// longestStall is the longest time for which neither this process nor Redis did what it
// was to do at once: the machine had no time for it.
func longestStall(ctx context.Context, client *redis.Client) time.Duration {
	const rest = 5 * time.Millisecond
	longest := time.Duration(0)
	for ctx.Err() == nil {
		began := time.Now()
		time.Sleep(rest)
		_ = client.Ping(context.WithoutCancel(ctx)).Err()
		longest = max(longest, time.Since(began)-rest)
	}
	return longest
}

// verdict judges the journal of claimers that have done with the ids from 1 to count. A
// lease may come back later than within a second by what the machine stalled.
func verdict(t *testing.T, file string, count int, stall time.Duration) {
	t.Helper()
	claims := readJournal(t, file, killLease)
	var f found
	for id := range int64(count) {
		f.judge(claims[id+1], killLease)
	}
	t.Logf("%d leases were abandoned; the slowest came back %s after its end; the machine stalled for up to %s",
		f.abandoned, f.slowest, stall)
	if f.lost+f.twice+f.again+f.wrongLate > 0 {
		t.Errorf("%d ids were lost, %d held by two, %d claimed after they were done; %d late by less than it was",
			f.lost, f.twice, f.again, f.wrongLate)
	}
	if f.abandoned == 0 || f.slowest > time.Second+stall {
		t.Errorf("%d leases were abandoned; the slowest came back %s after its end, want %s", f.abandoned, f.slowest, time.Second+stall)
	}
}
