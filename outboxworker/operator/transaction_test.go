package operator

import (
	"bytes"
	"context"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// cut is a connection that ends when the server has committed what was written to the audit,
// before the answer to that is read.
type cut struct {
	net.Conn
	audited, committed atomic.Bool
}

func (c *cut) Write(b []byte) (int, error) {
	switch {
	case bytes.Contains(b, []byte(".audit (run")):
		c.audited.Store(true)
	case c.audited.Load() && bytes.Contains(b, []byte("commit")):
		c.committed.Store(true)
	}
	return c.Conn.Write(b)
}

func (c *cut) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.committed.Load() {
		return 0, io.ErrUnexpectedEOF
	}
	return n, err
}

// Nobody is told that a batch was not done when its commit had no answer.
func TestTheAnswerToACommitIsLost(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.kill("", "test", "", "no", 1, 3)
	config := f.Config.Copy()
	config.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		return &cut{Conn: conn}, err
	}
	o, err := Open(t.Context(), config, "outbox", Identity{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = o.Close(context.Background()) }()
	got, err := o.Replay(t.Context(), Filter{IDs: []int64{2}}, Options{})
	if err == nil || !strings.Contains(err.Error(), "the answer was lost, and only the audit tells whether it was done") || got.Changed != 0 {
		t.Errorf("%+v, %v", got, err)
	}
	if audited := f.Ask("SELECT string_agg(messages::text, ' ') FROM outbox.audit"); audited != "1" {
		t.Errorf("the audit has %s", audited)
	}
}

// Lists that take, or wait, too long say which of the two it is.
func TestAListTakesTooLong(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	tx, err := f.Conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "LOCK TABLE outbox.dead"); err != nil {
		t.Fatal(err)
	}
	for want, waits := range map[string]waits{
		"a table is locked, as by a migration, and was not free within 50ms": {lock: 50 * time.Millisecond, statement: time.Minute, idle: time.Minute},
		"it took longer than 50ms, which is too long beside the relay":       {lock: time.Minute, statement: 50 * time.Millisecond, idle: time.Minute},
	} {
		f.o.waits = waits
		if _, err := f.o.ListDead(t.Context(), Filter{}, Page{}); err == nil || !strings.Contains(err.Error(), "listing messages: "+want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
}
