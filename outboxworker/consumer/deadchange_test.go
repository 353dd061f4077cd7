package consumer

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/weirproxy/weir/internal/testserver"
)

// cut is a connection that ends when Redis has done what somebody asked for, before the
// answer to it is read.
type cut struct {
	net.Conn
	of   string
	sent atomic.Bool
}

func (c *cut) Write(b []byte) (int, error) {
	if bytes.Contains(b, []byte(c.of)) {
		c.sent.Store(true)
	}
	return c.Conn.Write(b)
}

func (c *cut) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.sent.Load() {
		return 0, io.ErrUnexpectedEOF
	}
	return n, err
}

// A batch of which the answer is lost may have been done; one that Redis refused, or that
// was never sent, was not.
func TestTheAnswerToAChangeIsLost(t *testing.T) {
	t.Parallel()
	server := testserver.Redis(t)
	client := connect(t, server)
	d := bury(t, client, 3)
	if err := replayScript.Load(t.Context(), client).Err(); err != nil { // or the first answer is that there is none
		t.Fatal(err)
	}
	options := client.Options()
	cutting := redis.NewClient(&redis.Options{
		MaxRetries: -1,
		Dialer: func(ctx context.Context, _, _ string) (net.Conn, error) {
			conn, err := new(net.Dialer).DialContext(ctx, options.Network, options.Addr)
			return &cut{Conn: conn, of: "who loses the answer"}, err
		},
	})
	defer func() { _ = cutting.Close() }()
	changed, err := deadOf(t, cutting, events).Replay(t.Context(), Filter{}, Change{Actor: "who loses the answer"})
	if err == nil || !strings.Contains(err.Error(), "the answer was lost, and only the audit tells whether it was done") || changed.Changed != 0 {
		t.Errorf("%+v, %v", changed, err)
	}
	if lines, err := d.Audit(t.Context(), "", 10); err != nil || len(lines) != 1 || len(lines[0].IDs) != 3 {
		t.Errorf("audit: %+v, %v", lines, err)
	}
	for _, err := range []error{&net.OpError{Op: "dial", Err: errors.New("refused")}, context.Canceled, cleaned("OOM command not allowed")} {
		if got := unanswered(err); got != err {
			t.Errorf("%v", got)
		}
	}
}
