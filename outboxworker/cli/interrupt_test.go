package cli

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// childArgs is the variable with the arguments of a test's process that is the worker's
// program, see TestMain.
const childArgs = "WEIR_TEST_COMMAND"

// child is a command that runs in a process of its own.
type child struct {
	*exec.Cmd
	out, err logbook
}

func (o *operated) start(args ...string) *child {
	o.Helper()
	c := &child{Cmd: exec.Command(os.Args[0])}
	c.Env = append(o.environ, childArgs+"="+strings.Join(args, "\n"))
	c.Stdout, c.Stderr = &c.out, &c.err
	if err := c.Start(); err != nil {
		o.Fatal(err)
	}
	o.Cleanup(func() { _ = c.Process.Kill() })
	return c
}

// interrupt presses Ctrl-C and returns the exit code.
func (c *child) interrupt(t *testing.T) int {
	t.Helper()
	if err := c.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	err := c.Wait()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return c.ProcessState.ExitCode()
}

// Ctrl-C ends a replay after the batch under way, and it says how far it came.
func TestAReplayIsInterrupted(t *testing.T) {
	o := newOperated(t)
	o.exec("DELETE FROM outbox.dead")
	o.exec(`INSERT INTO outbox.dead (id, lane, reason, attempts, message_id, topic, type, payload, created_at)
		SELECT n, n & 7, 'exhausted', 7, gen_random_uuid(), 'many', '', '', now() FROM generate_series(100000, 102999) AS n`)
	c := o.start("dead", "replay", "--topic", "many", "--rate", "100", "--yes")
	replaying := func() int {
		n, _ := strconv.Atoi(o.ask("SELECT count(replaying_at) FROM outbox.dead"))
		return n
	}
	eventually(t, "some are replayed", func() bool { return replaying() > 0 })
	code := c.interrupt(t)
	done := replaying()
	if code != exitPartly || done == 0 || done >= 3000 || !strings.HasPrefix(c.out.String(), "Replayed "+strconv.Itoa(done)+" of 3000 messages.\nRun: ") ||
		c.err.String() != "outboxworker: stopped half-way: interrupted\n" {
		t.Errorf("exit %d after %d: %s%s", code, done, c.out.String(), c.err.String())
	}
	if audited := o.ask("SELECT sum(messages) FROM outbox.audit"); audited != strconv.Itoa(done) {
		t.Errorf("%s are in the audit, %d are replayed", audited, done)
	}
}

// Ctrl-C before anything was changed, as while another holds the lane, is no change in part.
func TestAChangeIsInterruptedBeforeItBegins(t *testing.T) {
	o := newOperated(t)
	o.exec("SELECT pg_advisory_lock((x'776569'::bigint << 35) | ('outbox.message'::regclass::oid::bigint << 3) | lane) FROM outbox.dead WHERE id = 12")
	c := o.start("dead", "replay", "--id", "12", "--max-replays", "9", "--yes")
	eventually(t, "it waits for the lane", func() bool {
		return o.ask("SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database WHERE d.datname = current_database() AND locktype = 'advisory' AND NOT granted") == "1"
	})
	if code := c.interrupt(t); code != exitError || c.out.String() != "" || c.err.String() != "outboxworker: interrupted; nothing was changed\n" {
		t.Errorf("exit %d, %s%s", code, c.out.String(), c.err.String())
	}
}

// Ctrl-C is how one leaves stats --watch, and no error.
func TestStatsAreWatched(t *testing.T) {
	for form, want := range map[string]string{"table": " 0 -\n", "ndjson": `,"pending":1,`} {
		o := newOperated(t)
		c := o.start("stats", "--watch=100ms", "--output", form)
		eventually(t, "it has counted three times", func() bool { return strings.Count(c.out.String(), "\n") > 3 })
		o.exec("INSERT INTO outbox.paused_lane (lane) VALUES (2), (5)")
		eventually(t, "it tells what is new", func() bool {
			return strings.Contains(c.out.String(), " 2 5\n") || strings.Contains(c.out.String(), `"paused_lanes":[2,5]`)
		})
		code := c.interrupt(t)
		if code != 0 || c.err.String() != "" || form == "ndjson" && !strings.Contains(c.out.String(), want) {
			t.Errorf("exit %d, %s%s", code, c.out.String(), c.err.String())
		}
		if form == "table" {
			line := strings.SplitN(c.out.String(), "\n", 3)
			if strings.Join(strings.Fields(line[0]), " ") != "AT PENDING RETRY PARKED DELAYED OVERDUE DEAD BLOCKED PAUSED" ||
				!strings.HasSuffix(strings.Join(strings.Fields(line[1]), " "), "Z 1 1 2 1 0 3 2 -") {
				t.Errorf("table:\n%s", c.out.String())
			}
		}
	}
}

// The output does not lose what is written after a reader went away.
func TestAReaderThatGoesAwayIsAnError(t *testing.T) {
	o := newOperated(t)
	code := Execute(t.Context(), Process{Args: []string{"dead", "list"}, Environ: o.environ, Out: closed{}, Err: new(bytes.Buffer)})
	if code != exitError {
		t.Errorf("exit %d", code)
	}
	var errOut bytes.Buffer
	code = Execute(t.Context(), Process{Args: []string{"dead", "replay", "--id", "11", "--yes"}, Environ: o.environ, Out: closed{}, Err: &errOut})
	if code != exitError || !strings.HasPrefix(errOut.String(), "outboxworker: Replayed 1 of 1 messages.\nRun: ") || !strings.HasSuffix(errOut.String(), "\nThis could not be written: file already closed\n") {
		t.Errorf("exit %d, %s", code, errOut.String())
	}
}

type closed struct{}

func (closed) Write([]byte) (int, error) { return 0, os.ErrClosed }
